"""Figures and tables of a study of posts: their own word, and no titles or outlets where there are none."""

import re

import pandas as pd
import pytest
from matplotlib.text import Text

from bias_amplification.figures.article_page import article_page
from bias_amplification.figures.distributions import label_distribution, quality_distribution
from bias_amplification.figures.panels import DIVERSITY, panels_over_generations
from bias_amplification.figures.robustness import robustness, robustness_table
from bias_amplification.figures.sweeps import sweep
from bias_amplification.figures.tables.contrasts import sentence
from bias_amplification.figures.tables.writing import write_table_for_reading
from bias_amplification.figures.trajectories import trajectories

ROUND = "balanced_synthetic"
#: Panels whose titles have no word for a text. Without values they are not drawn.
OTHERS = {name: 0.0 for name, title in DIVERSITY.items() if "rticle" not in title}


def texts(figure):
    """Return every text of a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(Text))


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        (lambda m: label_distribution(m, ["red", "green"], "balanced", "share", "post"), ["Posts (%)", "(300 posts)"]),
        (
            lambda m: quality_distribution([m["text_quality_index"].to_numpy()], "post"),
            ["Text quality index of a post"],
        ),
        (lambda m: panels_over_generations(m.assign(**OTHERS), [ROUND], DIVERSITY, "post"), ["Words per post"]),
        (lambda m: robustness(m, {ROUND: "blue"}, "post"), ["readable posts only"]),
        (lambda m: trajectories(m, ["share_blue"], [ROUND], unit="post"), ["Posts labelled blue (%)"]),
        (
            lambda m: sweep(m, "kept_share", {ROUND: 0.5}, ["share_blue"], "post"),
            ["Share of the synthetic posts that is kept", "Posts labelled blue (%)"],
        ),
    ],
)
def test_figures_have_the_units_word(metrics, draw, expected):
    found = texts(draw(metrics))

    assert "article" not in found.lower()
    assert [text for text in expected if text not in found] == []


def test_cells_have_the_units_word(metrics):
    no_changes = pd.DataFrame(columns=["round", "replicate", "generation"])
    table = robustness_table(metrics, no_changes, {ROUND: "blue"}, "post")
    one = pd.Series(
        {"kind": "change", "round": "a", "outcome": "share", "tracked_label": "article", "verdict": "no value"}
    )

    assert "article" not in table.to_csv() and "posts readable" in table.to_csv()
    # The label keeps its name.
    assert sentence(one, "post") == "a: no post has a value of the share of article."


def test_headings_have_the_units_word_but_labels_stay(tmp_path):
    table = pd.DataFrame({"test articles": [3], "F1 articles test": [0.5]})

    write_table_for_reading(table, [tmp_path / "t.csv", tmp_path / "t.html"], "Shares of articles", "story")

    assert (tmp_path / "t.csv").read_text().splitlines()[0] == "test stories,F1 articles test"
    assert "<h1>Shares of stories</h1>" in (tmp_path / "t.html").read_text()


@pytest.mark.parametrize(("title", "head"), [("", ""), ("A headline", ""), ("", "The beginning")])
def test_page_speaks_of_titles_and_beginnings_only_if_there_are_some(title, head):
    post = {"id": "p7", "title": title, "label": "rude", "outlet": False, "body": 0}
    row = {"head": 1, "text": 0, "label": None, "probabilities": [], "quality": None, "perplexity": [None, None]}
    data = {
        "texts": ["A text.", head],
        "seed_sets": [{"of": 1, "articles": [post]}],
        "rounds": [{"name": "synthetic", "seed_set": 0, "rows": [[row]]}],
        "first": {"round": "synthetic", "article": "p7"},
    }

    page = article_page(data, ["rude", "polite"], "en", "post")

    assert "<h1>One post across generations</h1>" in page
    assert ("prompted with its title and each block of its body." in page) == bool(title)
    assert ("prompted with each block of it." in page) == (not title and not head)
    assert ("prompted with its beginning, which is shown in grey before the model's text." in page) == bool(head)
    assert "an post" not in page and '<label for="article">Post</label>' in page and "the original post" in page
    prose = re.sub(r"<script.*?</script>|<[^>]*>", "", page.split("<main")[1], flags=re.DOTALL)
    assert "Choose a round and a post of its seed set." in prose and "article" not in prose.lower()
