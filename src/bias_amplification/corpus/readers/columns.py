"""Find the columns of a table that the config names or, without it, an article has."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.messages import short
from bias_amplification.study.sections import Corpus

NEEDED = ("body", "label")
_WHERE = "corpus.where"

#: The place of a row in its file, its values by the fields of an article that the file has, and those by the columns of
#: `corpus.where`.
Row = tuple[str, dict[str, Any], dict[str, Any]]


class Columns(NamedTuple):
    """The positions of a file's wanted columns."""

    fields: dict[str, int]
    """By field of an article."""
    conditions: dict[str, int]
    """By column of `corpus.where`."""

    def row(self, place: str, values: Sequence[Any] | Mapping[int, Any]) -> Row:
        """Return the wanted values of a row, from its values by position."""
        fields = {name: values[position] for name, position in self.fields.items()}
        return place, fields, {name: values[position] for name, position in self.conditions.items()}


def wanted_columns(corpus: Corpus, present: Sequence[str]) -> list[tuple[str, str]]:
    """List the wanted columns of a file that has the columns `present`, and what each is for.

    A column is for a field of an article, such as "body", or for "corpus.where". Fields are those that
    `corpus.columns` names or, if it is empty, those that the file has under their own names and the required ones.
    """
    columns = corpus.columns or {name: name for name in ARTICLES.names if name in present or name in NEEDED}
    fields = [(column, name) for name, column in columns.items() if column is not None]
    return fields + [(column, _WHERE) for column in corpus.where]


def choose_columns(corpus: Corpus, present: Sequence[str], place: str) -> Columns:
    """Return the positions of the wanted columns among those that a file has.

    Parameters
    ----------
    corpus
        Uses `columns` and `where`.
    present
        The file's columns, those of its folders' names included.
    place
        The file, and the line or row if it is known, for messages.

    Raises
    ------
    StudyError
        If a required field has no column, or a wanted column is missing or there twice.
    """
    wanted = wanted_columns(corpus, present)
    for name in NEEDED:
        if name not in {use for _, use in wanted}:
            raise StudyError(
                f"corpus.columns has no column for {name}, which is required: choose one of the file's columns "
                f"{short(', '.join(present))}."
            )
    # Without the config's columns, a column of nearly the name of an article's field is probably meant.
    alike = {_plain(name): name for name in present if _plain(name)}
    for column, use in wanted if corpus.columns else [*((name, name) for name in ARTICLES.names), *wanted]:
        other = alike.get(_plain(column))
        if column not in present and other is not None:
            raise StudyError(
                f"{place} has no column {short(repr(column))} for {use}, but a column {short(repr(other))}: "
                f"{_remedy(corpus, use)}."
            )
    for column, use in wanted:
        if column not in present:
            raise StudyError(
                f"{place} has no column {short(repr(column))} for {use} (it has {short(', '.join(present))}): "
                f"{_remedy(corpus, use)}."
            )
        if present.count(column) > 1:
            raise StudyError(
                f"{place} has {present.count(column)} columns with the name {short(repr(column))}, which is wanted for "
                f"{use}: rename all but one in the file."
            )
    return Columns(
        {use: present.index(column) for column, use in wanted if use != _WHERE},
        {column: present.index(column) for column, use in wanted if use == _WHERE},
    )


def _remedy(corpus: Corpus, use: str) -> str:
    """Say what to do if a wanted column has another name in the file."""
    if use == _WHERE:
        return f"correct {_WHERE}"
    return "correct corpus.columns" if corpus.columns else "name the columns in corpus.columns, all that are wanted"


def _plain(name: str) -> str:
    """Return a column's name without case, spaces, marks and invisible characters."""
    return "".join(filter(str.isalnum, name)).casefold()
