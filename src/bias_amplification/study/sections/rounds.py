"""Rounds: training sets, fine-tuning, decoding and writing of their generations."""

from typing import Annotated, Literal

from pydantic import Field

from bias_amplification.study.sections.held import Held
from bias_amplification.study.sections.models import GivenModel
from bias_amplification.study.sections.section import NAME_PATTERN, Name, Section, one_of
from bias_amplification.study.strategies import STRATEGIES, control_names, with_option

#: The names of the strategies.
StrategyName = Literal[tuple(STRATEGIES)]

#: Names of a model's modules.
Modules = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]


def _strategies_described() -> str:
    described = {name: f"`{name}`: {strategy.description}" for name, strategy in STRATEGIES.items()}
    of_controls = [described.pop(name) for name in control_names()]
    return f"{' '.join(described.values())} Controls: {' '.join(of_controls)}"


def _of(option: str) -> str:
    """Return the beginning of an option's description: the strategies that have it."""
    return ", ".join(f"`{name}`" for name in with_option(option)) + ": "


class Adapter(Section):
    """Fine-tuning of small matrices beside the weights (LoRA), which are added to the weights after training."""

    rank: int = Field(8, ge=1, description="Rank of the matrices.")
    alpha: float = Field(16.0, gt=0, description="The product of the matrices is multiplied by `alpha` / `rank`.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout of what the matrices read.")
    target_modules: (
        Annotated[Literal["all-linear"] | Modules, one_of("all-linear, null, or a list of names")] | None
    ) = Field(
        None,
        description="Names of the modules that get matrices, such as `[q_proj, v_proj]`. `all-linear`: all linear "
        "modules except the output head. null: peft's choice for the architecture, which is in the attention.",
    )


class Finetuning(Section):
    """How each generation is trained (paper, section 3.2)."""

    LATER = frozenset({"adapter"})

    epochs: int = Field(5, ge=1, description="Passes over the training set.")
    batch_size: int = Field(8, ge=1, description="Examples per step.")
    learning_rate: float = Field(
        5.0e-5, gt=0, description="Learning rate of the first step. It decays linearly to 0, without warm-up."
    )
    weight_decay: float = Field(0.01, ge=0, description="Weight decay of AdamW.")
    max_tokens: int = Field(512, ge=16, description="Longest example, in tokens. The rest of a longer one is cut off.")
    example: Literal["article", "line"] = Field(
        "article", description="What makes a training example: a whole article, or a line of one (published code)."
    )
    blank_lines: bool = Field(
        False,
        description="With `example: line`, whether lines of fewer than two tokens are examples too (published code). "
        "Nothing is learned from them, but they take a place in a batch.",
    )
    learn_end: bool = Field(False, description="Whether the end-of-text token after an example is learned.")
    initialisation: Literal["previous", "base"] = Field(
        "previous", description="The weights that training starts from: the previous generation's or the base model's."
    )
    adapter: Adapter | None = Field(
        None, description="Training of an adapter (LoRA) in place of all weights. null: all weights are trained."
    )

    @property
    def warmup(self) -> float:
        """Share of the steps in which the learning rate rises: none, as in transformers' Trainer."""
        return 0.0


class Decoding(Section):
    """How a model continues a prompt."""

    method: Literal["greedy", "beam", "nucleus"] = Field("greedy", description="Decoding method.")
    beams: int = Field(5, ge=2, description="For method `beam`: number of beams.")
    top_p: float = Field(
        0.9, gt=0, le=1, description="For method `nucleus`: probability mass of the tokens that are sampled from."
    )
    temperature: float = Field(1.0, gt=0, description="For method `nucleus`: temperature.")

    @property
    def rows_per_prompt(self) -> int:
        """Sequences that are decoded for each prompt: the beams, or one."""
        return self.beams if self.method == "beam" else 1

    @property
    def default_prompts(self) -> int:
        """Prompts that are decoded at once if neither the config nor a GPU's memory decides: 256 sequences."""
        return max(1, 256 // self.rows_per_prompt)


class Generation(Section):
    """How a model writes a synthetic article (paper, section 3.3)."""

    LATER = frozenset({"precision"})

    prompt: Literal["blocks", "head"] | None = Field(
        None,
        description="The prompts of a text. `blocks`: its title, and each block of its body. `head`: its title and the "
        "beginning of its body together, which the model continues by at most as many tokens as the body has left. "
        "null: `head`, with a warning, if the median body of the seed set has fewer tokens than two blocks; otherwise "
        "`blocks`.",
    )
    head_tokens: int | None = Field(
        None,
        ge=1,
        description="For `head`: number of tokens of the body in the prompt. The prompt ends where a word ends, so it "
        "may have fewer. At least one token is left to be written. null: `head_share`.",
    )
    head_share: float = Field(0.3, gt=0, lt=1, description="For `head`: the same, as a share of the body's tokens.")
    block_tokens: int = Field(
        64,
        ge=1,
        description="For `blocks`: length of a prompt, in tokens. The body of a real article is cut into prompts of "
        "this length. Its title is a prompt of its own.",
    )
    new_tokens: int = Field(64, ge=1, description="For `blocks`: most tokens that are written after each prompt.")
    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        "float32",
        description="Precision of the model that writes. On a GPU, `tf32` is faster than `float32`, and `bfloat16` is "
        "faster than `tf32`, but some continuations become others (docs/speed.md says how many). On a CPU, `tf32` is "
        "`float32`, and `bfloat16` is slower.",
    )
    batch_prompts: int | None = Field(
        None,
        ge=1,
        description="Number of prompts that are decoded at once; fewer if they are longer than a block. It changes "
        "speed and memory, and what `nucleus` samples. null: 256, divided by the number of beams; for greedy decoding "
        "on a GPU, as many as fit into a quarter of its memory.",
    )

    @property
    def positions(self) -> int:
        """Positions that a block and its continuation take; 0 if no prompt is a block."""
        return 0 if self.prompt == "head" else self.block_tokens + self.new_tokens


class Strategies(Section):
    """Details of the strategies. A round may have values of its own in `options`."""

    # A key with a fraction has a title: the axis label of the figure of rounds that differ only in this key.

    preserved_share: float = Field(
        0.1,
        ge=0,
        le=1,
        title="Real articles, as a share of the seed set",
        description=_of("preserved_share")
        + "number of real articles in a training set, as a share of the seed set's size.",
    )
    preservation: Literal["add", "replace"] = Field(
        "add",
        description=_of("preservation") + "whether real articles are added to the synthetic ones or replace their "
        "synthetic versions.",
    )
    accumulation: Literal["with_seed_set", "synthetic_only"] = Field(
        "with_seed_set",
        description=_of("accumulation") + "whether the seed set is among the texts of every generation.",
    )
    budget: float = Field(
        1.0,
        gt=0,
        title="Training texts, as a multiple of the seed set",
        description=_of("budget") + "size of a training set, as a multiple of the seed set's size.",
    )
    kept_share: float = Field(
        0.75,
        gt=0,
        le=1,
        title="Share of the synthetic articles that is kept",
        description=_of("kept_share") + "share of the synthetic articles that stay, those of the highest quality.",
    )
    detector_articles: int = Field(
        300,
        ge=20,
        description="`human_likeness`: number of real articles that the base model continues, so that a detector can "
        "be trained to tell both versions apart. The same for all rounds.",
    )
    real_articles: Literal["refuse", "begin_again"] = Field(
        "refuse",
        description=_of("real_articles")
        + "what happens if the corpus has too few articles for all generations of all replicates "
        "(with `redrawn` articles, of at least `replicates.reserve`). `refuse`: the run stops. `begin_again`: articles "
        "are used again, from the first on.",
    )


class RoundReplicates(Section):
    """The round's own settings of `replicates`."""

    number: int | None = Field(None, ge=1, le=99, description="Number of replicates; null: `replicates.number`.")
    articles: Literal["same", "redrawn"] | None = Field(
        None, description="Seed articles of the replicates; null: `replicates.articles`."
    )


class Replicates(Section):
    """Repetitions of each round with other seeds, which show how much of a difference is chance.

    A replicate has its own generation 0, and its own seeds for training and writing. If `number` is raised, only the
    new replicates are made, and rounds with `held` neurons again.
    """

    number: int = Field(1, ge=1, le=99, description="Number of replicates of each round.")
    articles: Literal["same", "redrawn"] = Field(
        "same",
        description="`same`: all replicates start from the same seed articles. `redrawn`: each replicate has its own "
        "draw of them, without overlap if the corpus has enough articles.",
    )
    reserve: int = Field(
        5,
        ge=1,
        le=99,
        description="For `redrawn`: the number of replicates whose seed articles, and real articles for strategy "
        "`real`, the classifier and a pretrained base model do not see. If `number` is raised above it, both are "
        "trained again.",
    )


class Round(Section):
    """A chain of generations with one seed set, one strategy and one decoding method.

    A round with `models`, one for each generation, fine-tunes nothing: articles, measures and neurons are made with
    these models. They must have the base model's architecture and tokenizer. Such a round has one replicate.
    """

    name: Name = Field(pattern=NAME_PATTERN, description="The round's name, used in file names and figures.")
    seed_set: Name = Field(description="Name of the seed set that the round starts from.")
    strategy: StrategyName = Field(
        description=f"What a generation after generation 0 is trained on. {_strategies_described()}"
    )
    tracked_label: Name = Field(description="The label whose share is the round's measure of bias.")
    decoding: Decoding = Decoding()
    epochs: int | None = Field(None, ge=1, description="The round's own number of epochs; null: `finetuning.epochs`.")
    weight_decay: float | None = Field(
        None, ge=0, description="The round's own weight decay; null: `finetuning.weight_decay`."
    )
    options: Strategies = Field(
        Strategies(), description="The round's own values of keys of `strategies`; a key left out has the value there."
    )
    replicates: RoundReplicates = RoundReplicates()
    held: Held | None = Field(
        None, description="Neurons that the round's training holds from generation 1 on; null: none."
    )
    models: list[GivenModel] = Field(
        default_factory=list,
        description="Models that were trained elsewhere, one for each generation from 0 on. Empty: the round trains "
        "its models.",
    )
