from dataclasses import replace

import pytest

from bias_amplification.published.verdicts import (
    DIFFERENT,
    INCOMPARABLE,
    SAME,
    UNDECIDED,
    WITHIN,
    Comparison,
    Estimate,
    judge,
    judge_count,
)


@pytest.mark.parametrize(
    ("own", "published_change", "own_change", "departure", "verdict"),
    [
        (0.55, 0.05, 0.3, None, WITHIN),
        (0.80, 0.05, 0.3, None, SAME),
        (0.20, 0.05, -0.3, None, DIFFERENT),
        (0.80, 0.05, 0.01, None, DIFFERENT),
        (0.80, None, None, None, DIFFERENT),
        (0.55, 0.05, 0.3, "another corpus", SAME),
        (0.55, 0.05, -0.3, "another corpus", DIFFERENT),
        (0.55, 0.05, 0.01, "another corpus", UNDECIDED),
        (0.55, 0.01, 0.3, "another corpus", UNDECIDED),
        (0.55, 0.01, 0.01, "another corpus", UNDECIDED),
        (0.55, None, 0.3, "another corpus", INCOMPARABLE),
        (None, 0.05, 0.3, None, INCOMPARABLE),
    ],
)
def test_verdicts(own, published_change, own_change, departure, verdict):
    def around(value, half):
        return Estimate() if value is None else Estimate(value, value - half, value + half)

    comparison = Comparison("text", "share", "right", around(0.5, 0.03), around(own, 0.1))
    comparison = replace(
        comparison, published_change=around(published_change, 0.03), own_change=around(own_change, 0.1)
    )

    found = judge(comparison, departure)

    assert found.verdict == verdict
    notes = {
        (0.05, 0.01): "the own change is not larger",
        (0.01, 0.3): "the published change is not larger",
        (0.01, 0.01): "neither change is larger",
    }
    if verdict == UNDECIDED:
        assert found.note.startswith(notes[published_change, own_change])
    if verdict == INCOMPARABLE and departure:
        assert found.note == "in level: another corpus"


@pytest.mark.parametrize(
    ("published", "own", "verdict"),
    [((10, 2, 8), (9, 2, 8), SAME), ((10, 2, 8), (1, 2, 8), DIFFERENT), ((10, 2, 8), (5, 2, 8), UNDECIDED),
     ((5, 2, 8), (5, 2, 8), SAME)],
)  # fmt: skip
def test_counts_are_judged_by_the_range_of_chance(published, own, verdict):
    found = judge_count(Comparison("4.4", "bias", "weight", Estimate(*published), Estimate(*own)))

    assert found.verdict == verdict
    assert "chance" in found.note
