"""What is shown: the theory's simulation, figures, the comparison with the paper, and an example."""

from typing import Literal

from pydantic import Field

from bias_amplification.study.sections.measures import BiasMeasure
from bias_amplification.study.sections.section import Name, Section


class Theory(Section):
    """The Beta simulation (paper, appendix I)."""

    samples: int = Field(100_000, ge=100, description="Number of samples per generation.")
    generations: int = Field(10, ge=1, description="Number of generations after the first.")


class Figures(Section):
    """What the figures of bias over generations show."""

    bias: BiasMeasure = Field(
        "share",
        description="Measure of a label: share of the articles that are classified as it (the paper's definition), or "
        "its mean probability. The paper's figures mix the two; tables have both.",
    )
    published: bool = Field(True, description="Whether the paper's results are drawn as pale lines.")


class Comparison(Section):
    """Comparison of the run's numbers with the paper's."""

    level: Literal["auto", "level", "direction"] = Field(
        "auto",
        description="What is compared. `level`: whether a number is within sampling error of the paper's. `direction`: "
        "only whether it changes in the same direction. `auto`: levels where corpus, base model and detector are the "
        "paper's by name. Set `level` if models from folders are the paper's.",
    )


class Example(Section):
    """The article that is shown across generations (paper, appendices C and F), and others to choose from."""

    article_id: str | None = Field(
        None, description="Id of an article of the seed set; null: the first article with `label`."
    )
    label: Name | None = Field(
        None, description="If `article_id` is null, the label of the article; null: that of the seed set's first."
    )
    round: Name | None = Field(None, description="Name of the round that is shown; null: the first round.")
    articles: int = Field(
        48,
        ge=1,
        description="Number of articles of each seed set from which readers of the page of articles can choose: the "
        "article that is shown, then the first ones of each label in turn. More make the page larger.",
    )
