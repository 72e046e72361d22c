import numpy as np
import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.figures.article import article_evolution, read_history, write_article_evolution
from bias_amplification.figures.style import save_figure
from bias_amplification.study.sections import Example


@pytest.fixture
def history(round_files, labels):
    return read_history("a2", labels, round_files.generations)


def test_figure_shows_the_chosen_article(tmp_path, round_files, labels, history):
    write_article_evolution(
        round_files.seed_set,
        round_files.generations,
        [tmp_path / "a2.svg"],
        labels=labels,
        example=Example(label="blue"),
    )

    save_figure(article_evolution(history, labels), [tmp_path / "expected.svg"])
    assert (tmp_path / "a2.svg").read_bytes() == (tmp_path / "expected.svg").read_bytes()


def test_history_has_the_row_of_the_article_in_every_generation(history):
    assert list(history["generation"]) == [0, 1, 2]
    assert [text.split(".")[0] for text in history["text"]] == ["Text 0 of a2", "Text 1 of a2", "Text 2 of a2"]
    np.testing.assert_allclose(history["probability_red"], [0.11, 0.31, 0.51])
    np.testing.assert_allclose(history["quality"], [2.4, 1.9, 1.4])
    np.testing.assert_allclose(history["perplexity_generating"], [10, 5, np.nan])


def test_bars_stack_the_probabilities_and_lines_have_the_values_of_the_table(history, labels):
    shares, quality, perplexity = article_evolution(history, labels).axes

    heights = np.array([bar.get_height() for bar in shares.patches]).reshape(3, 3)
    for place, label in enumerate(labels):
        np.testing.assert_allclose(heights[place], history[f"probability_{label}"])
    tops = [bar.get_y() + bar.get_height() for bar in shares.patches[-3:]]
    np.testing.assert_allclose(tops, 1)
    np.testing.assert_array_equal(quality.get_lines()[0].get_ydata(), history["quality"])
    lines = {line.get_label(): line for line in perplexity.get_lines()}
    np.testing.assert_array_equal(lines["base model"].get_ydata(), history["perplexity_base"])
    np.testing.assert_array_equal(lines["generating model"].get_ydata(), history["perplexity_generating"].dropna())
    assert all(axes.get_xlabel() == "Generation" and axes.get_ylabel() for axes in (shares, quality, perplexity))


def test_error_names_the_file_that_lacks_the_article(round_files, labels):
    with pytest.raises(StudyError, match=r"generation_00/articles\.parquet has no article 'a9'"):
        read_history("a9", labels, round_files.generations)
