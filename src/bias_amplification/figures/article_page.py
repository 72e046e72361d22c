"""The HTML page of one article: the original beside the text of each generation."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from bias_amplification.figures.page import html_page
from bias_amplification.figures.style import label_colours
from bias_amplification.study.unit import with_unit

_STYLE = """
.texts { display: grid; grid-auto-flow: column; grid-auto-columns: minmax(17rem, 21rem); gap: .9rem;
  overflow-x: auto; padding-bottom: 1rem; align-items: start; }
article { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .9rem 1rem; }
article.original { position: sticky; left: 0; border-color: var(--quiet); box-shadow: .6rem 0 .8rem -.6rem #0006; }
@media (max-width: 45rem) { article.original { position: static; } }
.text { white-space: pre-wrap; overflow-wrap: anywhere; font: .95rem/1.5 Georgia, "Times New Roman", serif;
  max-height: 34rem; overflow-y: auto; margin-top: .75rem; }
.bar { display: flex; height: .8rem; border-radius: .2rem; overflow: hidden; margin: .3rem 0; }
.bar span { display: block; }
.head { color: var(--quiet); }
dl { display: grid; grid-template-columns: 1fr auto; margin: 0; font-size: .85rem; gap: 0 .5rem; }
dt { color: var(--quiet); } dd { margin: 0; font-variant-numeric: tabular-nums; text-align: right; }
.key { display: inline-block; width: .8em; height: .8em; border-radius: .15em; margin-right: .4em; }
"""


def article_page(
    article: Mapping[str, Any],
    history: pd.DataFrame,
    labels: Sequence[str],
    round_name: str | None,
    language: str,
    unit: str = "article",
) -> str:
    """Return a self-contained HTML page of one article across generations.

    Every text is escaped, and the page allows neither scripts nor content from elsewhere. So nothing in the text of an
    article or of a model can be executed.

    Parameters
    ----------
    article
        `title`, `body` and `label` of the seed article; `article_id` and `outlet` if there is one.
    history
        One row per generation: `generation`, `head`, `text`, `predicted`, `probability_{label}`, `quality`,
        `perplexity_base`, `perplexity_generating`.
    labels
        The label set.
    round_name
        Name of the round, for the heading; None: not named.
    language
        Language of the articles, an ISO 639 code. Browsers choose fonts by it. Each text runs in the direction of its
        own script.
    unit
        The study's word for an article.
    """
    colours = label_colours(labels)
    written = f'lang="{escape(language)}" dir="auto"'
    cards = [_original(article, written, unit)]
    cards += [_generation(row, colours, written) for row in history.to_dict("records")]
    place = f"round {escape(round_name)}, " if round_name else ""
    one, identifier = with_unit("article", unit), str(article.get("article_id", ""))
    title = str(article["title"]) or f"{one[0].upper()}{one[1:]} {identifier}"
    if history["head"].any():
        whose = "the article's title and the beginning of its body" if article["title"] else "its beginning"
        prompts = f"{whose}, which is shown in grey before the model's text"
    else:
        prompts = "the article's title and with each block of its body" if article["title"] else "each block of it"
    text = (
        "An article of the seed set, and the text that the model of each generation wrote when prompted with "
        f"{prompts}. Generation 0 is fine-tuned on real articles. Every later generation is fine-tuned on the articles "
        "that the round's strategy chooses from the seed set and from earlier generations."
    )
    label = escape(str(article["label"])) + (" after its outlet" if article.get("outlet") else "")
    body = (
        f"<h1 {written}>{escape(title)}</h1>\n"
        f"<p>{with_unit(text, unit)} Scroll to the right for later generations.</p>\n"
        f'<p class="quiet">{place}{one} {escape(identifier)}, labelled {label}</p>\n'
        f'<div class="texts" tabindex="0">\n{"".join(cards)}</div>'
    )
    return html_page(title, body, _STYLE, wide=True)


def _original(article: Mapping[str, Any], written: str, unit: str) -> str:
    outlet = " (of the outlet)" if article.get("outlet") else ""
    return (
        f'<article class="original"><h3>{with_unit("Original article", unit)}</h3>'
        f"<dl><dt>label{outlet}</dt><dd>{escape(str(article['label']))}</dd></dl>"
        f'<div class="text" {written}>{escape(str(article["body"]))}</div></article>\n'
    )


def _generation(row: Mapping[str, Any], colours: Mapping[str, str], written: str) -> str:
    """Return the card of one generation: probabilities as a bar and as numbers, quality, perplexities and text.

    `written` has the attributes of elements with a text in the language of the articles.
    """
    predicted = None if pd.isna(row["predicted"]) else str(row["predicted"])
    shares = {label: 0.0 if predicted is None else float(row[f"probability_{label}"]) for label in colours}
    bar = "".join(
        f'<span style="width:{100 * share:.2f}%;background:{colours[label]}"></span>' for label, share in shares.items()
    )
    facts = "".join(
        f'<dt><span class="key" style="background:{colours[label]}"></span>{escape(label)}</dt>'
        f"<dd>{_number(share if predicted else None, 3)}</dd>"
        for label, share in shares.items()
    )
    for text, column, digits in (
        ("text quality index (0 to 3)", "quality", 2),
        ("perplexity, base model", "perplexity_base", 1),
        ("perplexity, this model", "perplexity_generating", 1),
    ):
        facts += f"<dt>{text}</dt><dd>{_number(row[column], digits)}</dd>"
    head, text = (escape(str(row[part])) for part in ("head", "text"))
    shown = f'<div class="text" {written}>{_in_grey(head)}{text}</div>'
    if not text:
        shown = f'<div class="text">{_in_grey(head, written)} (nothing written)</div>'
    return (
        f"<article><h3>Generation {int(row['generation'])}: {escape(predicted or 'no label')}</h3>"
        f'<div class="bar" aria-hidden="true">{bar}</div><dl>{facts}</dl>'
        f"{shown}</article>\n"
    )


def _in_grey(head: str, written: str = "") -> str:
    """Return the real words before a model's text, which are escaped already, with a mark of their own."""
    return f'<span class="head"{written and f" {written}"}>{head}</span>' if head else ""


def _number(value: float | None, digits: int) -> str:
    """Format a number; a dash if it is missing."""
    return "–" if value is None or math.isnan(value) else f"{value:,.{digits}f}"
