"""Compare the changes of a study's rounds with no change, with each other, and with controls."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.schemas import QUALITY, predictions
from bias_amplification.artifacts.schemas.contrasts import CONTRASTS, VARIANCE
from bias_amplification.measures.contrasts import ALPHA, Contrast, paired_contrast, replicates_needed
from bias_amplification.measures.variance import variance_split
from bias_amplification.study.strategies import control_names

#: Largest change of each outcome.
OUTCOMES = {"share": 1.0, "mean_probability": 1.0, "quality": 3.0}
#: A change that single articles may have although none of those seen has it (see `paired_contrast`): that of a share
#: from 0 to 1, and one class of text quality.
_SPAN = 1.0


@dataclass(frozen=True, kw_only=True)
class MeasuredChain:
    """One replicate of a round, and the tables that measure its first and its last generation.

    Attributes
    ----------
    round, replicate, seed_set, strategy, decoding, tracked_label
        The chain, as in `schemas.metrics`.
    recipe
        How the round's models are fine-tuned and write; equal texts are equal recipes.
    first_predictions, first_quality, last_predictions, last_quality
        Paths of tables of generation 0 and of the last generation.
    """

    round: str
    replicate: int
    seed_set: str
    strategy: str
    decoding: str
    tracked_label: str
    recipe: str
    first_predictions: Path | str
    first_quality: Path | str
    last_predictions: Path | str
    last_quality: Path | str


@dataclass(frozen=True)
class _Round:
    """A round and its articles' changes: by replicate, a frame with a row for each article and a column per outcome."""

    chain: MeasuredChain
    changes: dict[int, pd.DataFrame]


def compare_rounds(
    chains: Sequence[MeasuredChain],
    out_contrasts: Path | str,
    out_variance: Path | str,
    labels: Sequence[str],
    quality: str,
) -> None:
    """Write the changes of all rounds, their differences, and the sources of their variance.

    Rounds are compared if they have the same seed set and tracked label. Of two rounds, the replicates with the same
    articles in both are compared, article by article. A strategy is beside a control if both have the same recipe of
    fine-tuning and decoding. Only comparisons of rounds have p-values adjusted by Holm's method, and their verdicts
    depend on these; the verdict of a change depends on its own p-value.

    Parameters
    ----------
    chains
        All chains of the study.
    out_contrasts, out_variance
        `CONTRASTS` and `VARIANCE`. Rounds with one replicate have no part in the variance.
    labels
        The study's labels.
    quality
        The study's text quality index: the column "quality" or "quality_weighted" of `QUALITY`.
    """
    rounds: dict[str, _Round] = {}
    for chain in chains:
        found = rounds.setdefault(chain.round, _Round(chain, {}))
        found.changes[chain.replicate] = _changes(chain, labels, quality)
    rows = [_row("change", outcome, one, None) for one in rounds.values() for outcome in OUTCOMES]
    for kind, one, other in _pairs(list(rounds.values())):
        rows += [_row(kind, outcome, one, other) for outcome in OUTCOMES]
    contrasts = _with_verdicts(pd.DataFrame(rows))
    write_table(pa.Table.from_pandas(contrasts, CONTRASTS, preserve_index=False), out_contrasts, CONTRASTS)
    variance = [row for group in _groups(rounds.values()) for outcome in OUTCOMES for row in _split(group, outcome)]
    write_table(pa.Table.from_pylist(variance, VARIANCE), out_variance, VARIANCE)


def _changes(chain: MeasuredChain, labels: Sequence[str], quality: str) -> pd.DataFrame:
    """Return the change of each outcome from generation 0 to the last one, by article."""
    label = chain.tracked_label
    ends = []
    for classified, scored in (
        (chain.first_predictions, chain.first_quality),
        (chain.last_predictions, chain.last_quality),
    ):
        columns = ["article_id", "predicted", f"probability_{label}"]
        found = read_table(classified, predictions(labels), columns).to_pandas().set_index("article_id")
        scores = read_table(scored, QUALITY, ["article_id", quality]).to_pandas().set_index("article_id")[quality]
        # A text without a label has no share; the article then takes no part in the change.
        shares = (found["predicted"] == label).astype(float).where(found["predicted"].notna())
        outcomes = {"share": shares, "mean_probability": found[f"probability_{label}"], "quality": scores}
        ends.append(pd.DataFrame(outcomes))
    return (ends[1] - ends[0]).sort_index()


def _comparable(one: MeasuredChain, other: MeasuredChain) -> bool:
    return (one.seed_set, one.tracked_label) == (other.seed_set, other.tracked_label)


def _pairs(rounds: Sequence[_Round]) -> Iterator[tuple[str, _Round, _Round]]:
    """List the pairs of rounds to compare, each with the kind of its contrast. A control is second."""
    for one, other in combinations(rounds, 2):
        if not _comparable(one.chain, other.chain):
            continue
        controls = [r.chain.strategy in control_names() for r in (one, other)]
        # With another recipe, more than the strategy differs.
        if sum(controls) != 1 or one.chain.recipe != other.chain.recipe:
            yield "pair", one, other
        elif controls[0]:
            yield "control", other, one
        else:
            yield "control", one, other


def _row(kind: str, outcome: str, one: _Round, other: _Round | None) -> dict:
    """Return a row of `CONTRASTS` without the columns that depend on other rows."""
    series = [frame[outcome] for frame in one.changes.values()]
    if other is not None:
        both = [replicate for replicate in one.changes if _same_articles(one, other, replicate)]
        series = [one.changes[replicate][outcome] - other.changes[replicate][outcome] for replicate in both]
    chain = one.chain
    return {
        "kind": kind,
        "outcome": outcome,
        "seed_set": chain.seed_set,
        "tracked_label": chain.tracked_label,
        "round": chain.round,
        "strategy": chain.strategy,
        "other_round": None if other is None else other.chain.round,
        "other_strategy": None if other is None else other.chain.strategy,
        **_numbers(paired_contrast(*stack_articles(series), _SPAN), OUTCOMES[outcome]),
    }


def _same_articles(one: _Round, other: _Round, replicate: int) -> bool:
    return replicate in other.changes and one.changes[replicate].index.equals(other.changes[replicate].index)


def stack_articles(series: Sequence[pd.Series]) -> tuple[np.ndarray, np.ndarray]:
    """Stack the values of several replicates.

    Parameters
    ----------
    series
        The values of each replicate; the index has the article's ids.

    Returns
    -------
    tuple of np.ndarray
        The values, and a number for each article, both [replicates, articles]; short rows end in NaN.
    """
    values = np.full((len(series), max((len(each) for each in series), default=0)), np.nan)
    articles = np.zeros(values.shape, dtype=np.int64)
    if series:
        numbers, _ = pd.factorize(np.concatenate([each.index for each in series]))
        for place, own in enumerate(np.split(numbers, np.cumsum([len(each) for each in series])[:-1])):
            values[place, : len(own)], articles[place, : len(own)] = series[place], own
    return values, articles


def _numbers(contrast: Contrast, largest: float) -> dict:
    return {
        "estimate": float(contrast.estimate),
        "estimate_low": max(float(contrast.low), -largest),
        "estimate_high": min(float(contrast.high), largest),
        "standard_error": float(contrast.standard_error),
        "degrees": float(contrast.degrees),
        "p_value": float(contrast.p),
        "replicates": contrast.replicates,
        "articles": contrast.articles,
        "articles_different": contrast.different,
        "of_replicates": contrast.of_replicates.tolist(),
        "contrast": contrast,
    }


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return the p-values adjusted by Holm's method (1979): [tests], in the order given."""
    # statsmodels takes 0.1 seconds, because it collects garbage, and benchmarks call this thousands of times.
    order = np.argsort(p_values)
    adjusted = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
    return np.minimum(adjusted, 1.0)[np.argsort(order)]


def _with_verdicts(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the adjusted p-values, the verdicts, and the replicates needed, instead of the column `contrast`."""
    rows["p_value_adjusted"], tests = np.nan, pd.Series(1, rows.index)
    for (kind, _), group in rows[rows["p_value"].notna()].groupby(["kind", "outcome"]):
        rows.loc[group.index, "p_value_adjusted"] = holm(group["p_value"].to_numpy())
        tests[group.index] = 1 if kind == "change" else len(group)
    rows["verdict"] = [_verdict(row) for row in rows.itertuples()]
    needed = [replicates_needed(*each) for each in zip(rows.pop("contrast"), ALPHA / tests, strict=True)]
    # Whole numbers with gaps, which pandas would make floats.
    rows["replicates_needed"] = pd.Series(needed, rows.index, dtype="Int32")
    return rows


def _verdict(row: tuple) -> str:
    if np.isnan(row.estimate):
        return "no value"
    if row.replicates < 2:
        return "one replicate"
    if row.kind == "change":
        if not row.p_value <= ALPHA:
            return "not told apart"
        return "rises" if row.estimate > 0 else "falls"
    return "told apart" if row.p_value_adjusted <= ALPHA else "not told apart"


def _groups(rounds: Iterable[_Round]) -> Iterator[list[_Round]]:
    """List the groups of rounds that may be compared and whose replicates have the same articles, two or more each."""
    found: dict[tuple, list[_Round]] = {}
    for one in rounds:
        articles = tuple((replicate, *frame.index) for replicate, frame in one.changes.items())
        found.setdefault((one.chain.seed_set, one.chain.tracked_label, articles), []).append(one)
    return (group for group in found.values() if len(group) > 1 and len(group[0].changes) > 1)


def _split(group: Sequence[_Round], outcome: str) -> list[dict]:
    """Return the rows of `VARIANCE` of one group; none if a replicate has fewer than two articles with values in all.

    Draws that have only some articles in common are taken for draws without common articles.
    """
    chain, frames = group[0].chain, group[0].changes.values()
    values = np.array([stack_articles([frame[outcome] for frame in one.changes.values()])[0] for one in group])
    redrawn = any(not frame.index.equals(next(iter(frames)).index) for frame in frames)
    known = ~np.isnan(values).any(axis=0)
    counts = known.sum(axis=1) if redrawn else known.all(axis=0).sum(keepdims=True)
    if counts.min() < 2:
        return []
    variances = variance_split(values, redrawn)
    total = sum(variances.values())
    return [
        {
            "seed_set": chain.seed_set,
            "tracked_label": chain.tracked_label,
            "outcome": outcome,
            "component": component,
            "variance": variance,
            "share": variance / total if total else None,
            "strategies": len(group),
            "replicates": len(frames),
            "articles": round(float(counts.mean())),
            "rounds": [one.chain.round for one in group],
        }
        for component, variance in variances.items()
    ]
