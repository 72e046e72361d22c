"""A study that is shown by the numbers of its articles, without texts: its measures, their changes and its figures.

`resources/studies/` has such studies. Their README says which columns the files have.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import changes as changes_schema
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.figures import style
from bias_amplification.figures.robustness import robustness, robustness_table
from bias_amplification.figures.tables.writing import write_table_for_reading
from bias_amplification.figures.trajectories import trajectories
from bias_amplification.figures.transitions import transitions
from bias_amplification.measures.changes import PairedChanges
from bias_amplification.measures.intervals import wilson_interval
from bias_amplification.measures.version_measures import VersionMeasures
from bias_amplification.published.record import BASE
from bias_amplification.study.sections import Quality

#: Numbers of an article that a version has the mean of, by the column of the metrics table.
MEANS = {
    "text_quality_index": "quality",
    "text_quality_index_weighted": "quality_weighted",
    "perplexity_base": "perplexity_base",
    "perplexity_generating": "perplexity_generating",
    "repeated_4": "repeated_4",
    "words": "words",
}


class ShownStudy(NamedTuple):
    """The tables of a study."""

    metrics: pd.DataFrame
    """As in `artifacts.schemas.metrics`; columns that need the texts are empty."""
    changes: pd.DataFrame
    """As in `artifacts.schemas.changes`, paired by article; without those of adjusted shares."""
    transitions: pd.DataFrame
    """As in `artifacts.schemas.diversity.TRANSITIONS`."""
    labels: list[str]


def read_shown_study(folder: Path | str) -> ShownStudy:
    """Compute a study's tables from the numbers of its articles.

    Parameters
    ----------
    folder
        Has `articles.parquet`, one row for each version and article, and `versions.csv`, one row for each version.

    Returns
    -------
    ShownStudy
        Intervals are Wilson's for shares and Student's for means; changes are paired by article. Shares adjusted for
        the classifier's confusions and calibrated probabilities are the run's own, because they need its classifier.

    Raises
    ------
    StudyError
        If a version has no articles, or two versions of a round have other articles.
    """
    articles, versions = pd.read_parquet(Path(folder) / "articles.parquet"), pd.read_csv(Path(folder) / "versions.csv")
    labels = [name.removeprefix("probability_") for name in articles if name.startswith("probability_")]
    places = {name: place for place, name in enumerate(sorted(articles["article_id"].unique()))}
    rows: list[dict[str, Any]] = []
    moved: list[dict[str, Any]] = []
    changes = PairedChanges(labels)
    for version in versions.to_dict("records"):
        own = _articles_of(articles, version, Path(folder))
        generation = None if pd.isna(version["generation"]) else int(version["generation"])
        about = {"round": version["round"], "replicate": 1, "generation": generation, "seed_set": version["seed_set"]}
        measures = measure_articles(own, labels)
        readable = int((own["quality"] >= Quality().readable).sum())
        counts = {"articles": len(own), "labelled": len(own), "articles_readable": readable}
        rows.append(version | {"decoding": None} | counts | measures.intervals([]) | about)
        if generation is None:
            changes.add_base(version["seed_set"], measures)
        else:
            ids = own["article_id"].map(places).to_numpy()
            changes.add((version["round"], 1), generation, version["seed_set"], ids, measures)
        moved += [about | row for row in _moves(own, labels)]
    changes.finish_round()
    metrics, differences = (
        pd.DataFrame(found).reindex(columns=schema(labels).names)
        for found, schema in ((rows, metrics_schema), (changes.rows, changes_schema))
    )
    return ShownStudy(metrics, differences, pd.DataFrame(moved), labels)


def _articles_of(articles: pd.DataFrame, version: dict[str, Any], folder: Path) -> pd.DataFrame:
    """Return the articles of a version, by their ids."""
    generation = articles["generation"].isna() if pd.isna(version["generation"]) else None
    if generation is None:
        generation = articles["generation"].eq(version["generation"])
    same_set = articles["seed_set"].eq(version["seed_set"])
    own = articles[articles["round"].eq(version["round"]) & generation & same_set].sort_values("article_id")
    whole = articles.loc[same_set, "article_id"].unique()
    if own.empty or sorted(whole) != own["article_id"].tolist():
        raise StudyError(
            f"{folder / 'articles.parquet'} has not every article of the seed set {version['seed_set']} once for round "
            f"{version['round']}, generation {version['generation']} of {folder / 'versions.csv'}: restore both files."
        )
    return own


def measure_articles(articles: pd.DataFrame, labels: Sequence[str]) -> VersionMeasures:
    """Return the measures of a version's articles that need no texts, by the columns of the metrics table."""
    predicted, second = articles["predicted"], articles["second_predicted"]
    readable = articles["quality"].ge(Quality().readable)
    shares = {"agreement": predicted.eq(second).to_numpy(dtype=float)}
    means = {name: articles[column].to_numpy(dtype=float) for name, column in MEANS.items()}
    for label in labels:
        given = predicted.eq(label)
        shares[f"share_{label}"] = given.to_numpy(dtype=float)
        shares[f"share_second_{label}"] = second.eq(label).to_numpy(dtype=float)
        shares[f"share_readable_{label}"] = np.where(readable, given.astype(float), np.nan)
        means[f"mean_probability_{label}"] = articles[f"probability_{label}"].to_numpy(dtype=float)
    return VersionMeasures(shares, means, None)


def _moves(articles: pd.DataFrame, labels: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield how often articles of each real label are given each label."""
    for label in labels:
        own = articles.loc[articles["real_label"].eq(label), "predicted"]
        for predicted in labels if len(own) else []:
            share, low, high = wilson_interval(int(own.eq(predicted).sum()), len(own))
            row = {"label": label, "predicted": predicted, "articles": int(own.eq(predicted).sum())}
            yield row | {"share": share, "share_low": low, "share_high": high}


def draw_figures(study: ShownStudy) -> dict[str, Figure]:
    """Draw a study with the functions that draw the figures of a run.

    Returns
    -------
    dict
        Figures by the names of their files.
    """
    metrics = study.metrics
    by_round = metrics[metrics["round"] != BASE].groupby("round", sort=False)
    tracked: dict[str, str] = by_round["tracked_label"].first().to_dict()
    figures = {}
    for label in dict.fromkeys(tracked.values()):
        rounds = [name for name, own in tracked.items() if own == label]
        figures[f"share_{label}"] = trajectories(metrics, [f"share_{label}", "text_quality_index"], rounds)
    figures["collapse"] = trajectories(metrics, ["repeated_4", "perplexity_base"], list(tracked))
    figures["robustness"] = robustness(metrics, tracked)
    for name in tracked:
        figures[f"transitions_{name}"] = transitions(study.transitions, study.labels, name)
    return figures


def write_shown_study(folder: Path, out: Path) -> None:
    """Write the figures of a study to `out` as PNG, and the table of its shares in other ways of counting as CSV."""
    study = read_shown_study(folder)
    out.mkdir(parents=True, exist_ok=True)
    for name, figure in draw_figures(study).items():
        style.save_figure(figure, [out / f"{name}.png"])
    tracked = study.metrics.dropna(subset="tracked_label").groupby("round", sort=False)["tracked_label"].first()
    table = robustness_table(study.metrics, study.changes, tracked.to_dict())
    write_table_for_reading(table, [out / "robustness.csv"], "The tracked label's share, counted in other ways")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=write_shown_study.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    write_shown_study(*vars(parser.parse_args()).values())
