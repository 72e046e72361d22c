"""Every published number beside the run's own, with the sampling error of both and a verdict."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.schemas import COMPARISON, NEURON_OVERLAP
from bias_amplification.artifacts.schemas import changes as changes_schema
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.measures.encoders import read_scores
from bias_amplification.neurons.sets import chance_overlap
from bias_amplification.published.comparable import Counterparts
from bias_amplification.published.numbers import Numbers, split_column
from bias_amplification.published.record import (
    BASE,
    PUBLISHED_INTERVALS,
    published_labels,
    published_metrics,
    read_statements,
    share_interval,
)
from bias_amplification.published.verdicts import KINDS, VERDICTS, Comparison, Estimate, judge, judge_count

#: The paper's number of neurons and significance level.
NEURONS, ALPHA = 9216, 0.05
#: Estimated number of test articles behind Table 1, which the paper does not state: 15% of the resampled articles. The
#: corpus has 2,542 right, 2,388 left and 1,517 center articles. Without the 1,518 articles of the seed set 2,036 right
#: ones remain, and resampling brings the other labels up to this number.
TEST_ARTICLES = 916


#: How the names of the columns of the measures of bias begin.
_MEASURES = tuple(f"{measure}_" for measure in PUBLISHED_INTERVALS)


@dataclass(frozen=True)
class Run:
    """The results of a run, and its published counterparts."""

    metrics: pd.DataFrame
    """The metrics table. Of a round's replicates, the mean is compared (`numbers.for_new_training`)."""
    counterparts: Counterparts
    """The study's rounds and seed sets that are published ones, and the limits of the comparison."""
    scores: Sequence[Mapping] = ()
    """scores.json of every candidate for the classifier."""
    overlap: pd.DataFrame | None = None
    """`NEURON_OVERLAP`; None without an analysis of neurons."""
    changes: pd.DataFrame | None = None
    """The changes of the metrics, paired by article; without them, versions count as independent."""

    @cached_property
    def numbers(self) -> Numbers:
        """The numbers of the metrics table."""
        return Numbers(self.metrics, self.changes)

    def own_rounds(self, published_round: str) -> list[str]:
        """Return the study's rounds that have this published counterpart."""
        if published_round == BASE:
            return [BASE]
        return [name for name, published in self.counterparts.rounds.items() if published == published_round]

    def departure(self, quantity: str) -> str | None:
        """Return why the level of a quantity cannot be compared; None if it can."""
        return self.counterparts.departures.get(KINDS[quantity])


def compare_published(run: Run, trajectories: Path | str, statements: Path | str) -> pd.DataFrame:
    """Compare every published number with the run's own.

    Parameters
    ----------
    run
        The results of the run.
    trajectories, statements
        `resources/published/trajectories.csv` and `statements.csv`, which the README beside them describes.

    Returns
    -------
    pd.DataFrame
        The columns of `COMPARISON`: first the numbers of the paper's text, then the per-generation results. A number
        without a counterpart in the run is listed as not comparable, with the reason.
    """
    metrics = published_metrics(trajectories, published_labels(trajectories))
    published = Numbers(metrics)
    found = [
        *_compare_statements(run, published, read_statements(statements)),
        *_compare_trajectories(run, published, metrics),
        *_before_generation_0(trajectories),
    ]
    table = pa.Table.from_pylist([comparison.row() for comparison in found], COMPARISON)
    return table.to_pandas()


def _versions(run: Run, comparison: Comparison, published: Numbers, column: str) -> Iterator[Comparison]:
    """Judge a number of a model version, once for each of the study's rounds with this published counterpart."""
    name, generation = comparison.published_round, comparison.generation
    seed_set = published.seed_sets[name]
    own_seed_sets = [own for own, other in run.counterparts.seed_sets.items() if other == seed_set]
    comparison = replace(comparison, published_change=published.change(name, seed_set, generation or 0, column))
    rounds = run.own_rounds(name)
    if not rounds:
        missing = "no round of this seed set and strategy with greedy decoding"
    elif not own_seed_sets:
        missing = f"no seed set of the labels of the published set {seed_set}"
    elif column not in run.numbers.columns:
        missing = f"no label {comparison.subject}"
    else:
        missing = f"no generation {generation}" if generation is not None else "no such articles of the base model"
    compared = []
    for own_round in rounds if own_seed_sets else []:
        own_seed_set = own_seed_sets[0]
        if own_round != BASE:
            own_seed_set = run.numbers.seed_sets.get(own_round, own_seed_set)
        own = run.numbers.at(own_round, own_seed_set, generation, column)
        if own.known:
            own_change = run.numbers.change(own_round, own_seed_set, generation or 0, column)
            compared.append(replace(comparison, round=own_round, own=own, own_change=own_change))
    if not compared:
        note = "; ".join(filter(None, (comparison.note, f"the study has {missing}")))
        yield replace(comparison, note=note)
    for one in compared:
        yield judge(one, run.departure(comparison.quantity))


def _compare_trajectories(run: Run, published: Numbers, metrics: pd.DataFrame) -> Iterator[Comparison]:
    columns = [name for name in metrics.columns if name.startswith(_MEASURES)]
    columns = [name for name in columns if not name.endswith(("_low", "_high"))]
    for row in metrics.to_dict("records"):
        generation = None if pd.isna(row["generation"]) else int(row["generation"])
        for column in [*columns, "text_quality_index_weighted", "perplexity_base"]:
            number = Estimate(row[column], row[f"{column}_low"], row[f"{column}_high"])
            if not number.known:
                continue
            quantity, subject = split_column(column)
            comparison = Comparison(
                place="per-generation results",
                quantity=quantity,
                subject=subject,
                published=number,
                published_round=row["round"],
                generation=generation,
            )
            yield from _versions(run, comparison, published, column)


def _before_generation_0(trajectories: Path | str) -> Iterator[Comparison]:
    """Yield the numbers of the published file that precedes the paper's generation 0 in the center rounds."""
    table = pd.read_csv(trajectories)
    before = table[(table["paper_generation"] < 0) & (table["strategy"] != "base_model")]
    for row in before.to_dict("records"):
        for column in [*(n for n in table if n.startswith(_MEASURES)), "text_quality_index"]:
            quantity, subject = split_column(column)
            yield Comparison(
                place="per-generation results",
                quantity="text_quality_index_weighted" if quantity == "text_quality_index" else quantity,
                subject=subject,
                published=Estimate(row[column]),
                published_round=f"{row['seed_set']}_{row['strategy']}",
                note=f"file generation {row['file_generation']}, before the paper's generation 0",
            )


def _compare_statements(run: Run, published: Numbers, statements: pd.DataFrame) -> Iterator[Comparison]:
    for row in statements.to_dict("records"):
        kind = KINDS[row["quantity"]]
        place, note = row["place"], row["note"] or ""
        subject = ", ".join(filter(None, (row["label"], row["subject"])))
        plain = Comparison(place, row["quantity"], subject, Estimate(row["value"]), note=note)
        if kind == "classifier":
            yield _compare_score(run, plain)
        elif kind == "neurons":
            yield _compare_count(run, plain, statements)
        else:
            yield from _compare_version(run, plain, row, published)


def _compare_version(run: Run, plain: Comparison, row: Mapping, published: Numbers) -> Iterator[Comparison]:
    base = row["strategy"] == "base_model"
    name = BASE if base else f"{row['seed_set']}_{row['strategy']}" if row["strategy"] else None
    generation = None if pd.isna(row["generation"]) else int(row["generation"])
    comparison = replace(plain, published_round=name, generation=generation)
    if row["quantity"] == "article_probability":
        yield replace(comparison, note="one article, which a run of other data or another draw does not have")
    elif generation is None and not base:
        yield replace(comparison, note=f"{plain.note}; not a number of one generation")
    else:
        interval = PUBLISHED_INTERVALS[row["quantity"]](row["value"], int(row["articles"]))
        comparison = replace(comparison, published=replace(Estimate(*interval), value=row["value"]))
        yield from _versions(run, comparison, published, f"{row['quantity']}_{row['label']}")


def _accuracy(score: float, articles: int) -> Estimate:
    return replace(Estimate(*share_interval(score, articles)), value=score)


def _compare_score(run: Run, plain: Comparison) -> Comparison:
    """Judge a score of the classifier.

    On balanced articles macro F1 has about the sampling error of the accuracy, so it gets Wilson's interval.
    """
    scores = [score for score in run.scores if score["split"] == "random"]
    score = next((s for s in scores if s["model"].rsplit("/", 1)[-1] == plain.subject), None)
    if plain.quantity == "macro_f1":
        plain = replace(plain, published=_accuracy(plain.published.value, TEST_ARTICLES))
    if score is None:
        return replace(plain, note=f"the study has no candidate {plain.subject}")
    if plain.quantity == "loss":
        return judge(replace(plain, own=Estimate(score["test"]["loss"])), run.departure(plain.quantity))
    own = _accuracy(score["test"]["macro_f1"], score["articles"]["test"])
    note = f"intervals as for accuracy, the published one for about {TEST_ARTICLES} test articles"
    return judge(replace(plain, own=own, note=note), run.departure(plain.quantity))


def _compare_count(run: Run, plain: Comparison, statements: pd.DataFrame) -> Comparison:
    """Judge a count of neurons by the range of chance: the run's own by permutation, the published one computed."""
    from scipy.stats import binom, hypergeom

    counts = statements[statements["subject"] == plain.subject].set_index("quantity")["value"]
    if plain.quantity == "both":
        sizes = NEURONS, int(counts["bias"]), int(counts["quality"])
        low, high = hypergeom.ppf([0.025, 0.975], *sizes)
        p_value = chance_overlap(*sizes, int(plain.published.value)).p_overlap
        note = f"published: P of this overlap or more by chance {p_value:.3f}"
    else:
        low, high = binom.ppf([0.025, 0.975], NEURONS, ALPHA)
        note = "published range of chance: for independent neurons, which they are not"
    plain = replace(plain, published=Estimate(plain.published.value, float(low), float(high)), note=note)
    if run.overlap is None:
        return replace(plain, note=f"{note}; the study has no neuron analysis")
    rows = run.overlap[run.overlap["layer"].isna() & (run.overlap["measure"] == plain.subject)]
    if rows.empty:
        return replace(plain, note=f"{note}; the study has no counts of {plain.subject}s")
    row = rows.iloc[0]
    if not row["tested"]:
        return replace(plain, note=f"{note}; no neuron of the study could be tested")
    own = Estimate(*(float(row[plain.quantity + end]) for end in ("", "_low", "_high")))
    if row["tested"] != NEURONS:
        plain = replace(plain, note=f"{note}; of {NEURONS:,} neurons, own of {int(row['tested']):,}")
    return judge_count(replace(plain, own=own))


def write_comparison(
    measured: tuple[Path, Path],
    scores_files: Sequence[Path],
    overlap_file: Path,
    trajectories: Path,
    statements: Path,
    out: Path,
    *,
    counterparts: Counterparts,
) -> None:
    """Compare every published number with the run's own, and write the table (schema `COMPARISON`).

    Parameters
    ----------
    measured
        The metrics table, and the table of its changes.
    scores_files
        scores.json of every candidate for the classifier.
    overlap_file
        `NEURON_OVERLAP`.
    trajectories, statements
        The published numbers.
    out
        The table to write.
    counterparts
        The study's rounds and seed sets that are published ones, and the limits of the comparison.

    Raises
    ------
    StudyError
        If a table of the run or a scores.json is missing or damaged, or if the published numbers lack a label.
    """
    schemas = metrics_schema(counterparts.labels), changes_schema(counterparts.labels)
    metrics, changes = (read_table(*each).to_pandas() for each in zip(measured, schemas, strict=True))
    run = Run(
        metrics=metrics,
        changes=changes,
        counterparts=counterparts,
        scores=[read_scores(Path(file).parent) for file in scores_files],
        overlap=read_table(overlap_file, NEURON_OVERLAP).to_pandas(),
    )
    table = compare_published(run, trajectories, statements)
    write_table(pa.Table.from_pandas(table, COMPARISON, preserve_index=False), out, COMPARISON)
    counted = table["verdict"].value_counts()
    print(", ".join(f"{verdict}: {counted.get(verdict, 0)}" for verdict in VERDICTS), flush=True)
