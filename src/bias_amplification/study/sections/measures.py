"""What is measured of the articles that a model writes: leaning, text quality and perplexity."""

from typing import Literal, get_args

from pydantic import Field, model_validator

from bias_amplification.study.sections.models import Encoder
from bias_amplification.study.sections.section import NAME_PATTERN, Name, Section

#: Further splits of the classifier's articles: no event, or no outlet, is in two parts.
Split = Literal["event", "outlet"]

#: Classes of sentences, best first. The paper's detector has those without repetition (section 3.5).
QualityClass = Literal["clean", "mild_gibberish", "word_salad", "repetition", "noise"]

#: Measures of how much a version's articles have a label.
BiasMeasure = Literal["share", "mean_probability"]


class Candidate(Encoder):
    """A candidate for the leaning classifier (Table 1)."""

    name: Name = Field(pattern=NAME_PATTERN, description="The candidate's name, used in Table 1 and in file names.")
    train: bool = Field(
        True,
        description="Whether the run trains it. `false`: a trained classifier from a hub or folder is only tested. If "
        "it was trained on articles of this corpus, its test scores are too high.",
    )
    labels: dict[str, Name] = Field(
        default_factory=dict,
        description="For `train: false`: the study's label for each of the classifier's labels that has another name.",
    )

    @model_validator(mode="after")
    def _check_ready(self) -> "Candidate":
        if not self.train and self.source == "scratch":
            raise ValueError("train is false, but source is scratch: set source to hub or folder, or train to true")
        if self.train and self.labels:
            raise ValueError("labels is only for trained classifiers: set train to false, or remove labels")
        return self


class EncoderTraining(Section):
    """How sequence classifiers are trained (paper, appendix A)."""

    epochs: int = Field(
        5, ge=1, description="Passes over the training texts. The epoch with the best validation macro F1 is kept."
    )
    batch_size: int = Field(16, ge=1, description="Texts per step.")
    learning_rate: float = Field(
        2.0e-5, gt=0, description="Learning rate of the first step. It decays linearly to 0, without warm-up."
    )
    weight_decay: float = Field(0.01, ge=0, description="Weight decay of AdamW.")
    max_tokens: int = Field(512, ge=16, description="Longest text, in tokens. The rest of a longer one is cut off.")

    @property
    def warmup(self) -> float:
        """Share of the steps in which the learning rate rises: none, as in transformers' Trainer."""
        return 0.0


class Classifier(Section):
    """The leaning classifier (paper, section 3.4 and appendix A)."""

    candidates: list[Candidate] = Field(
        default_factory=lambda: [
            Candidate(name="small"),
            Candidate(name="smaller", width=32),
        ],
        min_length=1,
        description="Classifiers that are trained and compared. The one with the best validation macro F1 on the "
        "random split is selected.",
    )
    training: EncoderTraining = EncoderTraining()
    splits: list[Split] = Field(
        ["event", "outlet"],
        description="Further splits on which the selected candidate is trained and tested. They show how much higher "
        "the scores of a random split are.",
    )
    resample: bool = Field(
        True,
        description="Whether training articles of smaller labels are repeated until each label has as many as the "
        "largest.",
    )
    resample_first: bool = Field(
        False,
        description="Whether articles are repeated before the random split, as the paper's text describes. Copies of a "
        "training article are then tested too, which raises the scores. Otherwise each part of the split is resampled "
        "by itself.",
    )
    text: Literal["text", "title_and_text"] = Field(
        "text",
        description="What is classified of a synthetic article: the text that the model wrote, or the real title, "
        "the real head if there is one, and that text.",
    )
    remove_quotes: bool = Field(
        True,
        description="Whether double quotes are removed from the texts that the classifier reads, in training too "
        "(published code).",
    )
    max_tokens: int | None = Field(
        None,
        ge=16,
        description="Number of first tokens of a synthetic article that are classified; null: "
        "`classifier.training.max_tokens`.",
    )
    second: bool = Field(
        True,
        description="Whether the second-best candidate classifies every article too, to show how much depends on the "
        "choice. It has no effect if there is one candidate.",
    )


class Detector(Encoder):
    """The detector behind the text quality index. It classifies sentences as clean or as a kind of gibberish."""

    LATER = frozenset({"train", "repetition"})

    source: Literal["hub", "folder", "scratch"] = Field(
        "scratch",
        description="Where the detector comes from. `scratch`: the run makes it, and trains it on corrupted sentences "
        "of real articles. `folder` and `hub`: a trained detector, or an encoder that the run trains (`train`).",
    )
    train: bool = Field(
        False,
        description="For `folder` and `hub`: whether the run trains the encoder on corrupted sentences, with a fresh "
        "head. Pretrained weights need a small `quality.training.learning_rate`, such as 5.0e-5.",
    )
    repetition: bool = Field(
        False,
        description="Whether there is a fifth class, repetition, with the value 1 as word salad: sentences in which "
        "words are repeated again and again, and sentences that the text has written before. The paper's index has "
        "four classes, so the level of an index with this one cannot be compared with published numbers.",
    )
    labels: dict[str, QualityClass] = Field(
        default_factory=dict,
        description="For a trained detector: the name of the class (`clean`, `mild_gibberish`, `word_salad`, "
        "`repetition`, `noise`) for each of its labels that has another name.",
    )

    @model_validator(mode="after")
    def _check_training(self) -> "Detector":
        if self.train and self.source == "scratch":
            raise ValueError(
                "train is true, but source is scratch, which is always trained: set source, or remove train"
            )
        if self.train and self.labels:
            raise ValueError("labels is only for trained detectors: set train to false, or remove labels")
        return self

    @property
    def trained_by_run(self) -> bool:
        """Whether the run trains it, from fresh or from pretrained weights."""
        return self.train or self.source == "scratch"

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of sentences, best first."""
        return tuple(name for name in get_args(QualityClass) if self.repetition or name != "repetition")


class DetectorTraining(EncoderTraining):
    """How the run trains the quality detector."""

    epochs: int = Field(
        3, ge=1, description="Passes over the training sentences. The epoch with the best validation macro F1 is kept."
    )
    batch_size: int = Field(32, ge=1, description="Sentences per step.")
    learning_rate: float = Field(
        1.0e-3, gt=0, description="Learning rate of the first step. It decays linearly to 0, without warm-up."
    )
    max_tokens: int = Field(
        64,
        ge=16,
        description="Longest sentence, in tokens. The rest of a longer one is cut off, also when articles are scored.",
    )


class Quality(Section):
    """The text quality index (paper, section 3.5)."""

    detector: Detector = Detector()
    training: DetectorTraining = DetectorTraining()
    sentences: int = Field(6000, ge=100, description="Number of training sentences of the detector, over all classes.")
    score: Literal["class", "weighted"] = Field(
        "class",
        description="The index that figures and regressions use: the value of a sentence's class, or this value times "
        "the class's probability.",
    )
    splitter: Literal["sentence", "period"] = Field(
        "sentence",
        description="How a text is cut into sentences: by the rules of punctuation, or at every period (published "
        "code).",
    )
    readable: float = Field(
        2.0,
        ge=0,
        le=3,
        description="Lowest index (by class) of a readable article. A degenerate text is never readable. Shares of "
        "labels are also counted among readable articles alone.",
    )

    @property
    def column(self) -> str:
        """Name of the index in tables of text quality."""
        return "quality" if self.score == "class" else "quality_weighted"

    @property
    def index(self) -> str:
        """Name of the index in the metrics table."""
        return self.column.replace("quality", "text_quality_index")


class Degeneration(Section):
    """When what a model writes is no text any more, and what becomes of it."""

    few_words: int = Field(
        3, ge=1, description="A text with fewer words is too short to have a label. A text without a word is empty."
    )
    repeated: float = Field(
        0.5,
        gt=0,
        le=1,
        description="A text is repetitive if more than this share of its words is in loops or in stretches of eight "
        "words that it has twice.",
    )
    copied: float = Field(
        0.5,
        gt=0,
        le=1,
        description="A text is copied if more than this share of its words is in stretches of eight words that its "
        "prompts or its model's training texts have too.",
    )
    labels: Literal["written", "all"] = Field(
        "written",
        description="Which texts get a label. `written`: those that are not too short; shares of labels are of these. "
        "`all`: all, as in the published code; for an empty text the classifier gives the label that it gives to "
        "nothing.",
    )
    most_empty: float = Field(
        0.1,
        ge=0,
        le=1,
        description="The run stops if a larger share of a generation 0 is empty or too short, because the study would "
        "then say nothing. 1: it goes on in any case.",
    )


class Perplexity(Section):
    """Perplexity of synthetic articles (paper, appendix E)."""

    max_tokens: int = Field(
        1024, ge=2, description="Number of first tokens of an article that count, at most the model's context."
    )
