"""The page of articles in a browser: what it shows of the tables, its marks of changes, and texts that attack it."""

import math
import random
import re
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest

from bias_amplification.figures.article_page import article_page

pytestmark = pytest.mark.page

LABELS = ("left", "right")

#: Each side of each pair of texts: pieces of text, and whether each is marked as changed. Counted empty lines are one.
PAIRS = """() => [...document.querySelectorAll(".pair")].map(pair => {
  const pieces = side => [...side.childNodes].filter(node => node.className !== "head")
    .map(node => [node.textContent, node.nodeName === "INS" || node.nodeName === "DEL"]);
  return [...pair.querySelectorAll(".text > div")].map(side => {
    side = side.cloneNode(true);
    side.querySelectorAll(".gap").forEach(gap => gap.replaceWith("\\n"));
    return pieces(side);
  });
})"""

#: The browser's words of a text. Other programs divide some words elsewhere: Chromium "a.b" at the full stop.
WORDS = """text => Array.from(
  new Intl.Segmenter("en", { granularity: "word" }).segment(text), ({ segment }) => segment
)"""

HOSTILE = (
    "</script><img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>",
    "<!-- <script> ${document.title='run'} `",
    "javascript:document.title='run' &lt;b&gt; \u2028 \u202e \\u003c/script> \"]}'",
    "\x00 \x07 " + "word" * 60,
)


def make_page(folder, bodies, texts, **changes):
    """Write the page of one article for each body, with a round whose versions wrote the given texts from it."""
    stored = list(dict.fromkeys(["", *bodies, *(text for row in texts for text in row)]))
    article = {"title": "Title", "label": "left", "outlet": True}
    row = {"head": 0, "label": "left", "probabilities": [0.75, 0.25], "quality": 2.5, "perplexity": [1234.5, None]}
    row |= changes.pop("row", {})
    articles = [article | {"id": f"a{k}", "body": stored.index(body)} | changes for k, body in enumerate(bodies)]
    data = {
        "texts": stored,
        "seed_sets": [{"of": len(bodies), "articles": articles}],
        "rounds": [
            {
                "name": changes.get("title", "one"),
                "seed_set": 0,
                "rows": [[row | {"text": stored.index(text)} for text in versions] for versions in texts],
            }
        ],
        "first": {"round": "one", "article": "a0"},
    }
    file = folder / "article_page.html"
    file.write_text(article_page(data, [changes.get("label", "left"), "right"], "en", "article"), encoding="utf-8")
    return file


def shown_pairs(found):
    """Return the pairs of texts that the page shows, see PAIRS, after it has drawn them."""
    found.page.wait_for_selector("section")
    return found.page.evaluate(PAIRS)


def words_of(page, side):
    """Return the words and punctuation marks of one side of a pair, each with whether it is marked."""
    marked = [flag for text, flag in side for _ in text]
    words, at = [], 0
    for piece in page.evaluate(WORDS, "".join(text for text, _ in side)):
        if piece.strip():
            words.append((piece, marked[at]))
        at += len(piece)
    return words


def most_in_common(left, right, run=3):
    """Return the size of the longest common subsequence of runs of at least `run` words: a slow plain loop."""
    best = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i in reversed(range(len(left))):
        for j in reversed(range(len(right))):
            found = max(best[i + 1][j], best[i][j + 1])
            length = 0
            while i + length < len(left) and j + length < len(right) and left[i + length] == right[j + length]:
                length += 1
                if length >= run:
                    found = max(found, length + best[i + length][j + length])
            best[i][j] = found
    return len(left) if left == right else best[0][0]


def check_marks(page, pair):
    """Check that the unmarked words of both sides are the same, and as many as possible."""
    left, right = (words_of(page, side) for side in pair)
    kept = [[word for word, marked in side if not marked] for side in (left, right)]
    assert kept[0] == kept[1]
    assert len(kept[0]) == most_in_common([word for word, _ in left], [word for word, _ in right])
    return len(kept[0])


def same_text(side, text):
    """Return whether a side shows a text, but for its white space."""
    return " ".join("".join(piece for piece, _ in side).split()) == " ".join(text.split())


def test_every_round_and_article_shows_what_the_tables_say(results, visit):
    found = visit(results / "figures" / "article_page.html", results)
    shown_pairs(found)
    names = found.page.locator("#round option").all_inner_texts()
    folders = [folder.name for folder in (results / "rounds").iterdir()]
    assert sorted(name.split(" (")[0] for name in names) == sorted(folders)

    for name in names:
        found.page.select_option("#round", label=name)
        generations = sorted((results / "rounds" / name.split(" (")[0]).glob("generation_*"))
        articles = found.page.locator("#article option").count()
        for place in {0, articles // 2, articles - 1}:
            found.page.locator("#article").evaluate("(list, place) => list.selectedIndex = place", place)
            found.page.dispatch_event("#article", "change")
            # Options are in groups by label, so that an option's value, not its place, is the article's.
            identifier = re.match(r"Article (\S+), labelled", found.page.inner_text("#facts"))[1]
            pairs = shown_pairs(found)
            lines = found.page.locator("#numbers tr").all()
            assert len(pairs) == len(lines) == len(generations) + 1
            for generation, folder in enumerate(generations):
                check_row(folder, identifier, lines[generation + 1], pairs[generation + 1][1])
    assert (found.messages, found.failed) == ([], [])


def check_row(folder, identifier, line, shown):
    """Check a line of numbers and a text of the page against the tables of a version."""
    tables = {
        name: pd.read_parquet(folder / f"{name}.parquet").set_index("article_id").loc[identifier]
        for name in ("articles", "predictions", "quality", "perplexity")
    }
    probabilities = tables["predictions"].filter(like="probability_")
    perplexities = tables["perplexity"][["perplexity_base", "perplexity_generating"]]
    expected = [
        tables["predictions"]["predicted"] or "no label",
        *(f"{value:.3f}" for value in probabilities),
        f"{tables['quality']['quality']:.2f}",
        *(f"{value:,.1f}" for value in perplexities),
    ]
    cells = [cell.strip() for cell in line.locator("td").all_inner_texts()]
    assert cells[:-1] == [text.replace("nan", "–").replace("None", "–") for text in expected]
    bars = line.locator(".bar span").evaluate_all("bars => bars.map(bar => parseFloat(bar.style.width))")
    assert bars[: len(probabilities)] == pytest.approx([100 * value for value in probabilities.fillna(0)], abs=0.06)
    assert same_text(shown, tables["articles"]["text"])


@pytest.mark.parametrize("beside", ["before", "original"])
def test_marks_of_a_study_are_those_of_a_plain_loop(results, visit, beside):
    found = visit(results / "figures" / "article_page.html", results)
    found.page.check(f"[value={beside}]")

    for left, right in shown_pairs(found):
        if math.prod(len(words_of(found.page, side)) for side in (left, right)) < 1e6:
            check_marks(found.page, (left, right))


def test_marks_of_random_texts_are_those_of_a_plain_loop(tmp_path, visit):
    generator = random.Random(3)
    words = ("one", "two", "it's", "3,000", "four", ".", "\n", "\n\n\n\n\n\n")
    drawn = [generator.choices(words, k=generator.randrange(60))]
    for _ in range(30):
        # Most words of the text before, and some others between them.
        kept = [word for word in drawn[-1] if generator.random() < 0.9]
        place = generator.randrange(len(kept) + 1)
        drawn.append(kept[:place] + generator.choices(words, k=generator.randrange(12)) + kept[place:])
    texts = list(map(" ".join, drawn))
    # Equal texts, a text that is part of another, and texts without a word.
    texts += [texts[-1], texts[-1] + " four four four", "one", "one", "", " \n "]
    found = visit(make_page(tmp_path, [texts[0]], [texts]))

    pairs = shown_pairs(found)

    assert len(pairs) == len(texts)
    common = [check_marks(found.page, pair) for pair in pairs]
    assert sum(common) > 300 and common[0] == len(words_of(found.page, [[texts[0], False]]))
    for (left, right), before, now in zip(pairs, [texts[0], *texts], texts, strict=False):
        assert same_text(left, before) and same_text(right, now)
    found.page.check("[value=original]")
    for (left, right), now in zip(shown_pairs(found), texts, strict=True):
        assert same_text(left, texts[0]) and same_text(right, now)
        check_marks(found.page, (left, right))


def test_long_texts_are_compared_by_sentence(tmp_path, visit):
    before = [f"Sentence {k} has a few more words than {k + 7}." for k in range(400)]
    now = [sentence for k, sentence in enumerate(before) if k != 300]
    now[7] = now[7].replace("more", "other")
    found = visit(make_page(tmp_path, [" ".join(before)], [[" ".join(now)]]))

    [(left, right)] = shown_pairs(found)

    assert [text for text, marked in left if marked] == [before[7], before[300]]
    assert [text for text, marked in right if marked] == [now[7]]
    assert "9 of 3591 words are new" in found.page.inner_text("section h3")


def test_the_words_that_a_model_was_prompted_with_are_grey_and_not_compared(tmp_path, visit):
    body, head = "A real beginning and a real end.", "A real beginning"
    file = make_page(tmp_path, [body, head], [[" and a real mess.", ""], [""]], row={"head": 2})
    found = visit(file)

    [(left, right), (_, last)] = shown_pairs(found)

    assert left == [[" and a real ", False], ["end.", True]]
    assert right == [[" and a real ", False], ["mess.", True]]
    heads = found.page.locator(".text .head").all_inner_texts()
    assert heads == [head] * 4
    assert last == [] and "(nothing written)" in found.page.locator(".text").last.inner_text()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_only_shown(tmp_path, visit, text):
    file = make_page(tmp_path, [text], [[text, text + "!"]], title=text, id=text, label=text, row={"label": text})

    found = visit(file, width=420)
    pairs = shown_pairs(found)

    assert found.overflow() <= 0
    assert all(same_text(side, expected) for pair, expected in zip(pairs, (text,), strict=False) for side in pair)
    assert found.page.text_content("#title") == text
    assert text in found.page.text_content("#facts") and text in found.page.text_content("#round")
    assert found.page.title() == "One article across generations"
    assert found.page.locator("img").count() == 0 and found.page.locator("main script").count() == 1
    found.check()
    assert found.barriers() == []


def test_scripts_of_others_do_not_run(tmp_path, visit):
    file = make_page(tmp_path, ["a"], [["b"]])
    attack = "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"
    file.write_text(file.read_text(encoding="utf-8").replace("</main>", f"{attack}</main>"), encoding="utf-8")

    found = visit(file)
    shown_pairs(found)

    assert found.page.title() == "One article across generations"
    refused = [message for message in found.messages if "Content Security Policy" in message]
    assert len(refused) == 2


def test_the_choice_is_in_the_address_and_survives(tmp_path, visit):
    file = make_page(tmp_path, ["first", "second"], [["x"], ["y", "z"]])
    found = visit(file)
    shown_pairs(found)

    found.page.select_option("#article", "1")
    found.page.check("[value=original]")

    fields = parse_qs(urlsplit(found.page.url).fragment)
    assert fields == {"round": ["one"], "article": ["a1"], "beside": ["original"]}
    found.page.reload()
    assert [["".join(text for text, _ in side) for side in pair] for pair in shown_pairs(found)] == [
        ["second", "y"],
        ["second", "z"],
    ]
    assert "round one, 2 texts, each beside the original article." in found.page.inner_text("#status")


def test_the_page_can_be_used_by_keyboard(results, visit):
    found = visit(results / "figures" / "article_page.html", results)
    shown_pairs(found)
    keyboard, focused = found.page.keyboard, "document.activeElement.id || document.activeElement.value"

    found.page.focus("#round")
    keyboard.press("ArrowDown")
    assert found.page.input_value("#round") == "1"
    second = found.page.locator("#round option").nth(1).inner_text()
    assert f"round {second}," in found.page.inner_text("#status")
    keyboard.press("Tab")
    assert found.page.evaluate(focused) == "article"
    keyboard.press("Tab")
    keyboard.press("ArrowDown")
    assert found.page.evaluate(focused) == "original" and "original" in found.page.inner_text("#status")
    found.page.focus("#numbers tr:nth-child(3) a")
    keyboard.press("Enter")
    assert found.page.evaluate("document.activeElement.textContent").startswith("Generation 1:")
    assert found.page.evaluate("scrollY") > 0


@pytest.mark.parametrize("width", [1200, 420])
@pytest.mark.parametrize("dark", [False, True])
def test_page_fits_the_window_and_has_no_barriers(results, visit, width, dark):
    found = visit(results / "figures" / "article_page.html", results, width=width, dark=dark)
    shown_pairs(found)

    found.check()
    assert found.overflow() <= 0
    assert found.barriers() == []


def test_old_browsers_are_told_so(tmp_path, visit):
    found = visit(make_page(tmp_path, ["a"], [["b"]]))
    found.page.add_init_script("delete window.DecompressionStream")

    found.page.reload()

    assert "too old" in found.page.inner_text("#status")
