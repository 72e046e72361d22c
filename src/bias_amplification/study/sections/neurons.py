"""The analysis of neurons."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bias_amplification.models.architectures import ARCHITECTURES
from bias_amplification.study.sections.measures import BiasMeasure
from bias_amplification.study.sections.section import Name, Section, one_of

#: Rules that choose the lags of each neuron from its data.
DataDrivenLags = Literal["newey_west", "andrews"]

#: A fixed number of lags, or a rule.
Lags = Annotated[
    Annotated[int, Field(ge=0)] | Literal["plugin", DataDrivenLags],
    one_of("a whole number of at least 0, plugin, newey_west or andrews"),
]

#: A move of a permutation (see `neurons/permutations.py`).
Move = Literal["flip_generations", "exchange_replicates", "shift", "flip", "exchange"]

#: Moves that one permutation of the outcomes combines.
Moves = Annotated[list[Move], Field(min_length=1)]


class Permutations(Section):
    """Null distributions of the number of significant neurons and of the overlap of the two outcomes' neurons.

    They come from permuting the outcomes' changes from generation to generation.
    """

    number: int = Field(
        10_000, ge=19, description="Number of permutations of each null distribution; all of them if there are fewer."
    )
    schemes: list[Moves] | None = Field(
        None,
        min_length=1,
        description="The moves that each null distribution combines; verdicts are by the first. `flip_generations` "
        "changes the signs of the changes of all rounds into a generation together. `exchange_replicates` exchanges "
        "the replicates of all rounds of a seed set. `shift` moves a round's changes in a circle, `flip` changes the "
        "signs of a round's changes, `exchange` swaps whole rounds; these three take rounds for independent or alike. "
        "Entries with `exchange_replicates` need replicates, and are left out if no two of them are alike. "
        "null: `flip_generations` is first, or `exchange_replicates` where replicates allow at least 2 / `alpha` such "
        "exchanges; `flip` with `exchange` and `exchange` alone follow for comparison.",
    )
    sensitivity: int = Field(
        512,
        ge=19,
        description="Number of permutations for each row of the table of analysis choices, for predictions of held-out "
        "rounds, and for the estimate of the overlap.",
    )


class Calibration(Section):
    """Simulated studies that show how often each test rejects, and how many true effects it finds."""

    studies: int = Field(
        80,
        ge=20,
        description="Number of simulated studies in each world. A rate of 5% is then known to about 2.4 points; 1,000 "
        "studies take some ten times as long and give 0.7 points.",
    )
    neurons: int = Field(50, ge=10, description="Number of neurons in each simulated study.")
    effects: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.3, 0.5],
        description="Correlations between the changes of the outcome and those of the neurons that are given an "
        "effect.",
    )


class Reliability(Section):
    """Whether the neurons' associations reproduce between halves of the rounds and in a held-out round."""

    neurons: int = Field(
        100,
        ge=1,
        description="Number of neurons with the largest correlations that predict a held-out round; at most a tenth of "
        "all neurons.",
    )


class Neurons(Section):
    """The analysis of neurons (paper, section 3.6)."""

    TEST_KEYS: ClassVar[tuple[str, ...]] = ("difference", "lags", "reference", "small_sample", "fixed_effects")
    """The keys that define the test of one neuron."""

    probe_set: Name | None = Field(
        None, description="Name of the seed set on whose tokens activations are averaged; null: the first seed set."
    )
    max_tokens: int | None = Field(
        None,
        ge=1,
        description="Number of first tokens of a probe article that are averaged; null: as many as the model has "
        "positions.",
    )
    architecture: str = Field(
        "auto",
        description="Entry of the table of architectures that says where the model has its FFN; `auto`: the entry of "
        f"the model's type. Entries: {', '.join(f'`{name}`' for name in ARCHITECTURES)}.",
    )
    rounds: list[Name] | None = Field(
        None,
        min_length=1,
        description="Names of the rounds that are analysed; null: those whose training holds no neurons "
        "(`rounds[].held`), or all rounds if every round holds some.",
    )
    weight: Literal["mean", "l2"] = Field(
        "mean", description="The weight of a neuron: mean or L2 norm of its incoming weights."
    )
    activation: Literal["ffn", "block"] = Field(
        "ffn", description="The activation of a neuron: output of the FFN sublayer, or output of the whole block."
    )
    bias: BiasMeasure = Field(
        "share",
        description="The outcome bias: share of the articles that are classified as the tracked label, or its mean "
        "probability.",
    )
    tracked_label: Name | None = Field(
        None, description="The tracked label of all rounds; null: each round's own `tracked_label`."
    )
    difference: Literal["within", "across", "levels"] = Field(
        "within",
        description="What is regressed. `within`: first differences within rounds. `across`: first differences of all "
        "rounds in one series, from round to round too. `levels`: no differences, all rounds in one series.",
    )
    lags: Lags = Field(
        1,
        description="Newey-West lags: a number; `plugin`, which is floor(4 (n/100)^(2/9)); or a rule that chooses them "
        "for each neuron, `newey_west` (Newey and West, 1994) or `andrews` (Andrews, 1991).",
    )
    fixed_effects: Literal["none", "rounds", "both"] = Field(
        "both",
        description="What has a constant of its own. `both`: each round, and each generation, so that neither what all "
        "rounds do at the same time nor the drift of a round counts as an association; a single round has no constants "
        "of generations. `rounds`: each round. `none`: one constant for all rows, as in the paper.",
    )
    reference: Literal["t", "normal"] = Field("t", description="Reference distribution of the test statistic.")
    small_sample: bool = Field(
        True,
        description="Whether the covariance is multiplied by n / (n - k), where "
        "k is the number of coefficients: the slope and all constants.",
    )
    alpha: float = Field(0.05, gt=0, lt=1, description="Significance level.")
    set_sizes: list[Annotated[int, Field(gt=0)]] = Field(
        [10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000],
        min_length=1,
        description="Numbers of neurons in the sets whose overlap is estimated: so many with the largest |t| for bias, "
        "and as many for text quality. Sizes above half of the tested neurons are left out.",
    )
    permutations: Permutations = Permutations()
    reliability: Reliability = Reliability()
    calibration: Calibration = Calibration()
