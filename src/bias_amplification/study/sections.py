"""The sections of the config, each key with its type, range, default and meaning.

These models are the single source: the JSON schema for editors and the table of keys in ``config/README.md`` are
generated from them (``make docs``), and a test holds them together.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WrapValidator, model_validator

Name = str
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_\-.]*$"


class Section(BaseModel):
    """A part of the config: unknown keys are an error, values are never converted and never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Cleaning(Section):
    """What makes an article fit for the study."""

    min_words: int = Field(20, ge=1, description="Articles with fewer words in the body are left out and counted.")


class Identity(Section):
    """Removal of what gives away an article's outlet or author."""

    remove: bool = Field(True, description="Remove outlets' names, bylines, wire credits and author notes.")
    review_file: str | None = Field(
        None,
        description="A reviewed copy of `corpus/review.csv`: its decisions (accept, reject, added rows) are applied "
        "instead of the automatic proposals.",
    )
    outlets_file: str | None = Field(None, description="A CSV of further outlet names; null uses the shipped list.")


class Press(Section):
    """Size of the embedded press, the corpus that the project writes itself."""

    events: int = Field(1400, ge=10, description="Number of news events; each is covered by several outlets.")


class Corpus(Section):
    """Where the real articles come from."""

    source: Literal["press", "webis", "article_bias_prediction", "table"] = Field(
        "press",
        description="`press` (written by the project), `webis` (Webis-Bias-Flipper-18), `article_bias_prediction` "
        "(Baly et al. 2020), or `table` (any CSV, JSONL or Parquet).",
    )
    path: str | None = Field(
        None, description="A local file or folder of the source; null downloads it from `url` (not for `table`)."
    )
    url: str | None = Field(None, description="Address of the archive; null uses the source's own.")
    checksum: str | None = Field(None, description="`md5:...` or `sha256:...` of the archive at `url`.")
    columns: dict[str, str | None] = Field(
        default_factory=dict,
        description="For `table`: the file's column for each of article_id, event_id, outlet, date, title, body, "
        "label; null or absent if it has none (title and body may be the same only by giving both).",
    )
    label_map: dict[str, str | None] = Field(
        default_factory=dict,
        description="From the file's label values to the study's labels; null leaves articles with that value out. "
        "Empty: values are labels already.",
    )
    labels: list[Annotated[Name, Field(pattern=NAME_PATTERN)]] = Field(
        ["left", "center", "right"], min_length=2, description="The study's label set."
    )
    cleaning: Cleaning = Cleaning()
    identity: Identity = Identity()
    press: Press = Press()

    @model_validator(mode="after")
    def _check(self) -> "Corpus":
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("corpus.labels names a label twice: remove one")
        unknown = sorted({label for label in self.label_map.values() if label is not None} - set(self.labels))
        if unknown:
            raise ValueError(f"corpus.label_map leads to {unknown[0]!r}, which corpus.labels lacks: add it or map it")
        if self.source in ("webis", "article_bias_prediction") and not self.label_map:
            raise ValueError(f"corpus.label_map is empty: say which of {self.source}'s labels is which of the study's")
        if self.source == "table" and self.path is None:
            raise ValueError("corpus.path is needed with corpus.source table: name a CSV, JSONL or Parquet file")
        return self


class SeedSet(Section):
    """The real articles that a round starts from."""

    name: Name = Field(pattern=NAME_PATTERN, description="Its name in files and in `rounds`.")
    labels: list[Name] = Field(min_length=1, description="Labels drawn, equally many articles of each.")
    size: int = Field(gt=0, description="Articles in all; with one label, or as many as exist if fewer.")
    draw: Literal["shuffled", "pandas"] = Field(
        "shuffled",
        description="`shuffled`: from one order of each label that does not depend on the file's, so that seed sets "
        "overlap each other as far as they can. `pandas`: as the published code, each label by `DataFrame.sample` with "
        "`random_state` the study's `seed`, then all shuffled the same way.",
    )
    shared_with_classifier: bool = Field(
        False,
        description="Whether its articles may be the classifier's training articles too, as in the published center "
        "set. The classifier then judges what is prompted by texts that it has learned.",
    )

    @model_validator(mode="after")
    def _check(self) -> "SeedSet":
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"seed_sets {self.name}: labels names a label twice: remove one")
        if self.size % len(self.labels):
            raise ValueError(
                f"seed_sets {self.name}: size must be a multiple of {len(self.labels)}, its number of labels"
            )
        return self


class Pretraining(Section):
    """A small GPT-2 and its byte-level BPE, trained by the run: its bias is set, not guessed."""

    layers: int = Field(3, ge=1, description="Transformer blocks.")
    width: int = Field(96, ge=8, description="Width of the residual stream, also the FFN output units per block.")
    heads: int = Field(3, ge=1, description="Attention heads; must divide `width`.")
    context: int = Field(512, ge=128, description="Positions.")
    tokenizer: str | None = Field(None, description="A folder with tokenizer.json; null trains a byte-level BPE.")
    vocabulary: int = Field(1536, ge=300, description="Tokens of the trained BPE, end-of-text included.")
    label_mix: dict[Name, Annotated[float, Field(ge=0)] | None] = Field(
        default_factory=lambda: {"left": 0.05, "center": 0.48, "right": 0.47},
        description="Share of each label among the pretraining articles, made to sum to 1; null or 0: none.",
    )
    articles: int | None = Field(None, gt=0, description="Pretraining articles; null: as many as the label mix allows.")
    epochs: int = Field(6, ge=1, description="Passes over the pretraining articles.")
    batch_size: int = Field(16, ge=1, description="Sequences per step.")
    learning_rate: float = Field(1.0e-3, gt=0, description="Peak learning rate; linear decay after warm-up.")
    weight_decay: float = Field(0.01, ge=0, description="AdamW weight decay.")
    warmup: float = Field(0.05, ge=0, lt=1, description="Share of the steps that warm up.")

    @model_validator(mode="after")
    def _check(self) -> "Pretraining":
        if self.width % self.heads:
            raise ValueError("base_model.pretraining.heads must divide base_model.pretraining.width: change one")
        if not any(self.label_mix.values()):
            raise ValueError("base_model.pretraining.label_mix gives no label a share: give one a number above 0")
        return self


class ModelSource(Section):
    """A model from a hub or a folder."""

    source: Literal["hub", "folder", "scratch"] = Field(description="Where the model comes from.")
    hub_id: str | None = Field(None, description="Hub id, for source `hub`.")
    revision: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{40}$",
        description="The hub commit, 40 hex digits: pinned, so that runs can repeat.",
    )
    path: str | None = Field(None, description="A folder in Hugging Face format, for source `folder`.")

    @model_validator(mode="after")
    def _check_source(self) -> "ModelSource":
        if self.source == "hub" and not (self.hub_id and self.revision):
            raise ValueError(
                "source hub needs hub_id and revision: add the model's name and a commit of its repository"
            )
        if self.source == "folder" and not self.path:
            raise ValueError("source folder needs path: add a folder in Hugging Face format")
        return self


class BaseModelSettings(ModelSource):
    """The model before any fine-tuning."""

    source: Literal["hub", "folder", "pretrain"] = Field(
        "pretrain", description="`pretrain` (by the run), `folder` (Hugging Face format) or `hub`."
    )
    pretraining: Pretraining = Pretraining()


class Finetuning(Section):
    """How each generation is trained (paper, section 3.2)."""

    epochs: int = Field(5, ge=1, description="Passes over the training set.")
    batch_size: int = Field(8, ge=1, description="Examples per step.")
    learning_rate: float = Field(5.0e-5, gt=0, description="Peak of a linear decay without warm-up, AdamW.")
    weight_decay: float = Field(0.01, ge=0, description="AdamW weight decay.")
    max_tokens: int = Field(512, ge=16, description="Examples are cut to their first tokens.")
    example: Literal["article", "line"] = Field(
        "article", description="One example per article, or per line of it (published code)."
    )
    blank_lines: bool = Field(
        False,
        description="Whether blank lines, and lines of one token, are examples too with `example: line` (published "
        "code): they teach nothing, but take a place in a batch.",
    )
    learn_end: bool = Field(False, description="Whether the end-of-text token after an article is learned.")
    initialisation: Literal["previous", "base"] = Field(
        "previous", description="Weights that a generation starts from: the previous generation's or the base's."
    )


class Decoding(Section):
    """How a model continues a prompt."""

    method: Literal["greedy", "beam", "nucleus"] = Field("greedy", description="Decoding method.")
    beams: int = Field(5, ge=2, description="Beams, for `beam`.")
    top_p: float = Field(0.9, gt=0, le=1, description="Probability mass, for `nucleus`.")
    temperature: float = Field(1.0, gt=0, description="Temperature, for `nucleus`.")


def usual_prompts(beams: int = 1) -> int:
    """Tell how many prompts are decoded at once where neither the config nor a GPU's memory does: 256 rows of beams."""
    return max(1, 256 // beams)


class Generation(Section):
    """How a synthetic article is written (paper, section 3.3)."""

    block_tokens: int = Field(64, ge=1, description="Length of a body block, each a prompt of its own.")
    new_tokens: int = Field(64, ge=1, description="Tokens that continue each prompt, at most.")
    batch_prompts: int | None = Field(
        None,
        ge=1,
        description="Prompts decoded at once, longer ones fewer. Changes speed and memory, and what `nucleus` draws. "
        "null: 256, divided by the beams, and for greedy decoding on a GPU as many as a quarter of its memory holds.",
    )


class GivenModel(ModelSource):
    """The model of one generation, trained elsewhere and taken as it is (published checkpoints, say)."""

    source: Literal["hub", "folder"] = Field(description="Where the model comes from.")


class Round(Section):
    """A chain of generations: a seed set, a strategy, a decoding.

    With `models`, one for each generation, nothing is fine-tuned: articles, measures and neurons are made of these.
    They must have the base model's architecture and tokenizer.
    """

    name: Name = Field(pattern=NAME_PATTERN, description="Its name in files and figures.")
    seed_set: Name = Field(description="The seed set's name.")
    strategy: Literal["synthetic", "overfitting", "preservation", "accumulation"] = Field(
        description="What a generation is trained on."
    )
    tracked_label: Name = Field(description="The label whose share the round follows.")
    decoding: Decoding = Decoding()
    epochs: int | None = Field(None, ge=1, description="Instead of `finetuning.epochs`.")
    weight_decay: float | None = Field(None, ge=0, description="Instead of `finetuning.weight_decay`.")
    models: list[GivenModel] = Field(
        default_factory=list, description="Models of the generations, from 0 on, instead of fine-tuning; none: trained."
    )


class Strategies(Section):
    """Details of the mitigation strategies (paper, section 4.3)."""

    preserved_share: float = Field(0.1, gt=0, le=1, description="Preservation: real articles, of the seed set's size.")
    preservation: Literal["add", "replace"] = Field(
        "add", description="Preservation: real articles join the synthetic ones or take their place."
    )
    accumulation: Literal["with_seed_set", "synthetic_only"] = Field(
        "with_seed_set", description="Accumulation: whether the seed set itself stays in the training set."
    )


class Encoder(ModelSource):
    """A sequence classifier: pretrained elsewhere, or trained from scratch by the run."""

    source: Literal["hub", "folder", "scratch"] = Field("scratch", description="Where the encoder comes from.")
    architecture: Literal["modernbert", "bert", "distilbert", "roberta"] = Field(
        "modernbert",
        description="For `scratch`. A small `modernbert` learns most from little text: it averages over all tokens, "
        "where the others read the first one.",
    )
    layers: int = Field(2, ge=1, description="For `scratch`: blocks.")
    width: int = Field(64, ge=8, description="For `scratch`: width.")
    heads: int = Field(2, ge=1, description="For `scratch`: attention heads.")
    vocabulary: int = Field(2000, ge=300, description="For `scratch`: tokens of its BPE.")
    dropout: float = Field(0.0, ge=0, lt=1, description="For `scratch`: dropout.")

    @model_validator(mode="after")
    def _check_size(self) -> "Encoder":
        if self.source == "scratch" and self.width % self.heads:
            raise ValueError("heads must divide width: change one")
        return self


class Candidate(Encoder):
    """A candidate for the leaning classifier (Table 1)."""

    name: Name = Field(pattern=NAME_PATTERN, description="Its name in Table 1 and in files.")
    train: bool = Field(
        True,
        description="`false`: a classifier from a hub or folder that is ready, taken as it is and only tested. If it "
        "has learned from this corpus, the test flatters it.",
    )
    labels: dict[str, Name] = Field(
        default_factory=dict,
        description="For `train: false`: from the classifier's label names to the study's, where they differ.",
    )

    @model_validator(mode="after")
    def _check_ready(self) -> "Candidate":
        if not self.train and self.source == "scratch":
            raise ValueError("train false needs a classifier that is ready: give it source hub or folder, or train it")
        if self.train and self.labels:
            raise ValueError("labels is for a classifier that is ready: add train false, or remove it")
        return self


class EncoderTraining(Section):
    """How sequence classifiers are trained (paper, appendix A)."""

    epochs: int = Field(5, ge=1, description="Epochs; the best by validation macro F1 is kept.")
    batch_size: int = Field(16, ge=1, description="Texts per step.")
    learning_rate: float = Field(2.0e-5, gt=0, description="Peak of a linear decay, AdamW.")
    weight_decay: float = Field(0.01, ge=0, description="AdamW weight decay.")
    max_tokens: int = Field(512, ge=16, description="Texts are cut to their first tokens.")


class Classifier(Section):
    """The leaning classifier (paper, section 3.4 and appendix A)."""

    candidates: list[Candidate] = Field(
        default_factory=lambda: [
            Candidate(name="small"),
            Candidate(name="smaller", width=32),
        ],
        min_length=1,
        description="Trained and compared; the best by validation macro F1 on the random split is used.",
    )
    training: EncoderTraining = EncoderTraining()
    splits: list[Literal["event", "outlet"]] = Field(
        ["event", "outlet"],
        description="Further splits on which the selected candidate is trained and tested, to show how much a random "
        "split flatters.",
    )
    resample: bool = Field(True, description="Draw smaller labels' training articles again up to the largest label's.")
    resample_first: bool = Field(
        False,
        description="Draw them before the random split, in the order of the paper's text, so that copies of a training "
        "article are tested too, which flatters. Else each part is resampled by itself.",
    )
    text: Literal["text", "title_and_text"] = Field(
        "text", description="What is classified of a synthetic article: the model's text, or the real title before it."
    )
    remove_quotes: bool = Field(
        True, description="Take double quotes out of what the classifier reads, in training too (published code)."
    )
    max_tokens: int | None = Field(
        None, ge=16, description="First tokens of a synthetic article that are classified; null: as in training."
    )
    second: bool = Field(
        True,
        description="Whether the candidate that comes second classifies every article too, to show how much hangs on "
        "the choice. Ignored with one candidate.",
    )


class Detector(Encoder):
    """The detector behind the text quality index."""

    source: Literal["hub", "folder", "scratch"] = Field(
        "scratch", description="`scratch`: trained by the run on graded corruptions of real sentences."
    )
    labels: dict[str, Literal["clean", "mild_gibberish", "word_salad", "noise"]] = Field(
        default_factory=dict,
        description="From a published detector's label names to clean, mild_gibberish, "
        "word_salad, noise, where they differ.",
    )


class DetectorTraining(EncoderTraining):
    """How the detector is trained when it is trained by the run."""

    epochs: int = Field(3, ge=1, description="Epochs; the best by validation macro F1 is kept.")
    batch_size: int = Field(32, ge=1, description="Sentences per step.")
    learning_rate: float = Field(1.0e-3, gt=0, description="Peak of a linear decay, AdamW.")
    max_tokens: int = Field(64, ge=16, description="Sentences are cut to their first tokens.")


class Quality(Section):
    """The text quality index (paper, section 3.5)."""

    detector: Detector = Detector()
    training: DetectorTraining = DetectorTraining()
    sentences: int = Field(6000, ge=100, description="Training sentences of the detector, over its four classes.")
    score: Literal["class", "weighted"] = Field(
        "class", description="The index in figures and regressions: class value, or class value times probability."
    )
    splitter: Literal["sentence", "period"] = Field("sentence", description="How a text is cut into sentences.")
    readable: float = Field(
        2.0,
        ge=0,
        le=3,
        description="Articles whose index by class is at least this are readable: shares of labels are also counted "
        "among these alone.",
    )


class Perplexity(Section):
    """Perplexity of synthetic articles (paper, appendix E)."""

    max_tokens: int = Field(1024, ge=2, description="First tokens of an article; at most the model's context.")


def _lags(value: Any, check: Callable[[Any], int | str]) -> int | str:
    """Say in one sentence what a union of types would say in two."""
    try:
        return check(value)
    except ValidationError:
        raise ValueError(
            f"neurons.lags is {value!r}, but must be a whole number from 0 up, or plugin, newey_west or andrews"
        ) from None


Lags = Annotated[Annotated[int, Field(ge=0)] | Literal["plugin", "newey_west", "andrews"], WrapValidator(_lags)]


Moves = Annotated[list[Literal["shift", "flip", "exchange"]], Field(min_length=1)]


class Permutations(Section):
    """Null distributions of the neurons' counts and overlaps, by permuting the outcomes' changes over the rounds."""

    number: int = Field(10_000, ge=19, description="Permutations; all that there are, where these are fewer.")
    schemes: list[Moves] = Field(
        [["flip", "exchange"], ["exchange"], ["flip"], ["shift"], ["shift", "flip", "exchange"]],
        min_length=1,
        description="Moves of each null: `shift` a round's changes in a circle, `flip` the signs of a round's changes, "
        "`exchange` whole rounds. The first gives the verdict; the default leaves out `shift`, which rejects too often "
        "where steps shrink over generations.",
    )
    sensitivity: int = Field(500, ge=19, description="Permutations of each row of the table of choices.")


class Calibration(Section):
    """Simulated studies that show how often each test rejects, and what it finds."""

    studies: int = Field(1000, ge=20, description="Simulated studies of each world.")
    neurons: int = Field(50, ge=10, description="Neurons of each study.")
    effects: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.3, 0.5], description="Correlations between the changes of a planted neuron and of the outcome."
    )


class Neurons(Section):
    """The mechanistic analysis (paper, section 3.6)."""

    probe_set: Name | None = Field(
        None, description="The seed set whose tokens the activations are averaged over; null: the first."
    )
    max_tokens: int | None = Field(
        None, ge=1, description="First tokens of a probe article that count; null: as many as the model has positions."
    )
    architecture: str = Field(
        "auto", description="Where the model keeps its FFN; `auto` goes by the model's own config."
    )
    rounds: list[Name] | None = Field(
        None, min_length=1, description="Rounds whose versions the study of neurons is about; null: all."
    )
    weight: Literal["mean", "l2"] = Field("mean", description="Summary of a unit's incoming weights.")
    activation: Literal["ffn", "block"] = Field("ffn", description="Output averaged: FFN sublayer or whole block.")
    bias: Literal["share", "mean_probability"] = Field("share", description="Measure of the tracked label.")
    tracked_label: Name | None = Field(None, description="One label for all rounds; null: each round's own.")
    difference: Literal["within", "across", "levels"] = Field(
        "within", description="First differences within rounds, across their borders, or no differences."
    )
    lags: Lags = Field(
        1,
        description="Newey-West lags; `plugin` for floor(4 (n/100)^(2/9)); or chosen for each neuron by `newey_west` "
        "(1994) or `andrews` (1991).",
    )
    fixed_effects: bool = Field(False, description="A constant for each round instead of one for all.")
    reference: Literal["t", "normal"] = Field("t", description="Reference distribution of the statistic.")
    small_sample: bool = Field(True, description="Multiply the covariance by n / (n - 2).")
    alpha: float = Field(0.05, gt=0, lt=1, description="Significance threshold.")
    permutations: Permutations = Permutations()
    calibration: Calibration = Calibration()


class Theory(Section):
    """The Beta simulation (paper, appendix I)."""

    samples: int = Field(100_000, ge=100, description="Draws per generation.")
    generations: int = Field(10, ge=1, description="Generations after the first.")


class Figures(Section):
    """What figures of bias over generations show."""

    bias: Literal["share", "mean_probability"] = Field(
        "share",
        description="Measure of a label: share of the articles whose most likely label it is (the paper's definition), "
        "or its mean probability. The published figures mix the two; tables hold both.",
    )
    published: bool = Field(True, description="Draw the published results lightly beside the run's own.")


class Comparison(Section):
    """The published numbers beside the run's own."""

    level: Literal["auto", "level", "direction"] = Field(
        "auto",
        description="Whether a number can be within sampling error of the published one, or only move in the same "
        "direction. `auto`: levels where corpus, base model and detector are the paper's by name. `level` claims it "
        "for models from folders; `direction` gives it up.",
    )


class Example(Section):
    """The article whose evolution is shown (paper, appendices C and F)."""

    article_id: str | None = Field(None, description="An article of the seed set; null: the first with `label`.")
    label: Name | None = Field(
        None, description="Label of the article chosen when `article_id` is null; null: the seed set's first."
    )
    round: Name | None = Field(None, description="The round shown; null: the first.")


def _weights(value: Any, check: Callable[[Any], int | str]) -> int | str:
    """Say in one sentence what a union of types would say in two."""
    try:
        return check(value)
    except ValidationError:
        raise ValueError(f"storage.weights is {value!r}, but must be all, none, or a whole number from 1 up") from None


Weights = Annotated[Literal["all", "none"] | Annotated[int, Field(ge=1)], WrapValidator(_weights)]


class Storage(Section):
    """What a study leaves on disk."""

    weights: Weights = Field(
        "all",
        description="Model weights that stay: `all`, `none`, or those of every k-th generation. The others are removed "
        "once their articles, perplexities and neurons are there and the next generation is trained.",
    )


class Compute(Section):
    """Device and precision. `auto` takes what is there. Only a change of precision makes anything again."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="`auto`: CUDA if there, else CPU.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="Autocast in training: bfloat16 where the GPU supports it natively, else float32. A study that "
        "moves between a CPU and a GPU keeps one precision only if it is named.",
    )
    gpus: int = Field(
        1, ge=1, description="GPUs of a fine-tuning job, which share each batch. Ignored on a CPU. Changes last bits."
    )
    threads: int = Field(1, ge=1, description="CPU threads of a chain's job. Changes last bits.")
    training_threads: int = Field(2, ge=1, description="CPU threads of pretraining. Changes last bits.")
    batch_tokens: int = Field(16384, ge=512, description="Tokens measured at once. Changes speed and memory alone.")
    checkpoint_seconds: float = Field(
        300.0,
        ge=0,
        description="Time between two savings of an unfinished job's state, from which a killed one goes on.",
    )
    warm: bool = Field(
        True, description="Local jobs fork from one process with the libraries loaded, instead of loading them each."
    )
