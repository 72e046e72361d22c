"""Neurons that the training of a round holds, so that they cannot follow the round's texts."""

from typing import Literal

from pydantic import Field, model_validator

from bias_amplification.study.sections.interventions import UnitOutcome
from bias_amplification.study.sections.section import LocalPath, Name, Section


class Held(Section):
    """Neurons whose incoming weights and bias do not change in a round's training, or are pulled to the base model's.

    They are held from generation 1 on, because rounds share generation 0. The set is found on other rounds.
    """

    outcome: UnitOutcome | None = Field(
        None,
        description="The outcome whose neurons are held, those with the largest |t|. `both`: those of both outcomes. "
        "`bias_only`, `quality_only`: those of one outcome that are not the other's. null: the neurons are in `file`.",
    )
    file: LocalPath | None = Field(
        None, description="CSV file with the columns `layer` and `neuron`, both counted from 0. null: from `outcome`."
    )
    size: int | None = Field(None, ge=1, description="Number of neurons; needed with `outcome`.")
    measure: Literal["weight", "activation"] = Field(
        "weight", description="The measure of neurons whose association with the outcome chooses the set."
    )
    rounds: list[Name] = Field(
        default_factory=list,
        description="Names of the rounds on which the set is found; needed with `outcome`. Replicate r of the round "
        "takes the set that is found on all replicates of these rounds but r, and all of a round that has only one.",
    )
    penalty: float | None = Field(
        None,
        gt=0,
        description="null: the neurons are frozen. A number: in each step, penalty * (weights - base model's weights) "
        "is added to the gradient of their incoming weights and bias.",
    )

    @model_validator(mode="after")
    def _check_source(self) -> "Held":
        if (self.outcome is None) == (self.file is None):
            raise ValueError("exactly one of outcome and file is needed: set one, remove the other")
        chosen = {"size": self.size is not None, "measure": self.measure != "weight", "rounds": bool(self.rounds)}
        for key, is_set in chosen.items():
            if self.file and is_set:
                raise ValueError(f"file is set, so that {key} has no effect: remove it")
        if self.outcome and self.size is None:
            raise ValueError("outcome is set, but size is missing: add the number of neurons")
        if self.outcome and not self.rounds:
            raise ValueError("outcome is set, but rounds is missing: add the names of the rounds that choose")
        if repeated := [name for name in self.rounds if self.rounds.count(name) > 1]:
            raise ValueError(f"{repeated[0]} is twice in rounds: remove one")
        return self
