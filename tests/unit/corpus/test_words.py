"""Words of texts in many languages. The right numbers were counted by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_amplification.artifacts import StudyError
from bias_amplification.corpus.cleaning import body_key, repair_text
from bias_amplification.corpus.words import WITHOUT_SPACES, bare_words, count_words, join_words, only_words, split_words
from bias_amplification.study import read_study
from bias_amplification.study.sections import Corpus

COUNTS = {
    "en": ("The mayor's plan, she said, costs $3.5 million.", 8),
    "de": ("Der Bürgermeister hat 3,5 Millionen Euro versprochen.", 7),
    "fr": ("La maire a dit : « C’est trop cher ! »", 7),
    "es": ("¿Quién pagará el puente nuevo?", 5),
    "ru": ("Мэр сказал: «Это слишком дорого» — и ушёл.", 7),
    "el": ("Ο δήμαρχος είπε όχι.", 4),
    "tr": ("Belediye başkanı İzmir'e gitti.", 4),
    "ar": ("قال العمدة إن الجسر مكلف جدا.", 6),
    "fa": ("می\u200cخواهم کتاب بخوانم.", 3),
    "hi": ("मेयर ने कहा कि पुल महँगा है।", 7),
    "ko": ("시장은 다리가 너무 비싸다고 말했다.", 5),
    "zh": ("今天天气很好，市长来了。", 6),
    "ja": ("市長は昨日、東京に行きました。", 8),
    "th": ("ภาษาไทยง่ายมาก", 4),
}


@pytest.mark.parametrize("language", COUNTS)
def test_words_are_counted_in_the_language(language):
    text, count = COUNTS[language]

    assert count_words(text, language) == count


@pytest.mark.parametrize("language", [*COUNTS, "xx"])
def test_words_can_be_put_together_again(language):
    @settings(max_examples=25, deadline=None)
    @given(st.text(max_size=30))
    def check(text):
        joined = join_words(split_words(text, language), language)
        assert "".join(joined.split()) == "".join(text.split())

    check()
    assert (join_words(["a", "b"], language) == "ab") == (language in WITHOUT_SPACES)


#: Codes of a config and the code that the study uses: of ISO 639-2 and 639-3, former ones, and parts of a language.
CODES = {
    "eng": "en",
    "zho": "zh",
    "chi": "zh",
    "cmn": "zh",
    "jpn": "ja",
    "tha": "th",
    "bod": "bo",
    "tib": "bo",
    "khm": "km",
    "ger": "de",
    "arb": "ar",
    "iw": "he",
    "zh": "zh",
    "no": "no",
    "la": "la",
    "yue": "yue",
    "fil": "fil",
    "und": "und",
}


@pytest.mark.parametrize("code", CODES)
def test_a_language_has_its_shortest_code(code):
    assert Corpus(language=code).language == CODES[code]


@pytest.mark.parametrize(
    ("code", "example"),
    [("cn", r"zh \(cn is the code of a country\)"), ("jp", r"ja \("), ("xx", r"en\.\n"), ("zzz", r"en\.\n")],
)
def test_a_code_of_no_language_is_refused_with_the_key(code, example):
    with pytest.raises(
        StudyError, match=rf"corpus.language is '{code}', but must be an ISO 639 code .*, such as {example}"
    ):
        read_study({"corpus": {"language": code}})


@pytest.mark.parametrize("language", ["lzh", "nan", "wuu", "yue"])
def test_chinese_languages_have_words_without_spaces(language):
    assert split_words("市长说他没有钱。", language) == ["市长", "说", "他", "没有", "钱。"]


def test_words_without_spaces_keep_their_marks_and_spaces():
    assert split_words("市长说：“新的 iPhone 14 太贵了。”", "zh") == [
        "市长",
        "说：“",
        "新的 ",
        "iPhone ",
        "14 ",
        "太",
        "贵了。”",
    ]
    assert split_words("“没有！”他走了", "zh") == ["“没有！”", "他", "走了"]
    assert split_words("ภาษาไทย ง่ายมาก", "th") == ["ภาษา", "ไทย ", "ง่าย", "มาก"]


@settings(max_examples=50, deadline=None)
@given(st.text(st.sampled_from("市长说新的桥 ab1，。“”\n"), max_size=30), st.sampled_from(sorted(WITHOUT_SPACES)))
def test_texts_without_spaces_come_back_whole(text, language):
    assert join_words(split_words(text, language), language) == text


def test_vowel_signs_make_different_words():
    assert only_words("की, का!") == "की का"
    assert body_key("यह किताब है।") != body_key("यह कताब है।")
    assert body_key("नमस्ते, दुनिया!") == body_key("नमस्ते दुनिया")


#: Texts that must stay as they are: a Persian verb, a Hindi conjunct, a family and a flag.
JOINED = ["می\u200cخواهم", "क्\u200dष", "👨\u200d👩\u200d👧", "🏴\U000e0067\U000e0062\U000e007f", "❤\ufe0f"]


@pytest.mark.parametrize("text", JOINED)
def test_joiners_that_carry_meaning_stay(text):
    assert repair_text(text) == (text, [])


def test_zero_width_spaces_stay_where_they_mark_words():
    assert repair_text("ភាសា\u200bខ្មែរ", "km")[0] == "ភាសា\u200bខ្មែរ"
    assert repair_text("zero\u200bwidth\u2060", "en")[0] == "zerowidth"
    assert repair_text("市长\u200b说", "zh")[0] == "市长说"
    assert repair_text("\u200eabc\u200f", "ar")[0] == "abc"


def test_words_have_no_punctuation_and_no_capitals():
    assert bare_words("“The Bridge,” it's said -- opens!\n\n The END.", "en") == [
        "the", "bridge", "it", "s", "said", "opens", "the", "end",
    ]  # fmt: skip
    assert bare_words("Die Straße ist naß.", "de") == ["die", "strasse", "ist", "nass"]
    assert bare_words("我们喜欢读书。我们", "zh") == ["我们", "喜欢", "读书", "我们"]
    assert bare_words(" ... _ __ \n", "en") == []
    assert bare_words("In the U.S.A., don't snake_case", "en") == ["in", "the", "u", "s", "a", "don", "t", "snake_case"]
