import re

import matplotlib
import pytest

from bias_amplification.figures import style
from bias_amplification.figures.neurons import correlations
from bias_amplification.figures.trajectories import trajectories


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_the_same_table_gives_the_same_bytes(tmp_path, metrics, neurons, ending):
    files = [tmp_path / f"{name}{ending}" for name in ("first", "second")]
    for file in files:
        figure = trajectories(metrics, ["share_red"], ["balanced_synthetic", "balanced_preservation"])
        style.save_figure(figure, file)
    maps = [tmp_path / f"map_{name}{ending}" for name in ("first", "second")]
    for file in maps:
        style.save_figure(correlations(neurons), [file])

    assert files[0].read_bytes() == files[1].read_bytes()
    assert maps[0].read_bytes() == maps[1].read_bytes()
    assert files[0].read_bytes() != maps[0].read_bytes()


def test_files_hold_no_time_and_no_program_version(tmp_path, metrics):
    outputs = [tmp_path / f"figure{ending}" for ending in (".png", ".svg", ".pdf")]

    style.save_figure(trajectories(metrics, ["share_red"], ["balanced_synthetic"]), outputs)

    png, svg, pdf = (output.read_bytes() for output in outputs)
    assert png.startswith(b"\x89PNG") and b"tEXt" not in png
    assert svg.rstrip().endswith(b"</svg>") and not re.search(rb"<dc:date>|\b20\d\d-\d\d-\d\d", svg)
    assert pdf.startswith(b"%PDF") and b"CreationDate" not in pdf


def test_user_settings_do_not_change_a_figure_and_are_left_alone(tmp_path, metrics):
    def draw(name):
        style.save_figure(trajectories(metrics, ["share_red"], ["balanced_synthetic"]), tmp_path / name)
        return (tmp_path / name).read_bytes()

    usual = draw("usual.png")
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "black", "savefig.dpi": 30}):
        changed = draw("changed.png")
        assert matplotlib.rcParams["font.size"] == 20

    assert changed == usual


def test_an_unknown_ending_is_refused_before_anything_is_written(tmp_path, metrics):
    figure = trajectories(metrics, ["share_red"], ["balanced_synthetic"])

    with pytest.raises(ValueError, match=r"figure\.jpg"):
        style.save_figure(figure, [tmp_path / "figure.png", tmp_path / "figure.jpg"])
    assert list(tmp_path.iterdir()) == []


def test_names_are_as_short_as_they_can_be_told_apart(metrics):
    one_seed_set = style.round_names(metrics, ["balanced_synthetic", "balanced_overfitting"])
    two_seed_sets = style.round_names(metrics, ["balanced_synthetic", "green_synthetic"])
    beam = metrics.copy()
    beam.loc[beam["round"] == "balanced_overfitting", ["strategy", "decoding"]] = ["synthetic", "beam"]
    decodings = style.round_names(beam, ["balanced_synthetic", "balanced_overfitting"])

    assert one_seed_set == {"balanced_synthetic": "synthetic", "balanced_overfitting": "overfitting"}
    assert two_seed_sets == {"balanced_synthetic": "balanced synthetic", "green_synthetic": "green synthetic"}
    assert decodings == {"balanced_synthetic": "synthetic, greedy", "balanced_overfitting": "synthetic, beam"}


def test_a_strategy_looks_the_same_in_every_figure_and_two_rounds_never_do(metrics):
    balanced = style.round_appearance(metrics, ["balanced_synthetic", "balanced_preservation"])
    one_label = style.round_appearance(metrics, ["green_preservation", "green_synthetic"])
    both = style.round_appearance(metrics, ["balanced_synthetic", "green_synthetic"])

    assert one_label["green_synthetic"] == balanced["balanced_synthetic"]
    assert one_label["green_preservation"] == balanced["balanced_preservation"]
    assert balanced["balanced_synthetic"]["color"] != balanced["balanced_preservation"]["color"]
    assert balanced["balanced_synthetic"]["marker"] != balanced["balanced_preservation"]["marker"]
    assert both["balanced_synthetic"] != both["green_synthetic"]


@pytest.mark.parametrize("palette", [style.PALETTE, style.LABEL_PALETTE[:5]])
def test_colours_are_told_apart_by_a_colour_blind_reader(palette):
    # Deuteranopia after Vienot, Brettel and Mollon (1999): in linear light red and green are seen as one mixture.
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
