"""What titles and captions say about replicates and about intervals, which depends on the numbers of replicates."""

from collections.abc import Iterable

from bias_amplification.published.comparable import published_rounds
from bias_amplification.study import Plan

_OVER_ARTICLES = "Bands: 95% intervals over the articles of a generation."
_BETWEEN_REPLICATES = (
    "Lines: means over the replicates of a round; thin lines: the replicates. Bands: 95% intervals between replicates "
    "(Student's t), or over articles for a round with one replicate."
)
_ONE_TRAINING = (
    "If a round has several replicates, the run's number is their mean, with a 95% interval for one new training, "
    "because the paper trained each round once."
)


def several(plan: Plan, rounds: Iterable[str] | None = None) -> bool:
    """Return whether any of the rounds (by default, all) has several replicates."""
    return max(map(plan.replicates, plan.rounds if rounds is None else rounds), default=1) > 1


def bands(plan: Plan, rounds: Iterable[str]) -> str:
    """Describe the bands of a figure over generations."""
    return _BETWEEN_REPLICATES if several(plan, rounds) else _OVER_ARTICLES


def shown_round(plan: Plan, name: str | None = None) -> str:
    """Name a round whose articles are shown as examples (by default, the example's), and its replicate."""
    name = name or plan.example_round
    replicates = plan.replicates(name)
    return name + (f" (replicate 1 of {replicates})" if replicates > 1 else "")


def replicate_words(plan: Plan) -> dict[str, str]:
    """Return values for the fields in braces of titles and captions that are about replicates, without names."""
    replicates, means = plan.replicates(plan.example_round), several(plan)
    compared = several(plan, published_rounds(plan.study))
    neurons = several(plan, plan.study.analysed_rounds)
    draws = sum(draw.seed_set == plan.seed_sets_used()[0] for draw in plan.draws)
    over_articles = "over articles"
    if means:
        over = f"between replicates, or {over_articles} for a round with one replicate,"
        rows = "One row for the base model on each draw of a seed set and for each generation of each replicate"
    else:
        over = over_articles
        rows = "One row for the base model and for each generation of each round"
    if compared:
        error = f"For a round with one replicate, sampling error is that of the articles. {_ONE_TRAINING} "
        error += "The effect of another base model, classifier or quality detector is not included."
    else:
        error = "Sampling error is that of the articles; the effect of another training seed is not included in either "
        error += "study."
    return {
        "bands": bands(plan, plan.rounds),
        "over": over,
        "over_base": f"between the {draws} draws of the seed set" if draws > 1 else over_articles,
        "over_example": "between replicates" if replicates > 1 else over_articles,
        "mean_of_example": f" Shares are means of {replicates} replicates." if replicates > 1 else "",
        "version_rows": rows,
        "of_means": " All shares are means over the replicates of a round." if means else "",
        "chains": " Each replicate of a round counts as a round here." if neurons else "",
        "sampling_error": error,
        "errors_of_changes": ", and with several replicates it holds their error too" if means else "",
        "own_intervals": f" {_ONE_TRAINING}" if compared else "",
        "first_replicates": " The page has the first replicate of each round." if means else "",
        "own_changes": " With several replicates, the run's change is computed in each of them." if compared else "",
    }
