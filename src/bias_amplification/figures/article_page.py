"""The HTML page of articles: any seed article beside what the generations of any round wrote from it."""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from bias_amplification.artifacts import new_file
from bias_amplification.figures.article_texts import page_data
from bias_amplification.figures.page import data_block, html_page
from bias_amplification.figures.style import label_colours
from bias_amplification.study.sections import Corpus, Example
from bias_amplification.study.unit import with_unit

#: What the page does: it fills in the elements of `_body`.
_SCRIPT = Path(__file__).with_suffix(".js")
_STYLE = Path(__file__).with_suffix(".css")


def write_article_page(
    seed_set_files: Sequence[Path],
    version_files: Sequence[Path],
    out: Sequence[Path],
    *,
    corpus: Corpus,
    example: Example,
    language: str,
    rounds: Mapping[str, int],
) -> None:
    """Write the page on which readers choose an article and a round and compare its texts.

    Texts of articles and models are data of the page, which its script shows as text. The page's policy allows no other
    script and no content from elsewhere. So nothing in a text can be executed.

    Parameters
    ----------
    seed_set_files, version_files, rounds, example
        See `article_texts.page_data`.
    out
        The files to make.
    corpus
        The labels, and the study's word for an article.
    language
        Language of the articles, an ISO 639 code. Browsers choose fonts and find words by it. Each text runs in the
        direction of its own script.
    """
    data = page_data(seed_set_files, version_files, corpus.labels, rounds, example)
    page = article_page(data, corpus.labels, language, corpus.unit)
    for path in out:
        with new_file(path) as temporary:
            temporary.write_text(page, encoding="utf-8")


def article_page(data: Mapping[str, Any], labels: Sequence[str], language: str, unit: str) -> str:
    """Return the HTML page of some articles; `data` is that of `article_texts.page_data`, see `write_article_page`."""
    heads = any(text for text in {data["texts"][row["head"]] for row in _rows(data)})
    titles = any(article["title"] for one in data["seed_sets"] for article in one["articles"])
    colours = label_colours(labels)
    words = {"article": with_unit("Article", unit), "original": with_unit("Original article", unit)}
    everything = {**data, "labels": [[label, colours[label]] for label in labels], "language": language, "words": words}
    body = _body(with_unit(_explanation(data, heads, titles), unit), unit)
    title = with_unit("One article across generations", unit)
    return html_page(
        title,
        f"<h1>{escape(title)}</h1>\n{body}{data_block('data', packed(everything))}",
        _STYLE.read_text(encoding="utf-8"),
        wide=True,
        scripts=[_SCRIPT.read_text(encoding="utf-8")],
    )


def packed(data: Any) -> str:
    """Return data as JSON, compressed by zlib and in base64: texts of models repeat themselves, and shrink much."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("utf-8"), 9)).decode("ascii")


def _rows(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the rows of all articles and versions."""
    return [row for one in data["rounds"] for rows in one["rows"] for row in rows]


def _explanation(data: Mapping[str, Any], heads: bool, titles: bool) -> str:
    """Say what models were prompted with, and which articles the page has."""
    if heads:
        whose = "its title and the beginning of its body" if titles else "its beginning"
        prompts = f"{whose}, which is shown in grey before the model's text"
    else:
        prompts = "its title and each block of its body" if titles else "each block of it"
    sizes = {(len(one["articles"]), one["of"]) for one in data["seed_sets"]}
    sample = "".join(
        f" Of the {of:,} articles of a seed set, the page has {shown:,} (<code>example.articles</code> in the config)."
        for shown, of in sorted(sizes)
        if shown < of
    )
    return (
        "Choose a round and an article of its seed set. The page shows the text that the base model wrote from the "
        f"article, and the text of every generation. Models were prompted with {prompts}. Generation 0 is fine-tuned "
        "on real articles. Every later generation is fine-tuned on the articles that the round's strategy chooses from "
        f"the seed set and from earlier generations.{sample}"
    )


def _body(explanation: str, unit: str) -> str:
    """Return the elements that the script fills in; `explanation` is HTML."""
    return f"""<p>{explanation}</p>
<noscript><p>This page needs JavaScript to show the texts. It loads nothing from the network.</p></noscript>
<form id="choice">
<p><label for="round">Round</label> <select id="round"></select></p>
<p><label for="article">{with_unit("Article", unit)}</label> <select id="article"></select></p>
<fieldset><legend>Compare each text with</legend>
<label><input type="radio" name="beside" value="before" checked> the version before</label>
<label><input type="radio" name="beside" value="original"> the original {unit}</label></fieldset>
</form>
<p id="status" role="status" class="quiet"></p>
<h2 id="title" dir="auto"></h2>
<p id="facts" class="quiet"></p>
<h3 id="numbers-title">Label probabilities, text quality (0 to 3) and perplexity of each text</h3>
<div class="numbers" tabindex="0" role="group" aria-labelledby="numbers-title">
<table aria-labelledby="numbers-title"><thead id="columns"></thead><tbody id="numbers"></tbody></table></div>
<h3>The texts, each after the text that it is compared with</h3>
<p>New words are <ins>underlined</ins>. Words of the first text that the second does not have are <del>struck
through</del>. Words count as common to both texts if at least three in a row are. Texts of more than about 2,000 words
are compared sentence by sentence. The base model's text has no version before it, so it is always compared with the
original.</p>
<div id="versions"></div>
"""
