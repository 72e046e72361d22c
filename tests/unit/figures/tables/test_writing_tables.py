import csv

import numpy as np
import pandas as pd
import pytest

from bias_amplification.figures.tables.writing import with_interval, write_table_for_reading


def test_numbers_are_rounded_and_missing_values_stay_empty(tmp_path):
    table = pd.DataFrame(
        {"name": ["a|b", None], "share": [0.123456, np.nan], "count": [1234567, 3], "large": [123456.7, 2.0]}
    )

    write_table_for_reading(table, [tmp_path / "table.csv", tmp_path / "table.html"], "A table")

    assert (tmp_path / "table.csv").read_text() == ("name,share,count,large\na|b,0.1235,1234567,123457\n,,3,2\n")
    assert '<th scope="row">a|b</th><td class="number">0.1235</td>' in (tmp_path / "table.html").read_text()


def test_an_interval_stands_in_brackets_and_zero_has_no_sign():
    assert with_interval(-0.04, -4.5, -0.01, digits=1) == "0.0 [-4.5, 0.0]"
    assert with_interval(12.25, float("nan"), float("nan"), digits=0) == "12"
    assert with_interval(float("nan"), 1, 2, digits=0) == ""


def test_html_cells_and_headings_are_escaped(tmp_path):
    write_table_for_reading(pd.DataFrame({"<b>": ["<script>"]}), [tmp_path / "t.html"], "<i>")

    page = (tmp_path / "t.html").read_text()
    # The page's own script is the only one.
    assert page.count("<script>") == 1 and "<b>" not in page and "<i>" not in page
    assert "&lt;script&gt;" in page


def test_unknown_ending_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"t\.xls"):
        write_table_for_reading(pd.DataFrame({"a": [1]}), [tmp_path / "t.xls"], "")


def test_a_cell_with_line_ends_stays_one_cell(tmp_path):
    write_table_for_reading(pd.DataFrame({"id": ["a\rb", "c\r\nd"], "n": [1, 2]}), [tmp_path / "t.csv"], "")

    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as lines:
        assert list(csv.reader(lines)) == [["id", "n"], ["a b", "1"], ["c \nd", "2"]]
