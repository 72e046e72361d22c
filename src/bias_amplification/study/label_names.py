"""Labels of classifiers that were trained elsewhere: their names are matched with the study's, in any order."""

from collections.abc import Mapping, Sequence

from bias_amplification.artifacts import StudyError
from bias_amplification.study.sections.section import plain_name

#: What to do about a given classifier with other labels.
REMEDY = "name a model with these labels, map its label names to them (labels), or have the run train it (train: true)"


def named_as_the_study(
    found: Sequence[str], labels: Sequence[str], aliases: Mapping[str, str], classifier: str, end: str
) -> list[str]:
    """Return the study's name for each of a classifier's labels.

    Parameters
    ----------
    found
        The classifier's own names, in the order of its outputs. Case, spaces, hyphens and underscores do not count.
    labels
        The labels that it must have, in any order.
    aliases
        From the classifier's names to the study's, where they differ.
    classifier
        The classifier in words, for the message.
    end
        The end of the message: the config key and the remedy.

    Raises
    ------
    StudyError
        If the classifier has other labels.
    """
    known = {plain_name(label): label for label in labels}
    mapped = {plain_name(name): label for name, label in aliases.items()}
    names = [known.get(plain_name(mapped.get(plain_name(name), name))) for name in found]
    if None in names or sorted(names) != sorted(labels):
        raise StudyError(
            f"{classifier} classifies into {', '.join(found)}, but the study needs {', '.join(labels)}{end}."
        )
    return names
