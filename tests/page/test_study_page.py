"""The page of results in a real browser: its claims equal the tables, its charts and tables can be used."""

import re

import pandas as pd
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.page

#: Bytes of the page with the pictures that it shows.
LARGEST = 5_000_000
#: Milliseconds until the page can be used: about ten times what it takes on two idle cores.
SLOWEST = 10_000
#: Pictures of points of the run in a chart; published points have ", published" in their names.
POINTS = '.panel:first-child [aria-label*=", generation "]:not([aria-label*=", published"])'


@pytest.fixture
def page(results, visit):
    return visit(results / "index.html").page


def draw_charts(page) -> None:
    """Wait until every chart is drawn. A chart is drawn when it comes near the window."""
    for chart in page.locator(".chart").all():
        chart.scroll_into_view_if_needed()
        expect(chart).to_have_attribute("data-ready", "yes")


def round_changes(results) -> pd.DataFrame:
    contrasts = pd.read_parquet(results / "replicates/contrasts.parquet")
    return contrasts[contrasts["kind"] == "change"]


def verdict_of(change) -> str:
    """Return the verdict that the page gives: with one replicate, the interval over articles decides."""
    if change["verdict"] != "one replicate":
        return change["verdict"]
    told = "rises" if change["estimate_low"] > 0 else "falls" if change["estimate_high"] < 0 else "not told apart"
    return f"{told} (one training)"


def test_nothing_goes_wrong_when_all_is_drawn_and_hidden(results, visit):
    opened = visit(results / "index.html")
    draw_charts(opened.page)
    for box in opened.page.locator(".rounds input").all():
        box.uncheck()

    opened.check()


def test_the_table_on_top_equals_the_tables_of_the_run(results, page):
    changes = round_changes(results).set_index(["round", "outcome"])
    metrics = pd.read_parquet(results / "metrics.parquet")
    rows = page.locator(".answers tbody tr").all()

    assert len(rows) == changes.index.get_level_values(0).nunique()
    for row, name in zip(rows, changes.index.get_level_values(0).unique(), strict=True):
        cells = [cell.inner_text().strip() for cell in row.locator("th, td").all()]
        share, quality = changes.loc[(name, "share")], changes.loc[(name, "quality")]
        own = metrics[metrics["round"] == name]
        ends = own.groupby("generation")[f"share_{share['tracked_label']}"].mean().dropna().mul(100).iloc[[0, -1]]
        assert cells[:2] == [name.replace("_", " "), share["tracked_label"]]
        assert [float(part) for part in cells[2].split(" to ")] == pytest.approx(ends.tolist(), abs=0.0501)
        for cell, contrast, factor, digits in ((cells[3], share, 100, 1), (cells[7], quality, 1, 3)):
            found = [float(part) for part in re.findall(r"-?\d+\.\d+", cell)]
            wanted = [factor * contrast[f"estimate{end}"] for end in ("", "_low", "_high")]
            assert found == pytest.approx([part for part in wanted if not pd.isna(part)], abs=0.51 * 10**-digits)
            # An interval that excludes 0 looks so.
            assert all(bool(number) == bool(part) for number, part in zip(found[1:], wanted[1:], strict=False)) or (
                wanted[1] <= 0 <= wanted[2]
            )
        assert [cells[4], cells[8]] == [verdict_of(share), verdict_of(quality)]


def test_titles_claim_what_the_table_of_changes_tells_apart(results, page):
    changes, claimed = round_changes(results), 0
    for figure in page.locator("figure:has(.chart)").all():
        title = figure.locator("h3").inner_text()
        boxes = figure.locator(".rounds label:has(input:not([value^='*']))").all()
        names = {box.inner_text().strip(): box.locator("input").get_attribute("value") for box in boxes}
        for clause in re.sub(r" \([^)]*\)", "", title).split("; "):
            outcome = "quality" if "text quality" in clause else "share"
            rows = changes[changes["outcome"] == outcome].set_index("round")
            for way, listed in re.findall(r"(rises|falls) with (.+?)(?= and falls with|$)", clause):
                for name in re.split(", | and ", listed):
                    row = rows.loc[names[name]]
                    assert "one training" in title or row["verdict"] != "one replicate"
                    told = verdict_of(row).startswith(way)
                    assert told, title
                    claimed += 1
    # Every change that is told apart is in some title.
    told = changes[changes["outcome"].isin(["share", "quality"])]
    apart = told.apply(lambda row: verdict_of(row).startswith(("rises", "falls")), axis=1)
    assert claimed == apart.sum()


def test_a_chart_says_the_value_and_its_interval_where_it_is_pointed_at(results, page):
    draw_charts(page)
    chart = page.locator(".chart").first
    name = chart.locator(".rounds input").first.get_attribute("value")
    label = round_changes(results).set_index("round").loc[name, "tracked_label"].iloc[0]
    metrics = pd.read_parquet(results / "metrics.parquet")
    column, tooltip = f"share_{label}", page.locator("#vg-tooltip-element")
    own = metrics[(metrics["round"] == name) & metrics["generation"].eq(1)].iloc[0]

    point = chart.locator(POINTS.replace('generation "', 'generation 1:"')).first
    chart.scroll_into_view_if_needed()
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    expect(tooltip).to_be_visible()
    text = tooltip.inner_text()
    numbers = [float(part) for part in re.findall(r"\d+\.\d", text)]
    assert numbers == pytest.approx([100 * own[column + end] for end in ("", "_low", "_high")], abs=0.0501)
    assert re.search(r"generation:?\s+1\b", text) and f"labelled {label}" in text
    assert point.get_attribute("aria-label").endswith(re.search(r"\d+\.\d \[.*\]", text)[0])


def test_rounds_can_be_hidden_and_shown_by_the_keyboard(page):
    draw_charts(page)
    chart = page.locator(".chart").first
    before = chart.locator(POINTS).count()
    box = chart.locator(".rounds input").first
    name = chart.locator(".rounds label").first.inner_text().strip()
    own = chart.locator(POINTS.replace('*=", generation', f'^="{name}, generation'))
    count = own.count()
    assert 0 < count < before

    box.focus()
    page.keyboard.press("Space")
    expect(own).to_have_count(0)
    assert chart.locator(POINTS).count() == before - count
    page.keyboard.press("Space")
    expect(own).to_have_count(count)


def test_values_are_a_table_too(page):
    draw_charts(page)
    figure = page.locator("figure:has(.chart)").first
    figure.locator("summary").click()

    rows = figure.locator("details tbody tr").all()
    points = figure.locator(f".chart {POINTS}")
    assert len(rows) == points.count()
    cells = [cell.inner_text().strip() for cell in rows[0].locator("th, td").all()]
    labels = [point.get_attribute("aria-label") for point in points.all()]
    assert f"{cells[0]}, generation {cells[1]}: {cells[2]}" in labels


def test_tables_are_sorted_and_searched(page):
    table = page.locator("#metrics table")
    heading = table.locator("thead th", has_text="generation").first
    place = heading.evaluate("cell => cell.cellIndex")
    rows = table.locator("tbody tr")
    count = rows.count()

    def column() -> list[str]:
        return rows.locator("visible=true").evaluate_all(
            f"rows => rows.map(row => row.cells[{place}].innerText.trim())"
        )

    heading.locator("button").focus()
    for direction in ("ascending", "descending"):
        page.keyboard.press("Enter")
        expect(heading).to_have_attribute("aria-sort", direction)
        numbers = [float(cell) for cell in column() if cell]
        assert numbers == sorted(numbers, reverse=direction == "descending") and len(set(numbers)) > 1
        # The base model has no generation.
        assert column()[-1] == "" and len(column()) == count

    figure = page.locator("#metrics")
    figure.get_by_role("searchbox").fill("BASE")
    shown = rows.locator("visible=true")
    assert shown.count() < count and all("base" in text for text in shown.all_inner_texts())
    assert figure.get_by_role("status").inner_text() == f"{shown.count()} of {count} rows"
    figure.get_by_role("searchbox").fill("")
    assert len(column()) == count


@pytest.mark.parametrize("width", [420, 1200])
def test_the_page_does_not_scroll_sideways(results, visit, width):
    opened = visit(results / "index.html", width=width)
    draw_charts(opened.page)

    assert opened.overflow() == 0
    # The answers can be read without scrolling at all.
    assert opened.page.locator(".answers .table").evaluate("box => box.scrollWidth - box.clientWidth") == 0


@pytest.mark.parametrize("dark", [False, True])
def test_no_serious_barrier_to_accessibility(results, visit, dark):
    opened = visit(results / "index.html", dark=dark)
    draw_charts(opened.page)
    opened.page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    # Further rows are like the first ones, and axe takes minutes for thousands of cells.
    opened.page.evaluate("document.querySelectorAll('tbody tr:nth-child(n + 9)').forEach(row => row.remove())")

    assert opened.barriers() == []
    ink = opened.page.evaluate("getComputedStyle(document.querySelector('.panel svg text')).fill")
    paper = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, paper)]
    assert (light[0] > light[1]) == dark


def test_the_keyboard_skips_to_the_content(page):
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")

    assert page.evaluate("document.activeElement.id") == "content"


def test_pictures_stay_where_scripts_do_not_run(results, browser):
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto((results / "index.html").resolve().as_uri())

    figures = opened.locator("figure:has(.chart)")
    assert figures.count() > 0
    for figure in figures.all():
        expect(figure.locator("img")).to_be_visible()
        expect(figure.locator(".chart")).to_be_hidden()
    context.close()


def test_the_page_is_small_and_quick(results, page, record_property):
    pictures = page.evaluate("[...document.images].map(image => decodeURI(new URL(image.src).pathname))")
    size = sum((results / "figures" / name.rsplit("/", 1)[1]).stat().st_size for name in set(pictures))
    size += (results / "index.html").stat().st_size
    loaded = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    record_property("bytes", size)
    record_property("milliseconds", loaded)
    print(f"{size / 1e6:.1f} MB with its pictures, loaded in {loaded:.0f} ms")

    assert size < LARGEST and 0 < loaded < SLOWEST
