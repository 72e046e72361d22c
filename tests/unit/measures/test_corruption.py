from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_amplification.artifacts import StudyError
from bias_amplification.measures import corruption
from bias_amplification.measures.corruption import CLASSES, grade_sentences

SENTENCES = [
    "The committee voted on Tuesday to send the bill to the full chamber.",
    "A clerk said that he was not surprised by the choice of the judges.",
    "Farmers have long argued that the program costs them too much money.",
    "A spokeswoman for the agency did not want to speak about the reports.",
    "The mayor is in the city and the council will meet before the summer.",
    "Nobody knows why the bridge to the island was closed for two years.",
]
WORDS = SENTENCES[0].split()
seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def test_classes_are_equally_frequent_and_only_clean_sentences_are_real():
    texts, classes = grade_sentences(SENTENCES, 42, seed=1)
    assert Counter(classes) == dict.fromkeys(CLASSES, 10)
    for text, name in zip(texts, classes, strict=True):
        assert (text in SENTENCES) == (name == "clean")


def test_sentences_depend_on_the_seed():
    assert grade_sentences(SENTENCES, 40, seed=1) == grade_sentences(SENTENCES, 40, seed=1)
    assert grade_sentences(SENTENCES, 40, seed=1) != grade_sentences(SENTENCES, 40, seed=2)


def test_too_few_sentences_are_refused():
    with pytest.raises(StudyError, match="have 1 sentences of 5 or more words"):
        grade_sentences([SENTENCES[0], "Too short."], 8, seed=1)


@given(seeds)
def test_dropping_function_words_keeps_the_content_words_in_order(generator):
    left = corruption.drop_function_words(WORDS, generator)
    assert [w for w in left if w in {"committee", "voted", "Tuesday", "send", "bill", "full"}] == [
        "committee",
        "voted",
        "Tuesday",
        "send",
        "bill",
        "full",
    ]
    assert len(left) < len(WORDS)


@given(seeds)
def test_swapping_and_shuffling_keep_the_words(generator):
    for operation in (corruption.swap_neighbours, corruption.shuffle):
        assert Counter(operation(WORDS, generator)) == Counter(WORDS)


@given(seeds)
def test_wrong_forms_keep_the_number_of_words(generator):
    assert len(corruption.break_agreement(WORDS, generator)) == len(WORDS)


@given(seeds)
def test_repetitions_add_words_of_the_sentence_only(generator):
    for operation in (corruption.repeat_words, corruption.repeat_phrase):
        repeated = operation(WORDS, generator)
        assert len(repeated) > len(WORDS)
        assert set(repeated) == set(WORDS)


@given(seeds)
def test_truncation_keeps_a_beginning(generator):
    cut = corruption.truncate(WORDS, generator)
    assert cut == WORDS[: len(cut)]
    assert 2 < len(cut) < len(WORDS)


@given(seeds)
def test_a_loop_repeats_its_words_at_least_four_times(generator):
    looped = corruption.loop(WORDS, generator)
    assert any(looped[-4 * n :] == looped[-n:] * 4 for n in range(1, 6))


@given(seeds)
def test_a_splice_joins_two_sentences(generator):
    donor = SENTENCES[1].split()
    spliced = corruption.splice(WORDS, generator, donor)
    assert any(spliced == WORDS[:n] + donor[-(len(spliced) - n) :] for n in range(2, len(WORDS)))


@given(seeds)
def test_noise_has_no_long_word_of_the_sentence(generator):
    noise = corruption.make_noise(WORDS, generator)
    long_words = {word for word in WORDS if len(word) > 3}
    assert noise
    assert not long_words & set(noise)


@given(seeds)
def test_mild_gibberish_is_never_the_sentence_itself(generator):
    donors = [sentence.split() for sentence in SENTENCES]
    mild = corruption.make_mild(WORDS, generator, donors)
    assert mild
    assert mild != WORDS


def test_sentences_of_a_language_without_spaces_are_corrupted_by_words():
    sentences = [
        "市长说新的桥太贵了，没有人知道谁来付钱。",
        "农民们早就说过，这个计划花了他们太多的钱。",
        "委员会星期二投票决定把这个法案送交全体会议。",
        "没有人知道为什么通往岛上的桥关闭了两年。",
    ]

    texts, classes = grade_sentences(sentences, 40, seed=3, language="zh")

    for text, name in zip(texts, classes, strict=True):
        assert (text in sentences) == (name == "clean")
        assert " " not in text or name == "noise"
    shuffled = [text for text, name in zip(texts, classes, strict=True) if name == "word_salad"]
    # Whole words such as 没有人知道 stay whole, so that the salad is one of words and not of characters.
    assert any("委员会" in text or "没有人" in text or "农民" in text or "市长" in text for text in shuffled)
