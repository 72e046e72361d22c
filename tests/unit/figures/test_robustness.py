import csv

import numpy as np
import pandas as pd
import pyarrow as pa
from page_tables import changes_of

from bias_amplification.artifacts import schemas, write_table
from bias_amplification.figures.robustness import (
    WAYS,
    robustness,
    robustness_table,
    write_robustness,
    write_robustness_table,
)
from bias_amplification.study.sections import Corpus

TRACKED = {
    "balanced_synthetic": "blue",
    "balanced_overfitting": "blue",
    "green_synthetic": "red",
    "green_preservation": "red",
}


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_each_panel_shows_the_tracked_label_of_its_round_in_every_way(metrics):
    figure = robustness(metrics, TRACKED)

    assert len(figure.axes) == 4
    for axes, (name, label) in zip(figure.axes, TRACKED.items(), strict=True):
        rows = metrics[metrics["round"] == name]
        assert name.replace("_", " ") in axes.get_title(loc="left")
        assert list(lines(axes)) == list(WAYS.values())
        for measure, text in WAYS.items():
            np.testing.assert_array_equal(lines(axes)[text].get_ydata(), rows[f"{measure}_{label}"])
        corners = {tuple(corner) for corner in axes.collections[0].get_paths()[0].vertices}
        assert (10.0, rows[f"share_{label}_high"].iloc[-1]) in corners
    # Two rows of two panels each.
    assert [axes.get_ylabel() for axes in figure.axes] == ["blue (%)", "", "red (%)", ""]
    assert len({axes.get_subplotspec().rowspan.start for axes in figure.axes}) == 2
    # The third panel of a row shows another label.
    row = robustness(metrics, dict([*TRACKED.items()][:3]))
    assert [axes.get_ylabel() for axes in row.axes] == ["blue (%)", "", "red (%)"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(WAYS.values())


def test_way_without_values_has_no_line_and_missing_generations_no_point(metrics):
    metrics["share_second_blue"] = np.nan
    metrics.loc[(metrics["round"] == "balanced_synthetic") & (metrics["generation"] >= 7), "share_readable_blue"] = (
        np.nan
    )

    axes = robustness(metrics, {"balanced_synthetic": "blue"}).axes[0]

    assert WAYS["share_second"] not in lines(axes)
    assert lines(axes)[WAYS["share_readable"]].get_xdata().max() == 6
    assert lines(axes)[WAYS["share"]].get_xdata().max() == 10


def test_replicates_are_thin_lines_of_the_plain_share(metrics):
    second = metrics.assign(replicate=2, share_blue=metrics["share_blue"] + 0.1)

    axes = robustness(pd.concat([metrics, second]), {"balanced_synthetic": "blue"}).axes[0]

    thin = [line for line in axes.get_lines() if line.get_gid() == "replicate"]
    expected = metrics.loc[metrics["round"] == "balanced_synthetic", "share_blue"]
    assert len(thin) == 2
    for line, add in zip(thin, (0, 0.1), strict=True):
        np.testing.assert_allclose(line.get_ydata(), expected + add)
        assert line.get_color() == lines(axes)[WAYS["share"]].get_color()
    np.testing.assert_allclose(lines(axes)[WAYS["share"]].get_ydata(), expected + 0.05)


def test_table_has_the_direction_of_each_change(metrics):
    of_round = metrics["round"] == "balanced_synthetic"
    first, last = (of_round & (metrics["generation"] == generation) for generation in (0, 10))

    def put(measure, start, end, half=0.03):
        for rows, value in ((first, start), (last, end)):
            for ending, number in (("", value), ("_low", value - half), ("_high", value + half)):
                metrics.loc[rows, f"{measure}_blue{ending}"] = number

    put("share", 0.5, 0.6)
    put("share_adjusted", 0.5, 0.55, half=0.1)
    put("share_second", 0.6, 0.5)
    metrics.loc[of_round & (metrics["generation"] > 3), "share_readable_blue"] = np.nan
    metrics.loc[first, ["adjusted_misfit", "articles_readable", "agreement"]] = [0.01, 200, 0.8]
    metrics.loc[last, ["adjusted_misfit", "articles_readable", "agreement"]] = [0.04, 0, 0.9]

    rows = robustness_table(metrics, changes_of(metrics), {"balanced_synthetic": "blue"}).set_index("counted")

    found = rows["direction beside the plain share"].to_dict()
    assert found[WAYS["share"]] == ""
    assert found[WAYS["share_adjusted"]] == "same"
    assert found[WAYS["share_second"]] == "opposite"
    assert found[WAYS["share_readable"]] == "not comparable"
    assert rows.loc[WAYS["share_readable"], "generations"] == "0 to 3"
    assert rows.loc[WAYS["share"], "first (%)"] == "50.0 [47.0, 53.0]"
    # The interval is that of the changes, not of the two shares.
    assert rows.loc[WAYS["share"], "difference (points)"] == "10.0 [8.0, 12.0]"
    about = rows["at the first and the last"]
    assert about[WAYS["share_adjusted"]] == "1% and 4% of articles unexplained"
    assert about[WAYS["share_readable"]] == "200 and 0 articles readable"
    assert about[WAYS["share_second"]] == "80% and 90% agree"


def test_change_of_several_replicates_is_that_of_all_together(metrics):
    changes = changes_of(metrics)
    together = changes["replicate"].isna() & (changes["generation"] == 10)
    changes.loc[together, ["share_blue", "share_blue_low", "share_blue_high"]] = [0.2, -0.1, 0.5]

    rows = robustness_table(metrics, changes, {"balanced_synthetic": "blue"}).set_index("counted")

    assert rows.loc[WAYS["share"], "difference (points)"] == "20.0 [-10.0, 50.0]"


def test_change_without_a_value_at_generation_0_has_no_interval(metrics):
    changes = changes_of(metrics)
    of_round = metrics["round"] == "balanced_synthetic"
    metrics.loc[of_round & (metrics["generation"] < 2), "share_second_blue"] = np.nan
    metrics.loc[of_round & (metrics["generation"] > 0), "share_readable_blue"] = np.nan
    expected = 100 * 0.016 * 8

    rows = robustness_table(metrics, changes, {"balanced_synthetic": "blue"}).set_index("counted")

    assert rows.loc[WAYS["share_second"], "difference (points)"] == f"{expected:.1f}"
    # With generation 0 alone there is no change; the change from the base model does not count.
    assert rows.loc[WAYS["share_readable"], ["generations", "difference (points)"]].tolist() == ["0 to 0", "0.0"]


def test_generations_without_labels_have_no_limits(metrics):
    of_last = (metrics["round"] == "balanced_synthetic") & (metrics["generation"] == 10)
    of_labels = [c for c in metrics.columns if c.startswith(("share_", "agreement", "adjusted_misfit"))]
    metrics.loc[of_last, of_labels] = np.nan

    rows = robustness_table(metrics, changes_of(metrics), {"balanced_synthetic": "blue"}).set_index("counted")

    assert rows.loc[WAYS["share_second"], "generations"] == "0 to 9"
    assert not rows["at the first and the last"].str.contains("nan").any()


def test_way_that_cannot_be_compared_has_no_direction(metrics):
    of_round = metrics["round"] == "balanced_synthetic"
    metrics["adjusted_misfit"] = 0.0
    for measure in ("share", "share_adjusted", "share_readable"):
        for ending, half in (("", 0), ("_low", -0.01), ("_high", 0.01)):
            metrics.loc[of_round, f"{measure}_blue{ending}"] = 0.2 + 0.05 * metrics["generation"] + half

    def compared():
        rows = robustness_table(metrics, changes_of(metrics), {"balanced_synthetic": "blue"}).set_index("counted")
        return rows["direction beside the plain share"]

    assert (compared()[[WAYS["share_adjusted"], WAYS["share_readable"]]] == "same").all()
    # Fewer generations than the plain share has; too many unexplained articles at the first generation.
    metrics.loc[of_round & (metrics["generation"] > 8), "share_readable_blue"] = np.nan
    metrics.loc[of_round & (metrics["generation"] == 0), "adjusted_misfit"] = 0.06
    assert (compared()[[WAYS["share_adjusted"], WAYS["share_readable"]]] == "not comparable").all()


def test_without_a_plain_share_no_way_has_a_direction(metrics):
    own = metrics["round"] == "balanced_synthetic"
    metrics.loc[own, ["share_blue", "share_blue_low", "share_blue_high"]] = np.nan

    rows = robustness_table(metrics, changes_of(metrics), {"balanced_synthetic": "blue"})

    assert set(rows["direction beside the plain share"]) == {"not comparable"}


def test_rounding_error_is_no_direction(metrics):
    of_round = metrics["round"] == "balanced_synthetic"
    for measure, change in (("share", 0.1), ("share_second", 1e-7)):
        metrics.loc[of_round, f"{measure}_blue"] = 0.5
        metrics.loc[of_round & (metrics["generation"] == 10), f"{measure}_blue"] = 0.5 + change

    rows = robustness_table(metrics, changes_of(metrics), {"balanced_synthetic": "blue"}).set_index("counted")

    assert rows.loc[WAYS["share_second"], "direction beside the plain share"] == ""


def test_a_way_without_values_has_no_row(metrics):
    of_round = metrics["round"] == "balanced_synthetic"
    metrics["share_readable_blue"] = metrics["share_readable_blue"].where(~of_round)

    rows = robustness_table(metrics, changes_of(metrics), {"balanced_synthetic": "blue"})

    assert WAYS["share_readable"] not in set(rows["counted"])


def test_zero_change_is_written_without_sign(metrics):
    for end in ("", "_low", "_high"):
        metrics[f"share_adjusted_blue{end}"] = 1.0
    rows = robustness_table(metrics, changes_of(metrics), {"balanced_synthetic": "blue"}).set_index("counted")
    assert rows.loc[WAYS["share_adjusted"], "difference (points)"] == "0.0 [-2.0, 2.0]"


def test_figure_and_table_are_written(tmp_path, metrics, metrics_file, labels):
    write_robustness(metrics_file, [tmp_path / "a.png"], corpus=Corpus(labels=[*labels]), tracked=TRACKED)
    schema = schemas.changes(labels)
    table = pa.Table.from_pandas(changes_of(metrics).reindex(columns=schema.names), schema, preserve_index=False)
    write_table(table, tmp_path / "changes.parquet", schema)
    files = metrics_file, tmp_path / "changes.parquet"
    write_robustness_table(*files, [tmp_path / "a.csv"], corpus=Corpus(labels=[*labels]), tracked=TRACKED)
    assert (tmp_path / "a.png").stat().st_size > 10_000
    with (tmp_path / "a.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(TRACKED) * len(WAYS)
