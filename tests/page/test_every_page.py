"""Every page of a study opens from the disk without a fault, and the browser's checks find faults."""

import pytest

pytestmark = pytest.mark.page


def test_no_page_has_errors_or_broken_links(results, visit):
    pages = sorted([results / "index.html", *results.glob("tables/*.html"), *results.glob("figures/*.html")])
    assert len(pages) > 10

    for file in pages:
        visit(file, results).check()


@pytest.mark.parametrize(
    ("body", "messages", "failed", "unresolved"),
    [
        ('<a href="other.html#here">a</a><img src="dot.svg" alt=""><a href="#top">b</a><p id="top">', [], [], []),
        ('<a href="lost.html">a</a>', [], [], ["lost.html"]),
        ('<a href="other.html#lost">a</a><a href="#lost">b</a>', [], [], ["other.html#lost", "page.html#lost"]),
        ('<a href="../outside.html">a</a>', [], [], ["../outside.html"]),
        ('<a href="https://example.org/">a</a>', [], [], ["https://example.org/"]),
        ('<img src="text.svg" alt="" loading="lazy">', [], [], ["text.svg"]),
        ('<img src="lost.svg" alt="">', ["error"], ["lost.svg"], ["lost.svg", "lost.svg"]),
        ('<script>console.warn("so"); lost()</script>', ["warning", "script"], [], []),
    ],
)
def test_faults_are_found(tmp_path, visit, body, messages, failed, unresolved):
    folder = tmp_path / "a folder"
    folder.mkdir()
    (tmp_path / "outside.html").write_text("<p>")
    (folder / "other.html").write_text('<p id="here">')
    (folder / "dot.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    (folder / "text.svg").write_text("no image")
    (folder / "page.html").write_text(f"<!DOCTYPE html><title>t</title>{body}")

    found = visit(folder / "page.html")

    def address(name: str) -> str:
        return name if ":" in name else (folder.as_uri() + "/" + name).replace("a%20folder/../", "")

    assert found.unresolved() == [address(name) for name in unresolved]
    assert [message.split(":")[0] for message in found.messages] == messages
    assert found.failed == [address(name) for name in failed]


def test_requests_to_the_network_and_sideways_scrolling_are_found(tmp_path, visit):
    (tmp_path / "page.html").write_text(
        '<!DOCTYPE html><title>t</title><img src="http://localhost:9/a.png"><p style="width: 800px; margin: 0">wide'
    )

    assert visit(tmp_path / "page.html").overflow() == 0
    found = visit(tmp_path / "page.html", width=420)

    assert found.overflow() > 300
    assert set(found.failed) == {"http://localhost:9/a.png"}


def test_barriers_are_found(tmp_path, visit):
    (tmp_path / "page.html").write_text(
        '<!DOCTYPE html><html lang="en"><title>t</title><main><h1>t</h1><img src="data:," id="silent">'
        '<p style="color: #ccc; background: #fff" id="pale">pale</p><label>name <input></label>'
    )

    found = visit(tmp_path / "page.html").barriers()

    assert [fault.split(": ")[1] for fault in found] == ["#pale", "#silent"]
