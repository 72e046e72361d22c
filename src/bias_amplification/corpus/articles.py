"""Article tables: the text of an article, articles by id, and replaced texts."""

from collections.abc import Iterable

import pyarrow as pa

from bias_amplification.artifacts.schemas import ARTICLES


def article_text(title: str, body: str) -> str:
    """Return an article as one text: title, newline, body.

    An article without a title is its body alone.
    """
    return f"{title}\n{body}" if title else body


def take_articles(articles: pa.Table, ids: Iterable[str]) -> pa.Table:
    """Return the articles with these ids, in the order of the ids. An id may occur more than once."""
    rows = {article_id: row for row, article_id in enumerate(articles["article_id"].to_pylist())}
    indices = pa.array([rows[article_id] for article_id in ids], pa.int64())
    return articles.select(ARTICLES.names).take(indices).combine_chunks()


def replace_texts(articles: pa.Table, **columns: list[str]) -> pa.Table:
    """Return the article table with other values in the given text columns."""
    for name, values in columns.items():
        index = articles.schema.get_field_index(name)
        articles = articles.set_column(index, ARTICLES.field(name), pa.array(values, pa.string()))
    return articles.cast(ARTICLES)
