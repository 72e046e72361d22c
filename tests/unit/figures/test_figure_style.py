import itertools
import math
import re

import matplotlib
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

from bias_amplification.figures import style
from bias_amplification.figures.neurons import correlations
from bias_amplification.figures.trajectories import trajectories
from bias_amplification.study.strategies import STRATEGIES


@pytest.mark.parametrize(("ending", "kind"), [(".png", "lines"), (".svg", "heat map"), (".pdf", "heat map")])
def test_the_same_table_gives_the_same_bytes(tmp_path, metrics, neurons, ending, kind):
    files = [tmp_path / f"{name}{ending}" for name in ("first", "second")]
    for file in files:
        if kind == "lines":
            figure = trajectories(metrics, ["share_red"], ["balanced_synthetic", "balanced_preservation"])
        else:
            figure = correlations(neurons, "weight")
        style.save_figure(figure, [file])

    assert files[0].read_bytes() == files[1].read_bytes()


def test_files_contain_no_time_and_no_program_version(tmp_path, metrics):
    outputs = [tmp_path / f"figure{ending}" for ending in (".png", ".svg", ".pdf")]

    style.save_figure(trajectories(metrics, ["share_red"], ["balanced_synthetic"]), outputs)

    png, svg, pdf = (output.read_bytes() for output in outputs)
    assert png.startswith(b"\x89PNG") and b"tEXt" not in png
    assert svg.rstrip().endswith(b"</svg>") and not re.search(rb"<dc:date>|\b20\d\d-\d\d-\d\d", svg)
    assert pdf.startswith(b"%PDF") and b"CreationDate" not in pdf


def test_user_settings_do_not_change_a_figure_and_stay_unchanged(tmp_path, metrics):
    def draw(name):
        style.save_figure(trajectories(metrics, ["share_red"], ["balanced_synthetic"]), [tmp_path / name])
        return (tmp_path / name).read_bytes()

    usual = draw("usual.png")
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "black", "savefig.dpi": 30}):
        changed = draw("changed.png")
        assert matplotlib.rcParams["font.size"] == 20

    assert changed == usual


def test_unknown_ending_is_an_error_before_anything_is_written(tmp_path, metrics):
    figure = trajectories(metrics, ["share_red"], ["balanced_synthetic"])

    with pytest.raises(ValueError, match=r"figure\.jpg"):
        style.save_figure(figure, [tmp_path / "figure.png", tmp_path / "figure.jpg"])
    assert list(tmp_path.iterdir()) == []


def test_legend_names_are_the_shortest_that_differ(metrics):
    one_seed_set = style.round_names(metrics, ["balanced_synthetic", "balanced_overfitting"])
    two_seed_sets = style.round_names(metrics, ["balanced_synthetic", "green_synthetic"])
    beam = metrics.copy()
    beam.loc[beam["round"] == "balanced_overfitting", ["strategy", "decoding"]] = ["synthetic", "beam"]
    decodings = style.round_names(beam, ["balanced_synthetic", "balanced_overfitting"])

    assert one_seed_set == {"balanced_synthetic": "synthetic", "balanced_overfitting": "overfitting"}
    assert two_seed_sets == {"balanced_synthetic": "balanced synthetic", "green_synthetic": "green synthetic"}
    assert decodings == {"balanced_synthetic": "synthetic, greedy", "balanced_overfitting": "synthetic, beam"}


def test_strategies_look_the_same_in_every_figure_and_rounds_differ(metrics):
    balanced = style.round_appearance(metrics, ["balanced_synthetic", "balanced_preservation"])
    one_label = style.round_appearance(metrics, ["green_preservation", "green_synthetic"])
    both = style.round_appearance(metrics, ["balanced_synthetic", "green_synthetic"])

    assert one_label["green_synthetic"] == balanced["balanced_synthetic"]
    assert one_label["green_preservation"] == balanced["balanced_preservation"]
    assert balanced["balanced_synthetic"]["color"] != balanced["balanced_preservation"]["color"]
    assert balanced["balanced_synthetic"]["marker"] != balanced["balanced_preservation"]["marker"]
    assert both["balanced_synthetic"] | {"linestyle": "--"} == both["green_synthetic"]


@pytest.mark.parametrize("palette", [style.PALETTE, style.LABEL_PALETTE[:5]])
def test_colours_differ_for_a_colour_blind_reader(palette):
    # Deuteranopia after Vienot, Brettel and Mollon (1999): in linear light, red and green are seen as one mixture.
    def seen(colour):
        red, green, blue = (
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in matplotlib.colors.to_rgb(colour)
        )
        yellow = 0.29275 * red + 0.70725 * green
        return (yellow, max(0.0, -0.02234 * red + 0.02234 * green + blue))

    points = [tuple(value ** (1 / 2.2) for value in seen(colour)) for colour in palette]
    distances = [
        ((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2) ** 0.5 for i, p in enumerate(points) for q in points[i + 1 :]
    ]

    assert min(distances) > 0.05


def test_any_number_of_labels_and_rounds_can_be_told_apart():
    labels = [f"label{number}" for number in range(40)]

    colours = style.label_colours(labels)

    assert list(colours.values())[:8] == list(style.LABEL_PALETTE)
    assert len(set(colours.values())) == len(labels)
    pairs = itertools.combinations(map(to_rgb, colours.values()), 2)
    assert min(math.dist(one, other) for one, other in pairs) > 0.08
    # Beyond the palette, no colour is fainter on white than 2:1 (contrast of WCAG 2).
    assert min(contrast_to_white(colour) for colour in list(colours.values())[8:]) > 2


def contrast_to_white(colour):
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour))
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


@pytest.mark.parametrize("number", [1, 14, 60, 196, 197, 400])
def test_any_number_of_rounds_look_different(number):
    names = [f"round{number}" for number in range(number)]
    rounds = pd.DataFrame({"round": names, "strategy": "synthetic", "decoding": "greedy", "generation": 0})

    looks = style.round_appearance(rounds, names)

    assert len({tuple(look.values()) for look in looks.values()}) == number
    # The same strategy: one marker and, as long as the lines differ, one colour.
    assert {look["marker"] for look in looks.values()} == {style.MARKERS[0]}
    assert {look["color"] for look in list(looks.values())[:4]} == {style.PALETTE[0]}


def test_a_strategy_has_its_colour_and_marker_whatever_rounds_a_study_has(metrics):
    every = style.strategy_appearance(STRATEGIES)

    assert len({tuple(look.values()) for look in every.values()}) == len(every) == len(STRATEGIES)
    for name, look in every.items():
        study = metrics[metrics["round"] == "green_synthetic"].assign(strategy=name, decoding="beam")
        found = style.round_appearance(study, ["green_synthetic"])["green_synthetic"]
        assert style.strategy_appearance([name]) == {name: look}
        assert found == look | {"linestyle": "-"}
    # Tables of others may have strategies that are not declared.
    assert list(style.strategy_appearance(["theirs", "synthetic"])) == ["theirs", "synthetic"]
    assert style.strategy_appearance(["theirs"])["theirs"] not in every.values()


def test_panels_have_letters_beyond_the_alphabet():
    assert [style.letter(position, 60) for position in (0, 25, 26, 51, 52)] == [
        "(a) ",
        "(z) ",
        "(aa) ",
        "(az) ",
        "(ba) ",
    ]
    assert style.letter(0, 1) == ""


def is_crowded(figure):
    """Return whether a panel lies over the figure's legend, or either of them is cut off, when it is drawn."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    legend = figure.legends[0].get_window_extent(renderer)
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
    inside = all(figure.bbox.padded(1).fully_contains(*corner) for box in [legend, *boxes] for corner in box.corners())
    return not inside or any(box.overlaps(legend) for box in boxes)


@pytest.mark.parametrize("name", ["r{:02}", "balanced_synthetic_replicate_{:02}", "a_very_long_name_" * 5 + "{:02}"])
def test_panels_keep_their_size_above_a_long_legend(metrics, name):
    rows = metrics[metrics["round"] == "balanced_synthetic"]
    names = [name.format(number) for number in range(14)]
    base = metrics[metrics["round"] == "base"]
    many = pd.concat([base, *(rows.assign(round=name) for name in names)])
    few = trajectories(metrics, ["text_quality_index"], ["balanced_synthetic", "balanced_preservation"])

    figure = trajectories(many, ["text_quality_index"], names)

    assert not is_crowded(few)
    assert not is_crowded(figure)
    heights = [drawn.axes[0].get_window_extent().height / drawn.dpi for drawn in (few, figure)]
    assert heights[1] > 0.75 * heights[0]
