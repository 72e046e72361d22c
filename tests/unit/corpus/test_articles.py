"""Article tables: texts and articles by id."""

from bias_amplification.corpus.articles import article_text, replace_texts, take_articles


def test_text_is_title_and_body_on_separate_lines():
    assert article_text("Title", "Body.") == "Title\nBody."
    assert article_text("", "Body.") == "Body."


def test_articles_are_taken_in_the_order_of_the_ids(make_articles):
    articles = make_articles({"a": 3})

    taken = take_articles(articles, ["a2", "a0", "a2"])

    assert taken["article_id"].to_pylist() == ["a2", "a0", "a2"]
    assert taken["body"].to_pylist() == ["Body 2 of a", "Body 0 of a", "Body 2 of a"]


def test_replaced_texts_keep_the_other_columns(make_articles):
    articles = make_articles({"a": 2})

    replaced = replace_texts(articles, body=["One.", "Two."])

    assert replaced["body"].to_pylist() == ["One.", "Two."]
    assert replaced.drop_columns("body").equals(articles.drop_columns("body"))
