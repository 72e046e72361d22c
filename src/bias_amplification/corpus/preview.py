"""A look at the source of the articles before the first job, so that a wrong file or size is told at once."""

from collections import Counter
from pathlib import Path

from bias_amplification.artifacts.atomic import StudyError
from bias_amplification.corpus.messages import short
from bias_amplification.corpus.press.slots import LABELS
from bias_amplification.corpus.sizes import articles_per_label, articles_wanted, check_left, sample_counts
from bias_amplification.study import Plan, Study
from bias_amplification.study.sections import Corpus

#: Tables of at most this size, in bytes, are read in about a second. Larger ones are read by the first job only.
QUICK = 20_000_000


def preview_corpus(study: Study) -> None:
    """Check columns, labels and sizes of seed sets against the source's articles, before they are cleaned.

    The embedded press is not written for this: it has one article of each label for each event. A table is read if it
    is small. Other sources are read by the first job.

    Raises
    ------
    StudyError
        If the table cannot be read, has too few articles of a label for a seed set and the classifier, or a sample
        would have.
    """
    corpus = study.corpus
    if corpus.source == "press" and not corpus.where:
        available = dict.fromkeys(LABELS, corpus.press.events)
    elif corpus.source == "table":
        available = _labels_of_table(corpus)
    else:
        available = None
    if available is None:
        return
    for label in corpus.labels:
        if not available.get(label):
            raise StudyError(
                f"corpus.labels has {label}, but the corpus has no article of that label (it has "
                f"{short(', '.join(sorted(filter(None, available))))}): correct corpus.label_map, or remove the label "
                "from corpus.labels."
            )
    if corpus.sample is not None:
        available = {label: available[label] for label in corpus.labels}
        available = sample_counts(available, corpus.sample, articles_wanted(Plan(study)))
    taken: Counter[str] = Counter()
    used = Plan(study).seed_sets_used()
    for seed_set in study.seed_sets:
        count = articles_per_label(seed_set, available)
        if seed_set.name in used and not seed_set.shared_with_classifier:
            # Seed sets may have articles in common, so the largest counts.
            taken |= Counter(dict.fromkeys(seed_set.labels, count))
    for label in corpus.labels:
        check_left(label, available[label] - taken[label])


def _labels_of_table(corpus: Corpus) -> Counter[str] | None:
    """Return how many articles of each label a table has; None if it is large."""
    # Imported only here: the readers' libraries take most of a second to load, and the press does not need them.
    from bias_amplification.corpus.readers import table

    if table.text_bytes(Path(corpus.path), QUICK) > QUICK:
        return None
    return Counter(table.read(Path(corpus.path), corpus)[0]["label"].to_pylist())
