import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas.contrasts import CONTRASTS
from bias_amplification.figures import style
from bias_amplification.figures.contrasts import changes, write_changes


def row(name, strategy, outcome, estimate, half, of_replicates, **others):
    return {
        "kind": "change",
        "outcome": outcome,
        "seed_set": "balanced",
        "tracked_label": "right",
        "round": name,
        "strategy": strategy,
        "other_round": None,
        "other_strategy": None,
        "estimate": estimate,
        "estimate_low": estimate - half,
        "estimate_high": estimate + half,
        "standard_error": half / 4,
        "degrees": 2.0,
        "p_value": 0.01,
        "p_value_adjusted": 0.02,
        "verdict": "rises",
        "replicates": len(of_replicates),
        "articles": 300,
        "articles_different": 300,
        "replicates_needed": 4,
        "of_replicates": of_replicates,
    } | others


@pytest.fixture
def contrasts():
    rows = []
    for outcome, scale in (("share", 0.2), ("mean_probability", 0.1), ("quality", -0.5)):
        rows.append(row("balanced_synthetic", "synthetic", outcome, scale, 0.05, [scale - 0.02, scale, scale + 0.02]))
        rows.append(row("balanced_fixed", "fixed", outcome, 0.03, 0.04, [0.02, 0.03, 0.04]))
        rows.append(row("balanced_real", "real", outcome, 0.01, 0.02, [0.0, 0.01, 0.02]))
        for control in ("fixed", "real"):
            compared = {"kind": "control", "other_round": f"balanced_{control}", "other_strategy": control}
            rows.append(row("balanced_synthetic", "synthetic", outcome, scale, 0.05, [scale], **compared))
        rows.append(row("left_synthetic", "synthetic", outcome, scale / 2, 0.1, [scale / 2], seed_set="left"))
    return pd.DataFrame(rows)


def points(axes):
    markers = {*style.MARKERS, *style.CONTROL_MARKERS} - {*"<>"}
    return {float(line.get_ydata()[0]): line for line in axes.get_lines() if line.get_marker() in markers}


def test_each_round_has_its_estimate_interval_and_replicates_in_every_panel(contrasts):
    figure = changes(contrasts)

    # The second seed set begins half a row further down.
    places = [0.0, 1.0, 2.0, 3.5]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == [
        "balanced synthetic",
        "balanced fixed",
        "balanced real",
        "left synthetic",
    ]
    for axes, outcome, factor in zip(figure.axes, ("share", "mean_probability", "quality"), (100, 100, 1), strict=True):
        rows = contrasts[(contrasts["kind"] == "change") & (contrasts["outcome"] == outcome)]
        found = points(axes)
        assert list(found) == places
        assert [line.get_xdata()[0] for line in found.values()] == pytest.approx(list(factor * rows["estimate"]))
        lines = {tuple(line.get_xdata()): line for line in axes.get_lines() if len(line.get_xdata()) == 2}
        for ends in (factor * rows[["estimate_low", "estimate_high"]]).itertuples(index=False, name=None):
            assert any(np.allclose(ends, drawn) for drawn in lines)
        groups = [group for group in axes.collections if isinstance(group, LineCollection)]
        strokes = [sorted(part[0, 0] for part in group.get_segments()) for group in groups]
        assert len(strokes) == 3
        np.testing.assert_allclose(strokes[0], np.sort(factor * np.array(rows["of_replicates"].iloc[0])))


def test_rounds_look_like_their_strategies_and_the_band_is_that_of_the_real_articles(contrasts):
    axes = changes(contrasts).axes[0]

    found = [(line.get_color(), line.get_marker()) for line in points(axes).values()]
    looks = style.strategy_appearance(["synthetic", "fixed", "real", "synthetic"])
    assert found == [tuple(looks[name].values()) for name in ("synthetic", "fixed", "real", "synthetic")]
    # Controls are grey.
    assert all(len(set(to_rgb(colour))) == 1 for colour, _ in found[1:3])
    bands = [group.get_paths()[0].vertices for group in axes.collections if isinstance(group, PolyCollection)]
    # From -1 to 3 points, behind the round that is compared with the control, and behind the control.
    assert [(band[:, 0].min(), band[:, 0].max()) for band in bands] == [pytest.approx((-1, 3))] * 2
    assert [(band[:, 1].min(), band[:, 1].max()) for band in bands] == [(-0.5, 0.5), (1.5, 2.5)]


def test_without_a_comparison_of_replicates_there_is_no_band(contrasts):
    single = contrasts["round"] == "balanced_synthetic"
    for rows in (contrasts[contrasts["kind"] == "change"], contrasts.assign(replicates=np.where(single, 1, 3))):
        figure = changes(rows)

        assert not any(isinstance(group, PolyCollection) for axes in figure.axes for group in axes.collections)


def test_one_replicate_is_hollow(contrasts):
    faces = [line.get_markerfacecolor() for line in points(changes(contrasts).axes[0]).values()]

    assert faces[3] == "white"
    assert "white" not in faces[:3]


def test_wide_interval_ends_in_arrows_at_the_panels_edge(contrasts):
    wide = contrasts.index[0]
    contrasts.loc[wide, ["estimate_low", "estimate_high"]] = [-1.5, 1.9]

    axes = changes(contrasts).axes[0]

    reach = axes.get_xlim()[1]
    assert 20 < reach < 60
    arrows = {line.get_marker(): line.get_xdata()[0] for line in axes.get_lines() if line.get_marker() in "<>"}
    assert arrows == {"<": -reach, ">": reach}


def test_rounds_without_a_value_leave_their_row_empty(contrasts):
    contrasts.loc[contrasts["outcome"] == "quality", ["estimate", "estimate_low", "estimate_high"]] = np.nan

    figure = changes(contrasts)

    assert points(figure.axes[2]) == {}
    assert len(points(figure.axes[0])) == 4


def test_files_are_written_from_the_table_and_are_the_same_each_time(contrasts, tmp_path):
    table = pa.Table.from_pandas(contrasts, CONTRASTS, preserve_index=False)
    write_table(table, tmp_path / "contrasts.parquet", CONTRASTS)
    out = [tmp_path / "changes.png", tmp_path / "changes.svg"]
    write_changes(tmp_path / "contrasts.parquet", out)
    first = [path.read_bytes() for path in out]

    write_changes(tmp_path / "contrasts.parquet", out)

    assert [path.read_bytes() for path in out] == first
    assert first[0].startswith(b"\x89PNG")


def test_the_interval_of_a_single_replicate_lies_within_the_panel():
    axes = changes(pd.DataFrame([row("alone", "synthetic", "share", 0.08, 0.4, [0.08])])).axes[0]
    low, high = axes.get_xlim()
    assert low < 100 * (0.08 - 0.4) and high > 100 * (0.08 + 0.4)
    assert not [line for line in axes.get_lines() if line.get_marker() in "<>"]
