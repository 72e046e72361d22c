"""Entries of the figures over generations, which depend on the study's seed sets and labels.

The first seed set gives Figures 3, 6, 7 and 9, the second Figure 5. Figures of further seed sets and labels are named
after them. Titles have the paper's numbers only in studies with published counterparts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bias_amplification.figures.catalogue.entries import BIAS_AND_QUALITY
from bias_amplification.figures.catalogue.entry import TRAJECTORIES, Entry, numbered
from bias_amplification.figures.catalogue.facts import corpus_shown
from bias_amplification.figures.catalogue.replicates import bands, several
from bias_amplification.published.comparable import comparable, level_departures, published_rounds
from bias_amplification.study import Plan
from bias_amplification.study.unit import with_unit

_BASE = "Dotted: the base model before fine-tuning."
_PERPLEXITY = (
    "Mean perplexity of the synthetic articles, (a) under the base model and (b) under the model that wrote them, on a "
    "logarithmic axis. Low perplexity does not mean high quality: repetitive text is easy to predict."
)
_MEASURES = {"share": "Share of articles whose most likely label is", "mean_probability": "Mean probability of"}
#: Kind of number in a column, by the first word of its name. All other columns are about bias.
_KINDS = {"text": "quality", "perplexity": "perplexity"}


def trajectory_entries(plan: Plan) -> list[Entry]:
    """Return the entries of the figures over generations, in the order of the page of results."""
    entries = []
    for position, seed_set in enumerate(plan.seed_sets_used()):
        entries.append(_bias_and_quality(plan, position, seed_set))
        entries.append(_degeneration(plan, seed_set, "degeneration"))
        if position:
            entries.append(_diversity(plan, seed_set, "diversity"))
        if position == 0:
            entries += _other_labels(plan, seed_set)
    columns = ["perplexity_base", "perplexity_generating"]
    sweeps = [_sweep(plan, *found, place) for place, found in enumerate(plan.sweeps(), start=1)]
    rounds = _rounds(plan, plan.seed_sets_used()[0])
    perplexity = with_unit(_PERPLEXITY, plan.study.corpus.unit)
    figure_9 = _entry(plan, "figure_9", _title(plan, "9", "perplexity"), perplexity, columns, rounds)
    return [*entries, figure_9, _diversity(plan, plan.seed_sets_used()[0], "diversity"), *sweeps]


def _diversity(plan: Plan, seed_set: str, name: str) -> Entry:
    """Return the figure of the diversity of a seed set's rounds."""
    caption = (
        "What the text quality index, in the first panel, does not see: it judges sentences one by one, and a "
        "sentence that is written again and again is clean each time. Distinct-n: share of different n-grams. Repeated "
        "4-grams: share of an article's 4-grams that occurred before in it. Self-BLEU: how much an article is like the "
        "others. docs/diversity.md explains all of them."
    )
    return _panels(plan, seed_set, name, f"Diversity and repetition, seed set {seed_set}", caption)


def _degeneration(plan: Plan, seed_set: str, name: str) -> Entry:
    """Return the figure of the texts of a seed set's rounds that have fallen apart."""
    kinds = plan.study.degeneration
    caption = (
        f"Share of all texts that are empty (no word), short (fewer than {kinds.few_words} words), "
        f"repetitive (more than {100 * kinds.repeated:g}% of the words in loops or in stretches of eight words that "
        f"the text has twice) or copied (more than {100 * kinds.copied:g}% of the words in stretches of eight words "
        "that the prompts or the model's training texts have). A text can be repetitive and copied. Readable: none of "
        f"these, and a text quality index of at least {plan.study.quality.readable:g}. A kind without any text has no "
        "panel. docs/degenerate-texts.md says how often the kinds are recognised."
    )
    title = f"Texts that have fallen apart, seed set {seed_set}"
    return replace(_panels(plan, seed_set, name, title, caption), numbers="metrics")


def _panels(plan: Plan, seed_set: str, name: str, title: str, caption: str) -> Entry:
    """Return a figure of `figures.panels`, which is named after it and, if it is not the first, after the seed set."""
    rounds = _rounds(plan, seed_set)
    return Entry(
        name=name if seed_set == plan.seed_sets_used()[0] else f"{name}_{seed_set}",
        group=BIAS_AND_QUALITY,
        title=title,
        caption=with_unit(f"{caption} {bands(plan, rounds)} {_BASE}", plan.study.corpus.unit),
        function="figures.panels:write_panels",
        inputs={"metrics_file": "metrics.parquet"},
        arguments={"corpus": corpus_shown(plan), "rounds": rounds, "figure": name},
    )


def _sweep(plan: Plan, key: str, values: Mapping[str, float], place: int) -> Entry:
    """Return the figure of rounds that differ in one number of their strategy."""
    label = plan.rounds[next(iter(values))].tracked_label
    columns = [f"{plan.study.figures.bias}_{label}", plan.study.quality.index]
    bars = (
        "Bars: 95% intervals between replicates, or over articles for a round with one replicate. Small points: "
        "replicates at the last generation."
        if several(plan, values)
        else "Bars: 95% intervals over articles."
    )
    return Entry(
        name=f"sweep_{key}_{place}",
        group=BIAS_AND_QUALITY,
        title=f"Outcomes against {key.replace('_', ' ')}",
        caption=f"{_measure(plan)} {label}, and mean text quality index, in rounds that differ only in "
        f"strategies.{key}, at generation 0 and at the last generation. {with_unit(bars, plan.study.corpus.unit)}",
        function="figures.sweeps:write_sweep",
        inputs={"metrics_file": "metrics.parquet"},
        arguments={"corpus": corpus_shown(plan), "key": key, "values": dict(values), "columns": columns},
    )


def _measure(plan: Plan) -> str:
    """Begin a caption about the study's measure of bias; a label follows."""
    return with_unit(_MEASURES[plan.study.figures.bias], plan.study.corpus.unit)


def _title(plan: Plan, number: str | None, title: str) -> str:
    return numbered(f"Figure {number}" if number and comparable(plan.study) else "", title)


def _bias_and_quality(plan: Plan, position: int, seed_set: str) -> Entry:
    rounds = _rounds(plan, seed_set)
    tracked = _tracked(plan, rounds)
    bias = plan.study.figures.bias
    number = {0: "3", 1: "5"}.get(position)
    caption = (
        f"{_measure(plan)} {' or '.join(tracked)}, and mean text quality index, in the rounds that start from the seed "
        f"set {seed_set}. {with_unit('Generation 0 is fine-tuned on real articles.', plan.study.corpus.unit)}"
    )
    others = [label for label in plan.study.corpus.labels if label not in tracked]
    if len(plan.study.corpus.labels) == 2 and others:
        caption += f" The {bias.replace('_', ' ')} of {others[0]} is one minus that of {tracked[0]}."
    return _entry(
        plan,
        f"figure_{number}" if number else f"trajectories_{seed_set}",
        _title(plan, number, f"bias and text quality, seed set {seed_set}"),
        caption,
        [*(f"{bias}_{label}" for label in tracked), plan.study.quality.index],
        rounds,
    )


def _other_labels(plan: Plan, seed_set: str) -> list[Entry]:
    """Return the figures of the labels that no round of the seed set tracks.

    Of two labels, the figure of the other one would be a mirror image.
    """
    if len(plan.study.corpus.labels) == 2:
        return []
    rounds, bias = _rounds(plan, seed_set), plan.study.figures.bias
    tracked = _tracked(plan, rounds)
    which = "of Figure 3" if comparable(plan.study) else f"that start from the seed set {seed_set}"
    entries = []
    # Last label first: with the labels left, center, right the paper shows center before left.
    for order, label in enumerate(label for label in reversed(plan.study.corpus.labels) if label not in tracked):
        number = str(6 + order) if order < 2 else None
        entries.append(
            _entry(
                plan,
                f"figure_{number}" if number else f"share_{label}",
                _title(plan, number, f"{with_unit('articles labelled', plan.study.corpus.unit)} {label}"),
                f"{_measure(plan)} {label}, in the rounds {which}.",
                [f"{bias}_{label}"],
                rounds,
            )
        )
    return entries


def _entry(plan: Plan, name: str, title: str, caption: str, columns: Sequence[str], rounds: Sequence[str]) -> Entry:
    published = {own: other for own, other in published_rounds(plan.study).items() if own in rounds}
    drawn = bool(published) and plan.study.figures.published
    arguments = {"corpus": corpus_shown(plan), "columns": columns, "rounds": rounds}
    described = f"{caption} {with_unit(bands(plan, rounds), plan.study.corpus.unit)} {_BASE}"
    return Entry(
        name=name,
        group=BIAS_AND_QUALITY,
        title=title,
        caption=f"{described} {_published_caption(plan, columns)}" if drawn else described,
        function=TRAJECTORIES,
        inputs={"metrics_file": "metrics.parquet"},
        arguments=arguments | ({"published_rounds": published} if drawn else {}),
        published={"published_file": "trajectories.csv"} if drawn else {},
    )


def _published_caption(plan: Plan, columns: Sequence[str]) -> str:
    """Describe the published lines, and why their level may differ from the run's."""
    departures = level_departures(plan.study)
    shown = {_KINDS.get(column.split("_")[0], "bias") for column in columns}
    reasons = dict.fromkeys(departures[kind] for kind in sorted(shown) if kind in departures)
    text = "Pale dashes: the paper's published results"
    text += f"; only their direction can be compared ({'; '.join(reasons)})." if reasons else "."
    if "quality" in shown:
        text += " The published index weights the score of a sentence by its probability and cuts texts at periods."
    return text


def _rounds(plan: Plan, seed_set: str) -> list[str]:
    return [r.name for r in plan.study.rounds if r.seed_set == seed_set]


def _tracked(plan: Plan, rounds: Sequence[str]) -> list[str]:
    """Return the labels that the rounds track, each once."""
    return list(dict.fromkeys(plan.rounds[name].tracked_label for name in rounds))
