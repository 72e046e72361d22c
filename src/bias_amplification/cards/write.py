"""Write the descriptions of a study: model cards, the dataset card, the config and the RO-Crate."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from bias_amplification.artifacts import StudyError, new_file, read_table
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.artifacts.schemas import changes as changes_schema
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.cards.contents import MAIN_OUTPUTS, card_folders, model_folders
from bias_amplification.cards.crate import crate_metadata, finished
from bias_amplification.cards.dataset_card import dataset_card
from bias_amplification.cards.model_card import model_card
from bias_amplification.measures.encoders import read_scores
from bias_amplification.study import Plan, Version, read_study
from bias_amplification.study.unit import plural

_CONFIG_HEADING = "# The config of this study, without the section compute. Snakemake reads it as a config file.\n"

#: The splits of the classifier's articles, in words.
_SPLITS = {"random": "at random", "event": "by event", "outlet": "by outlet"}


class CardTables(NamedTuple):
    """What the cards are made from, besides the models' metadata."""

    metrics: Path
    changes: Path
    articles: Path
    """`corpus/articles.parquet`, of which only the labels are read."""
    scores: Sequence[Path]
    """`scores.json` of the selected classifier, and of its trainings on other splits."""


class Described(NamedTuple):
    """The files to make beside the models' cards."""

    card: Path
    config: Path
    crate: Path


def write_cards(
    metadata: Sequence[Path], tables: CardTables, cards: Sequence[Path], out: Described, *, config: dict[str, Any]
) -> None:
    """Describe a study and its kept models, so that they can be shared.

    Parameters
    ----------
    metadata
        The metadata.json of all models, in the order of `model_folders`.
    tables
        The run's tables. The other main outputs are beside `out`.
    cards
        The model cards to make, in the order of `card_folders`.
    out
        The study's files to make.
    config
        The config as `recorded_config` returns it.

    Raises
    ------
    StudyError
        If a metadata.json is damaged. The message names it.
    """
    plan = Plan(read_study(config))
    labels, unit = plan.study.corpus.labels, plan.study.corpus.unit
    facts = {folder: _read(path) for folder, path in zip(model_folders(plan), metadata, strict=True)}
    metrics = read_table(tables.metrics, metrics_schema(labels)).to_pylist()
    changed = read_table(tables.changes, changes_schema(labels)).to_pylist()
    changes = {(row["round"], row["replicate"], row["generation"]): row for row in changed}
    reliability = reliability_in_words([read_scores(path.parent) for path in tables.scores], unit)
    versions: dict[str, Version] = {version.folder: version for version in plan.versions()}
    for folder, file in zip(card_folders(plan), cards, strict=True):
        version = versions.get(folder)
        key = (version.round, version.replicate, version.generation) if version else None
        rows = [
            row
            for row in metrics
            if (row["round"] == "base" if key is None else (row["round"], row["replicate"], row["generation"]) == key)
        ]
        _write(file, model_card(plan, version, facts[folder], rows, changes.get(key), reliability, base=facts["base"]))
    counts = Counter(read_table(tables.articles, ARTICLES, ["label"])["label"].to_pylist())
    _write(out.card, dataset_card(plan, metrics, {label: counts[label] for label in labels}, reliability))
    _write(out.config, _CONFIG_HEADING + yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=120))
    results = out.crate.parent
    files = [*MAIN_OUTPUTS, *(path.relative_to(results).as_posix() for path in (out.card, out.config))]
    crate = crate_metadata(plan, results, files, list(facts.values()))
    _write(out.crate, json.dumps(crate, indent=2, ensure_ascii=False) + "\n")


def reliability_in_words(scores: Sequence[Mapping[str, Any]], unit: str) -> str:
    """Say how good the classifier is on each split of its articles.

    Parameters
    ----------
    scores
        `scores.json` of the selected classifier, and of its trainings on other splits.
    unit
        What one text is called.
    """
    found = [
        f"{score['test']['macro_f1']:.3f} on a split {_SPLITS.get(score['split'], score['split'])}"
        for score in scores
        if "test" in score
    ]
    text = "Labels are those of a classifier, which makes errors, above all on what models write."
    return f"{text} Its macro F1 on real {plural(unit)} is {', '.join(found)}." if found else text


def _read(path: Path) -> dict[str, Any]:
    """Read a model's metadata.json."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        finished(facts)
    except (ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{path} is damaged ({error!r}): delete it and run snakemake again.") from error
    return facts


def _write(path: Path, text: str) -> None:
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
