"""Tables in a browser: sorting, searching, hostile cells and long names."""

import pytest
from playwright.sync_api import expect

from bias_amplification.figures.page import html_page
from bias_amplification.figures.tables.writing import html_table, table_script, table_style

pytestmark = pytest.mark.page

NUMBERS = ["10", "9.5", "", "−3", "1,000", "2e-05", "-4 [-5, 1]", "< 0.001", "12 of 48", "+2", "0"]
SORTED = ["-4 [-5, 1]", "−3", "0", "2e-05", "< 0.001", "+2", "9.5", "10", "12 of 48", "1,000"]
HOSTILE = (
    "</td></table></script><script>document.title='run'</script>",
    "<img src=x onerror=\"document.title='run'\">",
    "\" onmouseover=\"document.title='run'\" x='",
    "\u202eright to left\u2028\x00`${document.title='run'}`",
    "word" * 60,
)


def open_table(folder, visit, rows, width=1200, stacked=False):
    """Open a page with one table of two columns, the second without a name of its own."""
    table = html_table(["name", "value"], rows, HOSTILE[0], stacked=stacked)
    file = folder / "table.html"
    file.write_text(html_page("Table", table, table_style(), scripts=[table_script()]), encoding="utf-8")
    return visit(file, width=width)


def cells(found, place):
    rows = found.page.locator("tbody tr").locator("visible=true")
    return [cell.strip() for cell in rows.locator(f"> :nth-child({place + 1})").all_text_contents()]


def test_numbers_are_sorted_as_numbers_and_empty_cells_stay_last(tmp_path, visit):
    found = open_table(tmp_path, visit, [[f"row {place}", text] for place, text in enumerate(NUMBERS)])
    heading = found.page.locator("thead th").nth(1)

    for order in (SORTED, SORTED[::-1]):
        heading.locator("button").click()
        assert cells(found, 1) == [*order, ""]
    found.page.locator("thead th").first.locator("button").click()
    # Numbers within texts are in order too.
    assert cells(found, 0) == [f"row {place}" for place in range(len(NUMBERS))]
    found.check()


@pytest.mark.parametrize(("width", "stacked"), [(1200, False), (420, True)])
def test_the_search_looks_into_single_cells(tmp_path, visit, width, stacked):
    rows = [["a1", "05"], ["a10", "5"], ["B", "other"], *([f"c{place}", "7"] for place in range(9))]
    found = open_table(tmp_path, visit, rows, width, stacked)

    found.page.get_by_role("searchbox").fill("105")
    assert cells(found, 0) == []
    found.page.get_by_role("searchbox").fill("b OTHER")
    assert cells(found, 0) == ["B"]
    expect(found.page.get_by_role("status")).to_have_text("1 of 12 rows")


@pytest.mark.parametrize("width", [420, 1200])
@pytest.mark.parametrize("stacked", [False, True])
def test_hostile_cells_are_only_shown(tmp_path, visit, width, stacked):
    found = open_table(tmp_path, visit, [[text, text] for text in HOSTILE * 2], width, stacked)
    for button in found.page.locator("thead button").locator("visible=true").all():
        button.click()
    found.page.locator("tbody td").first.hover()

    # HTML has no character 0.
    assert sorted(cells(found, 1)) == sorted(text.replace("\x00", "") for text in HOSTILE * 2)
    assert found.page.title() == "Table" and found.page.locator("main script, main img").count() == 0
    assert found.overflow() == 0
    found.check()
    assert found.barriers() == []
