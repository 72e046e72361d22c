"""The figure and the tables of transitions: bars and cells are rows of the table."""

import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas.diversity import EVENT_SHARES, TRANSITIONS
from bias_amplification.figures import style
from bias_amplification.figures.transitions import (
    first_and_last,
    transitions,
    write_event_table,
    write_transitions,
    write_transitions_table,
)
from bias_amplification.study.sections import Corpus

HEADINGS = "round,event,label of what is written,real articles with this label,first generation (%),last generation (%)"


def make(labels: list[str], replicates: int = 1, generations: int = 4) -> pd.DataFrame:
    """Return transitions of 40 articles of each label, in which the counts of labels and generations differ."""
    rows = []
    for generation in (None, *range(generations)):
        for replicate in range(1, replicates + 1):
            for place, label in enumerate(labels):
                lost = 3 * (generation or 0) + 2 * place + replicate
                counts = dict.fromkeys(labels, 0) | {label: 40 - lost}
                counts[labels[(place + 1) % len(labels)]] += lost
                for predicted, count in counts.items():
                    share = count / 40
                    about = {"round": "base" if generation is None else "one", "replicate": replicate}
                    about |= {"generation": generation, "seed_set": "balanced", "label": label, "predicted": predicted}
                    about |= {"articles": count, "share": share}
                    rows.append(about | {"share_low": max(0, share - 0.1), "share_high": min(1, share + 0.05)})
    return pa.Table.from_pylist(rows, TRANSITIONS).to_pandas()


@pytest.fixture
def names() -> list[str]:
    return ["left", "center", "right"]


def bars(axes) -> dict[str, np.ndarray]:
    """Return bottom and height of each label's bars, [generations, 2]."""
    found = {}
    for container in axes.containers:
        patches = [patch for patch in getattr(container, "patches", []) if patch.get_gid()]
        if patches:
            found[patches[0].get_gid()] = np.array([(patch.get_y(), patch.get_height()) for patch in patches])
    return found


def test_bars_are_the_shares_with_the_real_label_lowest(names):
    table = make(names)

    figure = transitions(table, names, "one")

    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "(a) real: left\n40 articles", "(b) real: center\n40 articles", "(c) real: right\n40 articles",
    ]  # fmt: skip
    for axes, label in zip(figure.axes, names, strict=True):
        drawn = bars(axes)
        assert next(iter(drawn)) == label and (drawn[label][:, 0] == 0).all()
        assert [axes.get_xlim()[0] < generation < axes.get_xlim()[1] for generation in range(4)] == [True] * 4
        for predicted, found in drawn.items():
            own = table[(table["round"] == "one") & (table["label"] == label) & (table["predicted"] == predicted)]
            np.testing.assert_allclose(found[:, 1], own["share"])
        np.testing.assert_allclose(sum(found[:, 1] for found in drawn.values()), 1)
        # Each bar stands on the one before.
        for below, above in itertools.pairwise(drawn.values()):
            np.testing.assert_allclose(above[:, 0], below.sum(axis=1))
        assert {len(found) for found in drawn.values()} == {4}


def test_black_lines_are_the_intervals_of_the_real_label(names):
    figure = transitions(make(names), names, "one")

    segments = figure.axes[0].collections[0].get_segments()
    for generation, segment in enumerate(segments):
        share = (39 - 3 * generation) / 40
        np.testing.assert_allclose(segment, [(generation, share - 0.1), (generation, min(1, share + 0.05))])
    assert len(segments) == 4


def test_bars_of_several_replicates_are_their_means(names):
    figure = transitions(make(names, replicates=2), names, "one")

    # Of 40 left articles, 39 - 3 g and 38 - 3 g keep their label in generation g.
    np.testing.assert_allclose(bars(figure.axes[0])["left"][:, 1], [(38.5 - 3 * g) / 40 for g in range(4)])
    assert figure.axes[0].get_title(loc="left").endswith("40 articles")


def test_legend_has_the_colours_of_the_labels_in_their_order(names):
    figure = transitions(make(names), names, "one")

    legend = figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == names
    colours = [tuple(handle.get_facecolor()[0]) for handle in legend.legend_handles]
    drawn = [container.patches[0].get_facecolor() for container in figure.axes[0].containers[:3]]
    assert colours == drawn
    assert len(set(colours)) == 3


def test_labels_without_real_articles_have_no_panel(names):
    table = make(names)

    figure = transitions(table[table["label"] == "center"], names, "one")

    assert [axes.get_title(loc="left") for axes in figure.axes] == ["real: center\n40 articles"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == names


def test_twelve_labels_fit(names):
    many = [f"party {letter}" for letter in "abcdefghijkl"]

    figure = transitions(make(many), many, "one")
    figure.draw_without_rendering()

    assert len(figure.axes) == 12 and figure.get_figwidth() == style.PAGE_WIDTH
    legend = figure.legends[0].get_window_extent()
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    assert not any(legend.overlaps(box) for box in boxes)
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
    assert legend.x0 >= 0 and legend.x1 <= figure.bbox.x1


def test_table_compares_the_first_and_the_last_generation(names):
    found = first_and_last(make(names), "label").set_index(["real label", "label of what is written"])

    assert list(found.columns) == ["round", "first generation (%)", "last generation (%)"]
    assert len(found) == 9 and set(found["round"]) == {"one"}
    assert found.loc[("left", "left"), "first generation (%)"] == "97.5 [87.5, 100.0]"
    assert found.loc[("left", "left"), "last generation (%)"] == "75.0 [65.0, 80.0]"
    assert found.loc[("left", "center"), "last generation (%)"] == "25.0 [15.0, 30.0]"


def test_files_show_the_tables_that_were_read(tmp_path, names):
    table = make(names)
    write_table(pa.Table.from_pandas(table, TRANSITIONS, preserve_index=False), tmp_path / "t.parquet", TRANSITIONS)

    write_transitions(tmp_path / "t.parquet", [tmp_path / "found.svg"], corpus=Corpus(labels=names), round_name="one")
    write_transitions_table(tmp_path / "t.parquet", [tmp_path / "found.csv"])

    style.save_figure(transitions(table, names, "one"), [tmp_path / "expected.svg"])
    assert (tmp_path / "found.svg").read_bytes() == (tmp_path / "expected.svg").read_bytes()
    assert (tmp_path / "found.csv").read_text().splitlines()[1] == (
        'one,left,left,"97.5 [87.5, 100.0]","75.0 [65.0, 80.0]"'
    )


@pytest.mark.parametrize("events", [True, False])
def test_table_of_events_names_their_real_articles(tmp_path, names, events):
    rows = make(names).rename(columns={"label": "event_id"}).assign(real_articles=7)
    table = pa.Table.from_pandas(rows if events else rows[:0], EVENT_SHARES, preserve_index=False)
    write_table(table, tmp_path / "e.parquet", EVENT_SHARES)

    write_event_table(tmp_path / "e.parquet", [tmp_path / "found.csv"])

    lines = (tmp_path / "found.csv").read_text().splitlines()
    if events:
        assert lines[:2] == [HEADINGS, 'one,left,left,7,"97.5 [87.5, 100.0]","75.0 [65.0, 80.0]"']
    else:
        assert lines == [HEADINGS]
