import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_amplification.artifacts import StudyError
from bias_amplification.measures import corruption
from bias_amplification.measures.corruption import CLASSES, REPETITION, grade_sentences
from bias_amplification.study.sections import Detector

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
def test_a_repeated_stretch_has_one_other_word_each_time_or_none(generator):
    donor = ["A1", "B2", "C3"]

    repeated = corruption.repeat_again(WORDS, generator, donor)

    def same(one: str, other: str) -> bool:
        return one == other or one in donor or other in donor

    def is_repeated(length: int) -> bool:
        end, shifted = repeated[-2 * length :], repeated[-3 * length : -length]
        kept = [word for word in repeated[-length:] if word not in donor]
        return len(repeated) >= 3 * length and len(kept) >= length - 1 and all(map(same, end, shifted))

    assert any(is_repeated(length) for length in range(3, 13))


def test_with_a_class_for_repetition_no_other_class_has_repeated_phrases():
    """A phrase is repeated if three words stand twice in a row: no sentence here has them by itself."""
    classes = Detector(repetition=True).classes

    texts, graded = grade_sentences(SENTENCES, 1500, seed=1, classes=classes)

    assert Counter(graded) == dict.fromkeys(classes, 300)
    found = dict.fromkeys(classes, 0)
    for text, name in zip(texts, graded, strict=True):
        words = text.split()
        found[name] += any(
            words[p : p + n] == words[p + n : p + 2 * n] for n in range(3, 13) for p in range(len(words) - 2 * n + 1)
        )
    # Of stretches in which a word changes, only some are equal. A splice with the same sentence may repeat a phrase.
    assert found.pop(REPETITION) > 150
    assert sum(found.values()) <= 3
    assert max(map(len, map(str.split, texts))) < 80


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
    # Words stay whole, so that the salad is one of words and not of characters.
    assert any("委员会" in text or "没有人" in text or "农民" in text or "市长" in text for text in shuffled)


RUSSIAN = [
    "Мэр города сказал, что новый мост слишком дорогой для города.",
    "Фермеры давно говорят, что на программу уходит слишком много денег.",
    "Никто не знает, что случилось на старом мосту у острова.",
    "Комитет решил, что на голосование вынесут новый закон о школах.",
]


def test_words_of_another_language_come_from_its_sentences():
    sentences = [sentence.split() for sentence in RUSSIAN]

    known = corruption.wording("ru", sentences)

    # 4 + 3 + 2 + 2 of the 40 words; a third word that occurs twice would make more than 30%.
    assert known.function_words == {"что", "на", "города", "новый"}
    assert known.endings[:3] == ["да", "ал", "ый"]
    assert len(known.endings) == 27
    assert set(known.letters) <= set("абвгдеёжзийклмнопрстуфхцчшщъыьэюя")
    assert corruption.wording("en", sentences) == corruption.ENGLISH


@given(seeds)
def test_corruptions_of_another_language_use_its_own_words_and_letters(generator):
    sentences = [sentence.split() for sentence in RUSSIAN]
    known = corruption.wording("ru", sentences)
    words = sentences[1]

    dropped = corruption.drop_function_words(words, generator, known)
    broken = corruption.break_agreement(words, generator, known)
    mild = corruption.make_mild(words, generator, sentences, known)

    assert [word for word in dropped if word not in ("что", "на")] == [
        word for word in words if word not in ("что", "на")
    ]
    assert [word[:-2] for word in broken] == [word[:-2] for word in words]
    assert mild and mild != words
    for changed in (dropped, broken, mild):
        assert not any(letter.isascii() and letter.isalpha() for word in changed for letter in word)


def test_english_sentences_are_those_of_earlier_versions():
    texts, _ = grade_sentences(SENTENCES, 400, seed=1)

    assert hashlib.sha256("\n".join(texts).encode()).hexdigest().startswith("9d5c3a42cda9571b")


@pytest.mark.parametrize("language", ["de", "ru", "hi", "ar", "ja", "th"])
def test_every_class_differs_from_its_sentence_in_any_language(language):
    sentences = {
        "de": ["Der Bürgermeister will eine neue Brücke bauen.", "Niemand weiß, wer am Ende bezahlen soll."],
        "ru": RUSSIAN[:2],
        "hi": ["मेयर ने कहा कि नया पुल बहुत महँगा है।", "कोई नहीं जानता कि पैसे कौन देगा।"],
        "ar": ["قال العمدة إن الجسر الجديد مكلف جدا.", "لا أحد يعرف من سيدفع ثمن الجسر."],
        "ja": ["市長は新しい橋が高すぎると言いました。", "誰がお金を払うのか誰も知りません。"],
        "th": ["นายกเทศมนตรีกล่าวว่าสะพานใหม่แพงมาก", "ไม่มีใครรู้ว่าใครจะจ่ายเงินค่าสะพาน"],
    }[language] * 2

    texts, classes = grade_sentences(sentences, 80, seed=5, language=language)

    assert {name for text, name in zip(texts, classes, strict=True) if text in sentences} == {"clean"}
    assert all(texts)
