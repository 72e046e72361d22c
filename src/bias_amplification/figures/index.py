"""The page that says what a run answers, and shows its every figure and table."""

import csv
import os
import struct
from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pandas as pd

from bias_amplification.artifacts import new_file, read_table
from bias_amplification.artifacts.schemas import (
    COMPARISON,
    DEGENERATE_KINDS,
    INTERVENTION_CALIBRATION,
    INTERVENTION_EFFECTS,
    INTERVENTION_MISSING,
    NEURON_CALIBRATION,
    NEURON_OVERLAP,
    NEURON_OVERLAP_CURVE,
    NEURON_RELIABILITY,
    NEURON_WORLD,
)
from bias_amplification.artifacts.schemas import changes as changes_schema
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.artifacts.schemas.contrasts import CONTRASTS
from bias_amplification.figures.answers import (
    Line,
    answer_rows,
    answers_html,
    neurons_in_words,
    published_in_words,
    trust_in_words,
)
from bias_amplification.figures.catalogue.interventions import INTERVENTIONS
from bias_amplification.figures.catalogue.neurons import NEURONS
from bias_amplification.figures.charts import Shown, TrajectoryChart, chart_scripts, chart_style, mark
from bias_amplification.figures.neuron_validity import known_here, not_valid_here, of_first_scheme, validity_in_words
from bias_amplification.figures.page import html_page
from bias_amplification.figures.seen import seen_title
from bias_amplification.figures.style import strategy_appearance
from bias_amplification.figures.tables.reliability import may_discuss_overlap, reproducibility_in_words
from bias_amplification.figures.tables.writing import html_table, table_script, table_style
from bias_amplification.interventions.words import interventions_in_words
from bias_amplification.measures.encoders import read_scores
from bias_amplification.neurons.overlap_words import overlap_in_words
from bias_amplification.published.record import BASE, published_labels, published_metrics
from bias_amplification.study.sections import Corpus

#: CSS pixels for an inch of a figure.
_SHOWN_DOTS = 135
_STYLE = Path(__file__).with_suffix(".css")


class Heading(NamedTuple):
    """What the page says about a figure, a table or another page."""

    name: str
    """Name of its files, without their endings."""
    group: str
    """The section of the page that it is in."""
    title: str
    caption: str
    chart: Shown | None = None
    """What it shows if it is a figure of trajectories, which the page also shows as a chart."""
    numbers: str = ""
    """Name of the table with the numbers of a figure, if the page has one."""


class About(NamedTuple):
    """What the page is about."""

    title: str
    """Its heading, as plain text."""
    introduction: str
    """Its first paragraph, as plain text."""
    quality: str = "text_quality_index"
    """Column of the metrics table with the study's text quality index."""


class PageTables(NamedTuple):
    """Tables from which the page draws conclusions in words."""

    metrics: Path
    """The metrics table, from which the page's top says how many texts have fallen apart."""
    reliability: Path
    """`neurons/reliability.parquet`, from which the neurons' section says first whether associations reproduce."""
    overlap_curve: Path
    """`neurons/overlap_curve.parquet`: the estimated overlap, of which the section speaks if associations reproduce."""
    calibration: Path
    """`neurons/calibration.parquet`, from which the section says which tests are not valid here."""
    world: Path
    """`neurons/world.parquet`: which simulated world the run is like."""
    contrasts: Path
    """`replicates/contrasts.parquet`: the change of every round, from which the page's first table is made."""
    changes: Path
    """`changes.parquet`, for the ways of counting in that table."""
    overlap: Path
    """`neurons/overlap.parquet`: the counts of neurons, and whether they are told from chance."""
    scores: Sequence[Path] = ()
    """`scores.json` of every classifier that the study trains."""
    comparison: Path | None = None
    """`comparison.parquet`: the published numbers beside the run's own."""
    interventions_effects: Path | None = None
    """`interventions/effects.parquet`, from which the section of interventions says first what changed neurons do."""
    interventions_missing: Path | None = None
    """`interventions/missing.parquet`: which sets of neurons could not be made."""
    interventions_calibration: Path | None = None
    """`interventions/calibration.parquet`, from which the section says whether verdicts are valid."""
    published: Path | None = None
    """`resources/published/trajectories.csv`, for the published numbers in charts."""


def write_index(
    files: Sequence[Path],
    tables: PageTables,
    out: Path,
    *,
    headings: Sequence[Heading],
    about: About,
    corpus: Corpus,
) -> None:
    """Write the page of results: what the run answers, and figures, charts and tables with captions, by groups.

    A figure of trajectories has a title that says what is seen, where this is told from chance (`seen.seen_title`).

    Parameters
    ----------
    files
        The files of all figures, tables and pages. A .png is shown, a .csv is shown as a table, and every file is
        linked.
    tables
        The tables behind the page's sentences.
    out
        The HTML file to make. Its links are relative, so that the folder can be moved as a whole.
    headings
        What to show, in order of appearance; members of a group follow each other.
    about
        Heading and first paragraph of the page, and the study's text quality index.
    corpus
        The config's section; the label set and the word for an article are read.
    """
    metrics = read_table(tables.metrics, metrics_schema(corpus.labels)).to_pandas()
    contrasts = read_table(tables.contrasts, CONTRASTS).to_pandas()
    changes = read_table(tables.changes, changes_schema(corpus.labels)).to_pandas()
    rows = answer_rows(metrics, changes, contrasts, about.quality)
    groups = [(name, list(members)) for name, members in groupby(headings, key=lambda heading: heading.group)]
    links = "".join(f'<a href="#group-{i}">{escape(name)}</a>' for i, (name, _) in enumerate(groups))
    parts = [f"<h1>{escape(about.title)}</h1>", f"<p>{escape(about.introduction)}</p>"]
    lines = _lines(tables, metrics, corpus)
    parts.append(answers_html(rows, lines, [heading.name for heading in headings], corpus.unit, _marks(contrasts)))
    parts.append(f'<nav aria-label="Sections">{links}</nav>')
    published = published_metrics(tables.published, published_labels(tables.published)) if tables.published else None
    for i, (name, members) in enumerate(groups):
        parts.append(f'<h2 id="group-{i}">{escape(name)}</h2>')
        if name == NEURONS:
            parts += [f"<p>{escape(text)}</p>" for text in _neurons_in_words(tables)]
        if name == INTERVENTIONS and tables.interventions_effects:
            parts += [f"<p>{escape(text)}</p>" for text in _interventions_in_words(tables)]
        for heading in members:
            own, chart = [file for file in files if file.stem == heading.name], None
            if heading.chart:
                chart = TrajectoryChart(metrics, heading.chart, published, corpus.unit)
                heading = _with_seen_title(heading, chart.names, contrasts, rows, corpus.unit)
            parts.append(_entry(heading, own, out, chart))
    scripts = [*(chart_scripts() if any(heading.chart for heading in headings) else ()), table_script()]
    page = html_page(
        about.title,
        "\n".join(parts),
        table_style() + chart_style() + _STYLE.read_text(encoding="utf-8"),
        scripts=scripts,
    )
    with new_file(out) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _marks(contrasts: pd.DataFrame) -> list[str]:
    """Return the mark of each round's strategy, in the order of `answer_rows`."""
    strategies = contrasts[contrasts["kind"] == "change"].drop_duplicates("round")["strategy"]
    looks = strategy_appearance(strategies)
    return [mark(looks[name]) for name in strategies]


def _with_seen_title(
    heading: Heading, names: Mapping[str, str], contrasts: pd.DataFrame, rows: Sequence[Sequence[str]], unit: str
) -> Heading:
    """Return a heading of trajectories whose title says what is seen, if this is told from chance.

    `names` are those of its rounds, `rows` those of `answer_rows`.
    """
    rounds = contrasts[contrasts["kind"] == "change"].drop_duplicates("round")["round"]
    ends = {name: row[2].replace(" to ", "% to ") + "%" for name, row in zip(rounds, rows, strict=True)}
    return heading._replace(title=seen_title(heading.title, heading.chart.columns, names, contrasts, ends, unit))


def _lines(tables: PageTables, metrics: pd.DataFrame, corpus: Corpus) -> list[Line]:
    """Return the sentences at the top of the page, each with the figures and tables that show it."""

    def read(path: Path, schema: Any) -> pd.DataFrame:
        return read_table(path, schema).to_pandas()

    simulated = read(tables.calibration, NEURON_CALIBRATION), read(tables.world, NEURON_WORLD)
    overlap, reliability = read(tables.overlap, NEURON_OVERLAP), read(tables.reliability, NEURON_RELIABILITY)
    scores = [read_scores(file.parent) for file in tables.scores]
    lines = [
        Line(texts_in_words(metrics), ("degeneration", "diversity")),
        Line(trust_in_words(scores, metrics, corpus.unit), ("table_1", "classifier_reliability", "robustness_table")),
        Line(
            neurons_in_words(overlap, reliability, not_valid_here(*simulated), known_here(*simulated)),
            ("reproducibility", "counts_against_chance", "neuron_calibration"),
        ),
    ]
    if tables.comparison:
        found = published_in_words(read(tables.comparison, COMPARISON))
        lines.append(Line(found, ("comparison_summary", "comparison")))
    return lines


def _neurons_in_words(tables: PageTables) -> list[str]:
    """Say whether the neurons' associations reproduce, how many neurons are common if so, and which tests are valid."""
    reliability = read_table(tables.reliability, NEURON_RELIABILITY).to_pandas()
    overlap = overlap_in_words(read_table(tables.overlap_curve, NEURON_OVERLAP_CURVE).to_pandas())
    calibration = read_table(tables.calibration, NEURON_CALIBRATION).to_pandas()
    world = read_table(tables.world, NEURON_WORLD).to_pandas()
    rates = of_first_scheme(not_valid_here(calibration, world))
    texts = []
    for measure, rows in reliability.groupby("measure", sort=False):
        texts.append(reproducibility_in_words(rows, rates))
        texts += [overlap[measure]] if measure in overlap and may_discuss_overlap(rows, rates) else []
    return [*texts, validity_in_words(calibration, world)]


def _interventions_in_words(tables: PageTables) -> list[str]:
    """Say what changed neurons do, which sets could not be made, and whether verdicts are valid."""
    return interventions_in_words(
        read_table(tables.interventions_effects, INTERVENTION_EFFECTS).to_pandas(),
        read_table(tables.interventions_missing, INTERVENTION_MISSING).to_pandas(),
        read_table(tables.interventions_calibration, INTERVENTION_CALIBRATION).to_pandas(),
    )


def texts_in_words(metrics: pd.DataFrame) -> str:
    """Say how many of the texts that the models of a study wrote have fallen apart, and where most have no label.

    Parameters
    ----------
    metrics
        The metrics table. A generation 0 that rounds share is counted once, and the base model's texts apart.
    """
    base = metrics["round"] == BASE
    same = metrics[~base & (metrics["generation"] == 0)].duplicated(
        [name for name in metrics.columns if name not in ("round", "strategy", "tracked_label")]
    )
    rows = metrics[~base].drop(index=same.index[same])
    count, labelled = int(rows["articles"].sum()), int(rows["labelled"].sum())
    shares = {kind: (rows[kind] * rows["articles"]).sum() / count for kind in (*DEGENERATE_KINDS, "readable")}
    percent = {kind: f"{100 * share:.3g}%" for kind, share in shares.items()}
    sentences = [
        f"Of {count:,} texts that the rounds' models wrote, {percent['empty']} are empty, {percent['short']} have too "
        f"few words, {percent['repetitive']} are repetitive, {percent['copied']} are copied from prompts or training "
        f"texts, and {percent['readable']} are readable (none of these, with sufficient text quality)."
    ]
    if labelled < count:
        worst = rows.loc[(rows["labelled"] / rows["articles"]).idxmin()]
        replicate = f", replicate {worst['replicate']}" if rows["replicate"].max() > 1 else ""
        sentences.append(
            f"Shares of labels are of the {labelled:,} texts with a label; in generation {worst['generation']:.0f} of "
            f"round {worst['round']}{replicate}, only {worst['labelled']} of {worst['articles']} have one."
        )
    of_base = metrics[base][["articles", "labelled"]].sum()
    if of_base["labelled"] < of_base["articles"]:
        sentences.append(
            f"Of the {of_base['articles']:,} texts that the base model wrote before fine-tuning, "
            f"{of_base['labelled']:,} have a label."
        )
    return " ".join(sentences)


def _entry(heading: Heading, files: Sequence[Path], page: Path, chart: TrajectoryChart | None) -> str:
    """Return one figure or table with its title, caption and links."""
    title, shown = escape(heading.title), chart.html(heading.name, heading.title) if chart else ""
    links = [f'<a href="#{escape(heading.numbers)}">numbers as a table</a>'] if heading.numbers else []
    described = f"{title}. The numbers are in a table, to which the first link below leads." if links else title
    for file in files:
        address = escape(quote(Path(os.path.relpath(file, page.parent)).as_posix()))
        links.append(f'<a href="{address}">{escape(file.name)}</a>')
        if file.suffix == ".png":
            picture = f'<img src="{address}" alt="{described}"{_size(file)} loading="lazy">'
            shown += f'<a class="still" href="{address}">{picture}</a>'
        elif file.suffix == ".csv":
            with file.open(newline="", encoding="utf-8") as lines:
                columns, *rows = list(csv.reader(lines))
            shown += html_table(columns, rows, heading.title)
    return (
        f'<figure id="{escape(heading.name)}"><h3>{title}</h3>{shown}<figcaption>'
        f"<p>{escape(heading.caption)}</p>"
        f'<span class="quiet">{" · ".join(links)}</span></figcaption></figure>'
    )


def _size(picture: Path) -> str:
    """Return the attributes for the size of a PNG file, so that the page does not move while it is loaded."""
    with picture.open("rb") as file:
        width, height = struct.unpack(">II", file.read(24)[16:])
    # In CSS pixels. Figures have 200 dots per inch; a figure as wide as a printed page is nearly as wide as the page.
    return f' width="{width * _SHOWN_DOTS // 200}" height="{height * _SHOWN_DOTS // 200}"'
