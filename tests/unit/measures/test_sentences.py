import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_amplification.measures.sentences import SPLITTERS, split_periods, split_sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["Sen. Ana Ruiz met Mr. J. K. Bolt on Nov. 8.", "He paid $3.5 million."],
        ["She lives in the U.S. Virgin Islands.", "The U.S. said no."],
        ["They left at 5 p.m.", "The hall was empty."],
        ['"It is over."', "She left."],
        ["“No,” he said.", "“Never!”", "(Then he left.)", "Nobody spoke."],
        ["Is it true?", "Yes!", "It is..."],
        ["He said no.", "5 people left.", "Bill No. 5 passed."],
        ["So am I.", "Bob is not."],
        ["Acme Inc. The firm closed."[:9], "The firm closed."],
        ["He was ill.", "Barbara was not."],
        ["R-Ky. Sen. Lee spoke vs. Dr. Roe."],
        ["it has no capitals. nor an end"],
    ],
)
def test_joined_sentences_are_split_again(sentences):
    assert split_sentences(" ".join(sentences)) == sentences


def test_line_ends_end_sentences():
    assert split_sentences("A title without a stop\nA first. A second\n\n  \nThird") == [
        "A title without a stop",
        "A first.",
        "A second",
        "Third",
    ]


@given(st.text(alphabet=st.sampled_from("ab CD.?!\"”1)\n'"), max_size=60))
def test_no_character_is_lost(text):
    sentences = split_sentences(text)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence == sentence.strip() != "" for sentence in sentences)


def test_the_published_splitter_cuts_at_every_period():
    assert split_periods("Sen. Ruiz paid 3.5. Why? Yes.") == ["Sen", "Ruiz paid 3", "5", "Why? Yes"]
    assert split_periods(" . . ") == []


def test_splitters_have_the_names_in_the_config():
    assert {"sentence": split_sentences, "period": split_periods} == SPLITTERS


#: Texts in other languages, cut where a reader would cut them.
LANGUAGES = {
    "de": ["Er kam z. B. am 3. Oktober nach Berlin.", "Dr. Müller war dabei!", "„Das ist zu teuer.“"],
    "fr": ["La maire a dit : « C’est trop cher. »", "Puis elle est partie !", "Qui paiera ?"],
    "es": ["¿Quién pagará el puente?", "El Sr. García no lo sabe.", "¡Nadie!"],
    "ru": ["Он живёт в г. Москва.", "А. С. Пушкин писал стихи!", "Кто заплатит?"],
    "el": ["Ο δήμαρχος είπε όχι.", "Έφυγε νωρίς."],
    "tr": ["Başkan İzmir'e gitti.", "Kim ödeyecek?", "Karar ertelendi."],
    "ar": ["ذهب العمدة إلى السوق.", "هل عاد؟", "نعم عاد."],
    "fa": ["شهردار به بازار رفت.", "آیا برگشت؟", "بله."],
    "hi": ["मेयर ने कहा कि पुल महँगा है।", "क्या वह लौटा?", "हाँ।"],
    "ko": ["시장은 다리가 비싸다고 말했다.", "누가 낼까?", "아무도 모른다."],
    "zh": ["市长说新的桥太贵了。", "谁来付钱？", "没有人知道！"],
    "km": ["អភិបាល​បាន​ទៅ​ផ្សារ។", "គាត់​បាន​ត្រឡប់​មក​វិញ។", "ល្អ​ណាស់៕"],
    "my": ["မြို့တော်ဝန်က ဈေးကို သွားတယ်။", "သူ ပြန်လာပြီ။"],
    "th": ["นายกเทศมนตรีกล่าวว่าสะพานแพงมาก ไม่มีใครรู้ว่าใครจะจ่าย"],
    "ja": ["市長は東京に行きました。", "誰が払いますか？", "誰も知りません。"],
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_of_other_languages(language):
    between = "" if language in ("zh", "ja") else " "
    sentences = LANGUAGES[language]

    assert split_sentences(between.join(sentences), language) == sentences
    # The end of a line ends a sentence.
    assert split_sentences("\n".join(sentences) + "\n\n" + sentences[0], language) == [*sentences, sentences[0]]


@pytest.mark.parametrize("language", [*LANGUAGES, "xx"])
def test_sentences_of_any_language_have_all_characters(language):
    @settings(max_examples=25, deadline=None)
    @given(st.text(max_size=40))
    def check(text):
        found = split_sentences(text, language)
        assert "".join("".join(found).split()) == "".join(text.split())
        assert all(found)

    check()
