"""Choose a part of a source: the rows whose columns have the values of `corpus.where`."""

from collections.abc import Mapping
from datetime import date

import pyarrow as pa

from bias_amplification.artifacts import StudyError
from bias_amplification.corpus.findings import UNCHOSEN, Finding
from bias_amplification.corpus.messages import short
from bias_amplification.corpus.readers.rows import STEP
from bias_amplification.study.sections.corpus import Value

#: Values of a column that a message lists.
_LISTED = 10


def as_text(value: Value | date | None) -> str:
    """Return a value of the config, or of an article's field, as a file may write it: true is "true"."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


class Choice:
    """The rows that `corpus.where` chooses, and which of its values a source has.

    Parameters
    ----------
    where
        The wanted value, or a list of wanted values, by column.
    """

    def __init__(self, where: Mapping[str, Value | list[Value]]) -> None:
        self._wanted = {
            column: {as_text(value) for value in (wanted if isinstance(wanted, list) else [wanted])}
            for column, wanted in where.items()
        }
        self._missing = {column: set(wanted) for column, wanted in self._wanted.items()}
        # A dictionary, because a set has no order.
        self._others: dict[str, dict[str, None]] = {column: {} for column in self._wanted}
        self._chosen = 0

    def chooses(self, row: Mapping[str, str]) -> bool:
        """Return whether a row is chosen, from its texts by column."""
        fits = True
        for column, wanted in self._wanted.items():
            value = row[column].strip()
            if value in wanted:
                self._missing[column].discard(value)
                continue
            fits = False
            if len(self._others[column]) < _LISTED:
                self._others[column][value] = None
        self._chosen += fits
        return fits

    def check(self, source: str) -> None:
        """Check that the rows seen have every wanted value, and that one of them was chosen.

        Raises
        ------
        StudyError
            If a value occurs in no row, which is probably misspelled, or no row has all values.
        """
        for column, missing in self._missing.items():
            for value in sorted(missing):
                found = [*sorted(self._wanted[column] - missing), *self._others[column]]
                raise StudyError(
                    f"corpus.where: {short(column)} is {short(repr(value))}, but no row of {source} has this value "
                    f"there (it has {short(', '.join(map(repr, found)))}): correct corpus.where."
                )
        if not self._chosen:
            raise StudyError(
                f"corpus.where chooses no row of {source}: each value occurs, but no row has all of them. Remove "
                f"one of {short(', '.join(self._wanted))} from corpus.where."
            )


def choose_articles(
    articles: pa.Table, where: Mapping[str, Value | list[Value]], source: str
) -> tuple[pa.Table, list[Finding]]:
    """Choose articles by the values of their fields.

    Parameters
    ----------
    articles
        Rows of `ARTICLES`.
    where
        See `Choice`; the columns are fields of `ARTICLES`.
    source
        The name of the source in messages.

    Returns
    -------
    articles, findings
        The chosen articles, in the order given, and the number of those that are left out.

    Raises
    ------
    StudyError
        If no article has a wanted value.
    """
    if not where:
        return articles, []
    choice = Choice(where)
    rows = articles.select(list(where)).to_pylist()
    mask = [choice.chooses({name: as_text(value) for name, value in row.items()}) for row in rows]
    choice.check(source)
    ids = articles["article_id"].to_pylist()
    left_out = [article_id for article_id, chosen in zip(ids, mask, strict=True) if not chosen]
    findings = [Finding.with_examples(STEP, UNCHOSEN, False, left_out)] if left_out else []
    return articles.filter(pa.array(mask, pa.bool_())), findings
