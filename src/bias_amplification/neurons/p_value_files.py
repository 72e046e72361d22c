"""Read files of p-values that were computed elsewhere, and of neurons that were chosen elsewhere."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import one_line
from bias_amplification.corpus.lists import read_header, read_rows
from bias_amplification.corpus.messages import short
from bias_amplification.corpus.readers.decoding import marked_encoding, read_bytes

COLUMNS = ("layer", "neuron", "p")

#: What a column is for, by its name without capitals, spaces and marks.
_USES = {
    f"{name}{ending}": name for name in COLUMNS[:2] for ending in ("", "id", "idx", "index", "no", "number")
} | dict.fromkeys(("p", "pval", "pvalue", "pvalues"), "p")
_SEPARATORS = ",;\t|"
#: What stands for a missing value, in lower case.
_MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none")
#: `float` also reads inf, 0_1 and digits of other scripts.
_NUMBER = re.compile(r"[-+]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][-+]?[0-9]+)?")


def read_p_values(path: Path | str) -> pd.DataFrame:
    """Read a CSV with the columns layer, neuron and p; other columns are ignored.

    Capitals, spaces and marks in the columns' names do not matter, and names such as `layer_id`, `neuron_index`,
    `p_value` and `pval` are understood. The separator is a comma, semicolon, tab or vertical bar, and p may have a
    decimal comma. The encoding is UTF-8, or that of the byte order mark. Fields beyond the header must be empty.

    Returns
    -------
    pd.DataFrame
        Index layer and neuron, column p, NaN if empty or NA; in the file's order.

    Raises
    ------
    StudyError
        If the file cannot be read, lacks a column or has several for one use, or has no rows. If a row has more fields
        than the header, lacks its layer or neuron, repeats a neuron, or has a p that is not a number from 0 to 1.
    """
    table = _read_columns(path, COLUMNS, "p-values")
    missing = table["p"].str.lower().isin(_MISSING)
    p_values = pd.Series([_number(value) for value in table["p"]], table.index)
    wrong = ~(p_values.between(0, 1) | missing)
    example = short(table["p"][wrong].iloc[0]) if wrong.any() else ""
    _refuse(wrong, path, f"has the p-value {example}: give a number from 0 to 1, or leave it empty.")
    return _with_keys(table.assign(p=p_values), path).set_index(["layer", "neuron"])


def read_neuron_list(path: Path | str, width_of: Mapping[int, int]) -> pd.DataFrame:
    """Read a CSV with the columns layer and neuron, as `read_p_values` does.

    Parameters
    ----------
    path
        The file.
    width_of
        Number of the model's neurons in each of its layers. Both are counted from 0.

    Returns
    -------
    pd.DataFrame
        Columns layer and neuron, int64, in the file's order.

    Raises
    ------
    StudyError
        As `read_p_values`, and if the model does not have a neuron.
    """
    table = _with_keys(_read_columns(path, COLUMNS[:2], "the layer and the number of each neuron"), path)
    known = pd.Series(
        [
            isinstance(layer, int) and isinstance(neuron, int) and 0 <= neuron < width_of.get(layer, 0)
            for layer, neuron in zip(table["layer"], table["neuron"], strict=True)
        ],
        table.index,
    )
    example = "" if known.all() else "neuron {neuron} of layer {layer}".format(**table[~known].astype(str).iloc[0])
    _refuse(
        ~known,
        path,
        f"has {example}, which the model does not have: its layers are 0 to {max(width_of)}, and the neurons of a "
        f"layer 0 to {max(width_of.values()) - 1}.",
    )
    return table.astype("int64").reset_index(drop=True)


def _read_columns(path: Path | str, wanted: Sequence[str], content: str) -> pd.DataFrame:
    """Read columns as text, without a missing layer or neuron. The index is the number of the row in the file."""
    text = _read_text(Path(path))
    headers = [(read_header(text, mark), mark) for mark in _SEPARATORS]
    header, separator = max(headers, key=lambda each: sum(_use(name) in wanted for name in each[0]))
    columns = _find_columns(header, wanted, path)
    found = list(read_rows(text, str(path), "[\r\n]", separator))
    _refuse_split_numbers(found, columns[2:], separator, path)
    rows = [(number, *(row.get(column) for column in columns)) for number, row in found]
    table = pd.DataFrame(rows, columns=["row", *wanted], dtype=object).set_index("row")
    if table.empty:
        raise StudyError(f"{path} has no row below its header: give a file with {content}.")
    _refuse(table.isna().any(axis=1), path, "has fewer fields than the header: add the missing ones.")
    table = table.apply(lambda column: column.str.strip())
    for name in COLUMNS[:2]:
        missing = table[name].str.lower().isin(_MISSING)
        _refuse(missing, path, f"has no {name}: add it or remove the row.")
    return table


def _refuse_split_numbers(
    rows: Sequence[tuple[int, Mapping[str, str | None]]], columns: Sequence[str], separator: str, path: Path | str
) -> None:
    """Refuse decimal commas that are read as separators, so that .05 would be a p-value of 0 and a field of 05."""
    if separator != "," or not columns or not rows:
        return
    header = list(rows[0][1])
    following = header[header.index(columns[0]) + 1 :][:1]
    pairs = [[(row.get(name) or "").strip() for name in (columns[0], *following)] for _, row in rows]
    if not following:
        return
    some = any(after for _, after in pairs)
    unnamed = some and not following[0].strip()
    if unnamed or (some and all(value in ("0", "1") and (after.isdigit() or not after) for value, after in pairs)):
        raise StudyError(
            f"{path} has p-values of 0 or 1 with digits in the column after them, as decimal commas give: separate the "
            "columns by semicolons, or remove or rename the column after the p-values."
            if not unnamed
            else f"{path} has values in the column after the p-values, which has no name, as decimal commas give: "
            "separate the columns by semicolons, or name or remove that column."
        )


def _with_keys(table: pd.DataFrame, path: Path | str) -> pd.DataFrame:
    """Turn layers and neurons into numbers if they are, and refuse a neuron that is there twice."""
    table = table.assign(layer=_numbers_or_names(table["layer"]), neuron=_numbers_or_names(table["neuron"]))
    repeated = table.duplicated(["layer", "neuron"])
    example = "neuron {neuron} of layer {layer}".format(**table[repeated].astype(str).iloc[0]) if repeated.any() else ""
    _refuse(repeated, path, f"repeats {example}: remove one of the two rows.")
    return table


def _read_text(path: Path) -> str:
    content = read_bytes(path)
    try:
        text = content.decode(marked_encoding(content) or "utf-8").lstrip("\ufeff")
        if "\0" in text:
            raise ValueError("it has zero bytes")
    except ValueError as error:
        raise StudyError(f"{path} is not text in UTF-8 ({one_line(error)}): save it as a CSV in UTF-8.") from error
    return text


def _use(column: str) -> str | None:
    """Return which of `COLUMNS` a column is; None for any other."""
    return _USES.get("".join(filter(str.isalnum, column)).lower())


def _find_columns(header: list[str], wanted: Sequence[str], path: Path | str) -> list[str]:
    """Return the file's names of the wanted columns, some of `COLUMNS`."""
    found = {use: [name for name in header if _use(name) == use] for use in wanted}
    has = f"it has {short(', '.join(header)) or 'an empty first line'}"
    if missing := [use for use, names in found.items() if not names]:
        raise StudyError(f"{path} has no column {' and no column '.join(missing)} ({has}): rename or add it.")
    for use, names in found.items():
        if len(names) > 1:
            raise StudyError(
                f"{path} has several columns for {use} ({', '.join(names)}): rename or remove all but one."
            )
    return [names[0] for names in found.values()]


def _refuse(rows: pd.Series, path: Path | str, fault: str) -> None:
    """Raise an error about the first of the chosen rows, if there is one. The index is their numbers in the file."""
    if rows.any():
        raise StudyError(f"{path}, row {rows.idxmax()} {fault}")


def _number(text: str) -> float:
    return float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else float("nan")


def _numbers_or_names(values: pd.Series) -> pd.Series:
    """Return a column as numbers if all its values are whole numbers, so that 1, 01 and 1.0 are one layer."""
    numbers = pd.to_numeric(values, errors="coerce")
    # Larger numbers than 2 ** 53 are not exact.
    return numbers.astype("int64") if ((numbers % 1 == 0) & (numbers.abs() < 2**53)).all() else values
