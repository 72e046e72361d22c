"""Every published number beside the run's own, with the sampling error of both and a verdict."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.schemas import COMPARISON, NEURON_OVERLAP
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.measures.intervals import PUBLISHED_QUANTILE, difference_interval, wilson_interval
from bias_amplification.neurons.sets import chance_overlap
from bias_amplification.published.record import BASE, published_labels, published_metrics, read_statements

WITHIN, SAME, DIFFERENT = "within sampling error", "same direction", "different"
UNDECIDED, INCOMPARABLE = "undecided", "not comparable"
#: In the order in which a reader wants to hear of them.
VERDICTS = (WITHIN, SAME, DIFFERENT, UNDECIDED, INCOMPARABLE)

#: Which kind of `study.comparable.level_departures` a quantity belongs to.
KINDS = {
    "share": "bias",
    "mean_probability": "bias",
    "text_quality_index_weighted": "quality",
    "perplexity_base": "perplexity",
    "macro_f1": "classifier",
    "loss": "classifier",
    "bias": "neurons",
    "quality": "neurons",
    "both": "neurons",
    "article_probability": "bias",
}

#: The paper's population of neurons and level of its tests.
NEURONS, ALPHA = 9216, 0.05
#: Test articles behind Table 1, which the paper does not tell: 15% of what its resampling makes of the corpus's 2,542
#: right, 2,388 left and 1,517 center articles less the 1,518 of the seed set, three times the 2,036 right ones.
TEST_ARTICLES = 916


@dataclass(frozen=True)
class Estimate:
    """A number with the ends of its 95% interval; NaN for what is not known."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan

    @property
    def known(self) -> bool:
        """Whether there is a number."""
        return not math.isnan(self.value)

    @property
    def sign(self) -> int | None:
        """1 or -1 if the whole interval lies on one side of 0, 0 if it holds 0, None without an interval."""
        if math.isnan(self.low) or math.isnan(self.high):
            return None
        return (self.low > 0) - (self.high < 0)

    def minus(self, other: "Estimate") -> "Estimate":
        """Difference of two independent estimates."""
        return Estimate(*difference_interval(tuple(asdict(self).values()), tuple(asdict(other).values())))

    def columns(self, name: str) -> dict[str, float | None]:
        """Its three columns, null for what is not known."""
        found = zip(("", "_low", "_high"), (self.value, self.low, self.high), strict=True)
        return {name + end: None if math.isnan(value) else value for end, value in found}


@dataclass(frozen=True)
class Comparison:
    """A published number and the run's own."""

    place: str
    quantity: str
    subject: str
    published: Estimate
    own: Estimate = Estimate()
    published_change: Estimate = Estimate()
    own_change: Estimate = Estimate()
    published_round: str | None = None
    round: str | None = None
    generation: int | None = None
    verdict: str = INCOMPARABLE
    note: str = ""

    def row(self) -> dict:
        """A row of `COMPARISON`. Counts of neurons have no sampling error, so neither has their difference."""
        difference = self.own.minus(self.published)
        if KINDS[self.quantity] == "neurons":
            difference = replace(difference, low=math.nan, high=math.nan)
        names = ("place", "published_round", "round", "generation", "quantity", "subject", "verdict")
        row = {name: getattr(self, name) for name in names} | {"note": self.note or None}
        for name in ("published", "own", "published_change", "own_change"):
            row |= getattr(self, name).columns(name)
        return row | difference.columns("difference")


def judge(comparison: Comparison, departure: str | None) -> Comparison:
    """Add the verdict on a share, a mean or a score.

    Where levels can be compared, a number is within sampling error if the 95% interval of the difference holds 0. If
    it does not, and in any case where levels cannot be compared, the changes from generation 0 decide: the direction
    is the same, or different, if both changes are larger than their sampling errors.

    Parameters
    ----------
    comparison
        Without a verdict; its note is kept.
    departure
        Why levels cannot be compared; None if they can.
    """
    if not comparison.own.known:
        return comparison
    published, own = comparison.published_change.sign, comparison.own_change.sign
    both = published is not None and own is not None
    notes = [comparison.note] if comparison.note else []
    if departure is None:
        difference = comparison.own.minus(comparison.published).sign
        if difference is None:
            verdict = INCOMPARABLE
            notes.append("no sampling error is known")
        elif difference == 0:
            verdict = WITHIN
        else:
            verdict = SAME if both and published and published == own else DIFFERENT
    elif not both:
        verdict = INCOMPARABLE
        notes.append(f"in level: {departure}")
    elif published and own:
        verdict = SAME if published == own else DIFFERENT
    else:
        verdict = UNDECIDED
        which = "the published change is not" if own else "the own change is not" if published else "neither change is"
        notes.append(f"{which} larger than its sampling error")
    return replace(comparison, verdict=verdict, note="; ".join(notes))


def judge_count(comparison: Comparison) -> Comparison:
    """Add the verdict on a count of neurons: whether both counts are above, within or below what chance gives.

    The counts themselves have no known sampling error, because the neurons of one model are not independent.
    """
    if not comparison.own.known:
        return comparison
    words = {1: "more than chance gives", 0: "as many as chance gives", -1: "fewer than chance gives"}
    sides = [(e.value > e.high) - (e.value < e.low) for e in (comparison.published, comparison.own)]
    verdict = {1: SAME, -1: DIFFERENT}.get(sides[0] * sides[1], SAME if sides[0] == sides[1] else UNDECIDED)
    told = f"published: {words[sides[0]]}; own: {words[sides[1]]}"
    return replace(comparison, verdict=verdict, note=f"{comparison.note}; {told}" if comparison.note else told)


@dataclass(frozen=True)
class Run:
    """What a run found, and how it relates to the published one."""

    metrics: pd.DataFrame
    """The metrics table."""
    labels: Sequence[str]
    """The study's labels."""
    rounds: Mapping[str, str]
    """Published rounds of the study's own (`study.comparable.published_rounds`)."""
    seed_sets: Mapping[str, str]
    """Published seed sets of the study's own."""
    departures: Mapping[str, str]
    """`study.comparable.level_departures`."""
    scores: Sequence[Mapping] = ()
    """scores.json of every candidate for the classifier."""
    overlap: pd.DataFrame | None = None
    """`NEURON_OVERLAP`."""

    def own_rounds(self, published_round: str) -> list[str]:
        """The study's rounds that are a published one."""
        if published_round == BASE:
            return [BASE]
        return [name for name, published in self.rounds.items() if published == published_round]


def estimate_at(
    metrics: pd.DataFrame, round_name: str, seed_set: str | None, generation: int | None, column: str
) -> Estimate:
    """Read a number off a metrics table; unknown where the table has not that row, column or number."""
    if column not in metrics.columns:
        return Estimate()
    rows = metrics[metrics["round"] == round_name]
    key, wanted = ("seed_set", seed_set) if round_name == BASE else ("generation", generation)
    rows = rows[rows[key] == wanted]
    if rows.empty:
        return Estimate()
    row = rows.iloc[0]
    found = (row[column], row[f"{column}_low"], row[f"{column}_high"])
    return Estimate(*(math.nan if pd.isna(value) else float(value) for value in found))


def _change(metrics: pd.DataFrame, round_name: str, seed_set: str | None, generation: int, column: str) -> Estimate:
    """Return the change from generation 0, at generation 0 from the base model."""
    if round_name == BASE or seed_set is None:
        return Estimate()
    start = (round_name, 0) if generation else (BASE, None)
    now = estimate_at(metrics, round_name, seed_set, generation, column)
    return now.minus(estimate_at(metrics, start[0], seed_set, start[1], column))


def compare_published(run: Run, trajectories: Path | str, statements: Path | str) -> pd.DataFrame:
    """Put every published number beside the run's own.

    Parameters
    ----------
    run
        What the run found.
    trajectories, statements
        `resources/published/trajectories.csv` and `statements.csv`; the README there says what they hold.

    Returns
    -------
    pd.DataFrame
        The columns of `COMPARISON`: first what the text says, then the per-generation results. A number without a
        counterpart in the run is there, not comparable, with the reason.
    """
    published = published_metrics(trajectories, published_labels(trajectories))
    found = [
        *_compare_statements(run, published, read_statements(statements)),
        *_compare_trajectories(run, published),
        *_before_generation_0(trajectories),
    ]
    table = pa.Table.from_pylist([comparison.row() for comparison in found], COMPARISON)
    return table.to_pandas()


def _versions(run: Run, comparison: Comparison, published: pd.DataFrame, column: str) -> Iterator[Comparison]:
    """Judge a number of a model version, once for each of the study's rounds that are the published one."""
    name, generation = comparison.published_round, comparison.generation
    seed_set = published.loc[published["round"] == name, "seed_set"].iloc[0]
    own_seed_sets = [own for own, other in run.seed_sets.items() if other == seed_set]
    change = _change(published, name, seed_set, generation or 0, column)
    comparison = replace(comparison, published_change=change)
    rounds = run.own_rounds(name)
    if not rounds:
        missing = "no round of this seed set and strategy with greedy decoding"
    elif not own_seed_sets:
        missing = f"no seed set of the labels of the published set {seed_set}"
    elif column not in run.metrics.columns:
        missing = f"no label {comparison.subject}"
    else:
        missing = f"no generation {generation}" if generation is not None else "no such articles of the base model"
    compared = []
    for own_round in rounds if own_seed_sets else []:
        rows = run.metrics[run.metrics["round"] == own_round]
        own_seed_set = own_seed_sets[0] if own_round == BASE or rows.empty else rows["seed_set"].iloc[0]
        own = estimate_at(run.metrics, own_round, own_seed_set, generation, column)
        if own.known:
            own_change = _change(run.metrics, own_round, own_seed_set, generation or 0, column)
            compared.append(replace(comparison, round=own_round, own=own, own_change=own_change))
    if not compared:
        note = "; ".join(filter(None, (comparison.note, f"the study has {missing}")))
        yield replace(comparison, note=note)
    for one in compared:
        yield judge(one, run.departures.get(KINDS[comparison.quantity]))


def _compare_trajectories(run: Run, published: pd.DataFrame) -> Iterator[Comparison]:
    columns = [name for name in published.columns if name.startswith(("share_", "mean_probability_"))]
    columns = [name for name in columns if not name.endswith(("_low", "_high"))]
    for row in published.to_dict("records"):
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
    """Yield the numbers of the file that comes before the paper's generation 0 in the center rounds."""
    table = pd.read_csv(trajectories)
    before = table[(table["paper_generation"] < 0) & (table["strategy"] != "base_model")]
    for row in before.to_dict("records"):
        for column in [*(n for n in table if n.startswith(("share_", "mean_probability_"))), "text_quality_index"]:
            quantity, subject = split_column(column)
            yield Comparison(
                place="per-generation results",
                quantity="text_quality_index_weighted" if quantity == "text_quality_index" else quantity,
                subject=subject,
                published=Estimate(row[column]),
                published_round=f"{row['seed_set']}_{row['strategy']}",
                note=f"file generation {row['file_generation']}, before the paper's generation 0",
            )


def split_column(column: str) -> tuple[str, str]:
    """Split a column of the metrics table into quantity and label; other columns are of all articles."""
    for quantity in ("share", "mean_probability"):
        if column.startswith(f"{quantity}_"):
            return quantity, column.removeprefix(f"{quantity}_")
    return column, "all articles"


def _compare_statements(run: Run, published: pd.DataFrame, statements: pd.DataFrame) -> Iterator[Comparison]:
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


def _compare_version(run: Run, plain: Comparison, row: Mapping, published: pd.DataFrame) -> Iterator[Comparison]:
    base = row["strategy"] == "base_model"
    name = BASE if base else f"{row['seed_set']}_{row['strategy']}" if row["strategy"] else None
    generation = None if pd.isna(row["generation"]) else int(row["generation"])
    comparison = replace(plain, published_round=name, generation=generation)
    if row["quantity"] == "article_probability":
        yield replace(comparison, note="one article, which a run of other data or another draw does not have")
    elif generation is None and not base:
        yield replace(comparison, note=f"{plain.note}; not a number of one generation")
    else:
        interval = _share_interval(row["value"], int(row["articles"]), row["quantity"])
        comparison = replace(comparison, published=interval)
        yield from _versions(run, comparison, published, f"{row['quantity']}_{row['label']}")


def _share_interval(value: float, articles: int, quantity: str) -> Estimate:
    """Interval of a printed share (Wilson) or mean probability (normal, with the largest variance that it can have)."""
    if quantity == "share":
        _, low, high = wilson_interval(round(value * articles), articles)
    else:
        half = PUBLISHED_QUANTILE * math.sqrt(value * (1 - value) / articles)
        low, high = max(0.0, value - half), min(1.0, value + half)
    return Estimate(value, low, high)


def _compare_score(run: Run, plain: Comparison) -> Comparison:
    """Judge a classifier's score. Macro F1 on balanced articles errs about as the accuracy does: Wilson's interval."""
    scores = [score for score in run.scores if score["split"] == "random"]
    score = next((s for s in scores if s["model"].rsplit("/", 1)[-1] == plain.subject), None)
    if plain.quantity == "macro_f1":
        plain = replace(plain, published=_share_interval(plain.published.value, TEST_ARTICLES, "share"))
    if score is None:
        return replace(plain, note=f"the study has no candidate {plain.subject}")
    if plain.quantity == "loss":
        return judge(replace(plain, own=Estimate(score["test"]["loss"])), run.departures.get("classifier"))
    own = _share_interval(score["test"]["macro_f1"], score["articles"]["test"], "share")
    note = f"intervals as for accuracy, the published one for about {TEST_ARTICLES} test articles"
    return judge(replace(plain, own=own, note=note), run.departures.get("classifier"))


def _compare_count(run: Run, plain: Comparison, statements: pd.DataFrame) -> Comparison:
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
    metrics_file: Path | str,
    scores_files: Sequence[Path | str],
    overlap_file: Path | str,
    trajectories: Path | str,
    statements: Path | str,
    out: Path | str,
    *,
    labels: Sequence[str],
    rounds: Mapping[str, str],
    seed_sets: Mapping[str, str],
    departures: Mapping[str, str],
) -> None:
    """Write `compare_published` of a run (schema `COMPARISON`).

    Parameters
    ----------
    metrics_file, overlap_file
        The metrics table and `NEURON_OVERLAP`.
    scores_files
        scores.json of every candidate for the classifier.
    trajectories, statements
        The published numbers.
    out
        The table to write.
    labels, rounds, seed_sets, departures
        See `Run`.
    """
    run = Run(
        metrics=read_table(metrics_file, metrics_schema(labels)).to_pandas(),
        labels=labels,
        rounds=rounds,
        seed_sets=seed_sets,
        departures=departures,
        scores=[json.loads(Path(file).read_text(encoding="utf-8")) for file in scores_files],
        overlap=read_table(overlap_file, NEURON_OVERLAP).to_pandas(),
    )
    table = compare_published(run, trajectories, statements)
    write_table(pa.Table.from_pandas(table, COMPARISON, preserve_index=False), out, COMPARISON)
    counted = table["verdict"].value_counts()
    print(", ".join(f"{verdict}: {counted.get(verdict, 0)}" for verdict in VERDICTS), flush=True)
