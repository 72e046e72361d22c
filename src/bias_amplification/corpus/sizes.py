"""How many articles a sample has, a seed set takes from the corpus, and stay for the classifier."""

from collections.abc import Mapping

from bias_amplification.artifacts.atomic import StudyError
from bias_amplification.study import Plan
from bias_amplification.study.apportion import apportion
from bias_amplification.study.sections import SeedSet

#: Fewest articles of each label that the classifier needs: ten are divided into 7, 2 and 1.
MINIMUM_PER_LABEL = 10

#: Share of a label's articles that a one-label seed set leaves to the classifier.
RESERVED_SHARE = 0.25


def articles_per_label(seed_set: SeedSet, available: Mapping[str, int]) -> int:
    """Return how many articles of each of its labels a seed set has.

    Parameters
    ----------
    seed_set
        Name, labels and size.
    available
        Number of the corpus's articles by label; a label without articles may be absent.

    Raises
    ------
    StudyError
        If the corpus has too few articles of a label.
    """
    count = seed_set.size // len(seed_set.labels)
    for label in seed_set.labels:
        own = available.get(label, 0)
        kept = reserved(own, seed_set)
        free = max(own - kept, 0)
        if len(seed_set.labels) == 1 and free:
            count = min(count, free)
        if free < count:
            beside = f" beside {kept} kept for the classifier" if kept else ""
            raise StudyError(
                f"seed_sets {seed_set.name} needs {count} articles of {label}, but the corpus has {free}{beside}: make "
                "size smaller."
            )
    return count


def check_left(label: str, count: int) -> None:
    """Check that the seed sets leave enough articles of a label to the classifier.

    Raises
    ------
    StudyError
        If there are fewer than `MINIMUM_PER_LABEL`.
    """
    if count < MINIMUM_PER_LABEL:
        raise StudyError(
            f"seed_sets leave {count} articles of {label} to the classifier, which needs at least "
            f"{MINIMUM_PER_LABEL}: add articles, or make the size of the seed sets with that label smaller."
        )


def repeatable(available: int, seed_set: SeedSet, count: int) -> int:
    """Return how many of a label's articles the draws of all replicates of a seed set may take together.

    The classifier keeps a quarter of the label's articles, and at least its minimum. One draw is always possible.

    Parameters
    ----------
    available
        Number of the label's articles in the corpus.
    seed_set
        The seed set.
    count
        Number of articles of the label in one draw.
    """
    kept = 0 if seed_set.shared_with_classifier else max(MINIMUM_PER_LABEL, round(RESERVED_SHARE * available))
    return max(count, available - kept)


def reserved(available: int, seed_set: SeedSet) -> int:
    """Return how many of a label's articles a seed set leaves to the classifier.

    A one-label set leaves a quarter of them, and at least the classifier's minimum. A set with several labels, or one
    that may share its articles with the classifier, leaves none.
    """
    if len(seed_set.labels) > 1 or seed_set.shared_with_classifier:
        return 0
    return max(MINIMUM_PER_LABEL, round(RESERVED_SHARE * available))


def articles_wanted(plan: Plan) -> dict[str, int]:
    """Return how many articles of each label the rounds take from the corpus.

    The draws of all replicates count, and the further real articles of strategy `real`. Seed sets overlap as much as
    they can, so of several seed sets the one that takes the most counts.
    """
    wanted = dict.fromkeys(plan.study.corpus.labels, 0)
    for name, seed_set in plan.seed_sets.items():
        draws = sum(draw.seed_set == name for draw in plan.reserved_draws)
        draws += (plan.study.generations - 1) * sum(draw.seed_set == name for draw in plan.real_draws)
        for label in seed_set.labels:
            wanted[label] = max(wanted[label], draws * (seed_set.size // len(seed_set.labels)))
    return wanted


def sample_counts(available: Mapping[str, int], sample: int, wanted: Mapping[str, int]) -> dict[str, int]:
    """Return how many articles of each label a sample of the corpus has.

    Labels keep their shares of the corpus, unless that leaves one with fewer articles than the rounds take and as many
    again, or the minimum if that is more, for the classifier.

    Parameters
    ----------
    available
        Number of the corpus's articles by label.
    sample
        Number of articles wanted in all.
    wanted
        Number of articles that the rounds take, by label (`articles_wanted`).

    Returns
    -------
    dict of str to int
        By label. They sum to `sample`, or are all articles if the corpus has no more.

    Raises
    ------
    StudyError
        If the sample is smaller than what rounds and classifier need.
    """
    if sample >= sum(available.values()):
        return dict(available)
    least = {
        label: min(count, wanted.get(label, 0) + max(MINIMUM_PER_LABEL, wanted.get(label, 0)))
        for label, count in available.items()
    }
    if sum(least.values()) > sample:
        needed = ", ".join(f"{count} of {label}" for label, count in least.items())
        raise StudyError(
            f"corpus.sample is {sample}, but the seed sets and the classifier need {sum(least.values())} articles "
            f"({needed}): make it at least that large, or make the seed sets smaller."
        )
    raised: dict[str, int] = {}
    while True:
        others = [label for label in available if label not in raised]
        parts = apportion(sample - sum(raised.values()), [available[label] for label in others])
        counts = dict(zip(others, parts, strict=True))
        low = {label: least[label] for label, count in counts.items() if count < least[label]}
        if not low:
            return raised | counts
        raised |= low
