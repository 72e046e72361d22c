"""Cleaning: repaired texts, lost articles, and the count of both."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_amplification.artifacts.schemas import ARTICLES, CLEANING
from bias_amplification.corpus.cleaning import body_key, clean, repair_text
from bias_amplification.corpus.findings import findings_table


def make_articles(rows):
    base = {"event_id": None, "outlet": None, "date": None, "title": "Title", "label": "a"}
    return pa.Table.from_pylist([base | {"article_id": str(i)} | row for i, row in enumerate(rows)], schema=ARTICLES)


def counted(findings, kept):
    return {item.finding: item.articles for item in findings if item.kept == kept}


def test_newlines_spaces_and_controls_are_normalised():
    text, changes = repair_text("One\r\ntwo\rthree\u2028four\n\n\n\nfive \t six\u00a0seven\x07 \u200b\n eight  ")

    assert text == "One\ntwo\nthree\nfour\n\nfive six seven\neight"
    assert changes == [
        "newline characters made \\n",
        "control and invisible characters removed",
        "spaces and blank lines normalised",
    ]


def test_mojibake_is_repaired():
    right = "It\u2019s a caf\u00e9, no more."
    once = right.encode().decode("cp1252")
    twice = once.encode().decode("cp1252", errors="ignore")

    assert repair_text(once) == (right, ["mojibake mended"])
    assert repair_text(twice)[0] == right


def test_correct_text_is_unchanged():
    text = "Na\u00efve caf\u00e9s \u201cquote\u201d prices of \u20ac5.\n\nSecond paragraph & more; AT&T."

    assert repair_text(text) == (text, [])


def test_html_references_are_resolved():
    assert repair_text("Profit &amp; loss &#8217; end")[0] == "Profit & loss \u2019 end"


#: Texts with references and what they become.
REFERENCES = {
    "see https://x.org/?a=1&copy=2&region=EU&notify=1": "see https://x.org/?a=1&copy=2&region=EU&notify=1",
    "AT&amp;T, see ?a=1&copy=2": "AT&T, see ?a=1&copy=2",
    "int &not x; &notit; &hellip;": "int &not x; &notit; …",
    "One&#13;two &#150; &#x1F600;": "One\ntwo – \U0001f600",
    "&#55357;&#56832; &#xD83D;&#xde00;": "\U0001f600 \U0001f600",
    # They stand for no character.
    "&#55357; &#xDE00;&#xD83D; &#0; &#1114112; &#x110000;": "&#55357; &#xDE00;&#xD83D; &#0; &#1114112; &#x110000;",
}


@pytest.mark.parametrize("text", REFERENCES)
def test_only_whole_html_references_are_resolved(text):
    assert repair_text(text)[0] == REFERENCES[text]


@pytest.mark.parametrize(
    "text", ["Ã là chữ hoa", "Ă, Â, Ã” là chữ hoa", "IRMÃ\u00a0DE CARIDADE", "“IRMÃ” disse", "AVIÕES – IRMÃ…"]
)
def test_sound_capital_letters_are_no_mojibake(text):
    assert repair_text(text)[0] == text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    "text", ["à la carte", "Retour à Paris", "voilà", "Là-bas", "Österreich", "SCHÖN", "IBM\u00a0said", "Ópera", "CÔTE"]
)
def test_one_broken_character_is_mended(text):
    assert repair_text(text.encode().decode("cp1252"))[0] == text.replace("\u00a0", " ")


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=50))
def test_spacing_is_normal_after_repair(text):
    once = repair_text(text)[0]

    assert "\r" not in once and "\n\n\n" not in once and "  " not in once
    assert once == once.strip()


def test_each_loss_is_counted_once_under_its_first_fault():
    body = "one two three four five"
    articles = make_articles(
        [
            {"body": body},
            {"body": body, "label": ""},
            {"body": " \n "},
            {"body": body + " six", "title": " "},
            {"body": "too short"},
            {"body": "One, two:\nTHREE four five!"},
            {"body": body, "label": "b"},
            {"body": "an article of its own here"},
        ]
    )

    usable, findings = clean(articles, min_words=5)

    assert usable["article_id"].to_pylist() == ["0", "3", "7"]
    assert counted(findings, kept=False) == {
        "no label": 1,
        "empty body": 1,
        "body of fewer than 5 words": 1,
        "same body as an earlier article": 1,
        "same body as an earlier article of another label": 1,
    }
    table = findings_table(findings)
    assert table.schema == CLEANING
    examples = dict(zip(table["finding"].to_pylist(), table["examples"].to_pylist(), strict=True))
    assert examples["same body as an earlier article"] == "5"


def test_words_of_chinese_articles_are_counted_by_icu():
    enough = "市长说新的桥太贵了，没有人知道谁来付钱。农民们反对这个计划，因为他们付了太多的税。"
    articles = make_articles([{"body": enough}, {"body": "市长说新的桥太贵了。"}])

    usable, findings = clean(articles, min_words=20, language="zh")

    assert usable["body"].to_pylist() == [enough]
    assert counted(findings, kept=False) == {"body of fewer than 20 words": 1}
    # Between spaces, as in English, there is one word.
    assert clean(articles, min_words=20)[0].num_rows == 0


def test_persian_and_hindi_articles_are_kept_as_they_are():
    bodies = ["من می\u200cخواهم کتاب بخوانم. 👨\u200d👩\u200d👧", "यह किताब है।", "यह कताब है।"]

    for language in ("fa", "hi"):
        usable, findings = clean(make_articles([{"body": body} for body in bodies]), min_words=3, language=language)

        # The last two differ only in a vowel sign, and are no duplicates.
        assert usable["body"].to_pylist() == bodies
        assert findings == []


def test_an_article_without_a_title_stays_and_is_counted():
    articles = make_articles([{"body": "one two three", "title": " "}, {"body": "four five six", "title": "Title"}])

    usable, findings = clean(articles, min_words=1)

    assert usable["title"].to_pylist() == ["", "Title"]
    assert [item.examples for item in findings if item.finding == "no title, kept"] == [("0",)]


def test_a_corpus_without_titles_is_not_said_to_lack_them():
    usable, findings = clean(make_articles([{"body": "one two three", "title": ""}]), min_words=1)

    assert usable["title"].to_pylist() == [""] and findings == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["one two three", "One  two three", "four five six", "", "short"]), max_size=12))
def test_kept_and_lost_articles_add_up(bodies):
    articles = make_articles([{"body": body} for body in bodies])

    usable, findings = clean(articles, min_words=2)

    assert usable.num_rows + sum(counted(findings, kept=False).values()) == len(bodies)
    keys = [body_key(body) for body in usable["body"].to_pylist()]
    assert len(set(keys)) == len(keys)
