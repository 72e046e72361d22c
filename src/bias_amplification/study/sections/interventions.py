"""Interventions: neurons of a trained version are changed, and the version writes again."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bias_amplification.study.sections.section import NAME_PATTERN, LocalPath, Name, Section

#: How a set of neurons is chosen from the two outcomes' associations.
UnitOutcome = Literal["bias", "quality", "both", "bias_only", "quality_only"]

#: What is done to neurons (see `interventions/edits.py`).
ActionKind = Literal["restore", "transplant", "ablate", "scale", "steer"]


class UnitSet(Section):
    """A set of neurons that is changed."""

    name: Name = Field(pattern=NAME_PATTERN, description="The set's name in tables and figures.")
    outcome: UnitOutcome | None = Field(
        None,
        description="The outcome whose neurons are taken. `both`: those of both outcomes. `bias_only`, `quality_only`: "
        "those of one outcome that are not the other's. null: the neurons are in `file`.",
    )
    file: LocalPath | None = Field(
        None, description="CSV file with the columns `layer` and `neuron`, both counted from 0. null: from `outcome`."
    )
    helps: Literal["bias", "quality"] | None = Field(
        None, description="For `file`: the outcome on which the set is expected to act; null: none."
    )

    @model_validator(mode="after")
    def _check_source(self) -> "UnitSet":
        if (self.outcome is None) == (self.file is None):
            raise ValueError(f"set {self.name}: exactly one of outcome and file is needed: set one, remove the other")
        if self.outcome and self.helps:
            raise ValueError(f"set {self.name}: helps is only for sets from a file: remove it")
        return self


class Action(Section):
    """A change of neurons."""

    kind: ActionKind = Field(
        description="`restore`: incoming weights and bias of an earlier model. `transplant`: those of a later "
        "generation. `ablate`: the output is 0, or its mean. `scale`: the output is multiplied. `steer`: the change "
        "of the mean output is added several times."
    )
    generation: int | None = Field(
        None,
        ge=0,
        description="For `restore`, `transplant` and `steer`: the generation of the same chain whose weights are put "
        "in, or from which the change is counted; null: the base model (not for `transplant`).",
    )
    output: Literal["zero", "mean"] | None = Field(
        None, description="For `ablate`: 0, or the version's mean output on the probe set; null: `zero`."
    )
    amounts: list[float] = Field(
        default_factory=list,
        description="For `scale`: factors. For `steer`: multiples of the change. None for the other kinds.",
    )

    @model_validator(mode="after")
    def _check_keys(self) -> "Action":
        if self.kind in ("scale", "steer") and not self.amounts:
            raise ValueError(f"kind is {self.kind}, but amounts is missing: add it, such as [0.5, 2]")
        if self.kind not in ("scale", "steer") and self.amounts:
            raise ValueError(f"kind is {self.kind}, which has no amounts: remove them")
        if self.kind in ("ablate", "scale") and self.generation is not None:
            raise ValueError(f"kind is {self.kind}, which needs no other generation: remove generation")
        if self.kind == "transplant" and self.generation is None:
            raise ValueError("kind is transplant, but generation is missing: add the later generation")
        if self.kind != "ablate" and self.output is not None:
            raise ValueError(f"kind is {self.kind}, which has no output: remove it")
        if len(set(self.amounts)) < len(self.amounts):
            raise ValueError(f"kind is {self.kind}: amounts has the same number twice: remove one")
        return self

    @property
    def reference(self) -> str | None:
        """The model that the action needs beside the one it changes: "base" or a generation's number; None: none."""
        if self.kind in ("ablate", "scale"):
            return None
        return "base" if self.generation is None else str(self.generation)

    def fault(self, changed: int, last: int) -> str | None:
        """Return what to do about `generation` where a generation is changed; None if nothing is wrong."""
        if self.generation is None:
            return None
        if self.kind == "restore" and self.generation >= changed:
            return "name an earlier generation, or null for the base model"
        if self.kind == "transplant" and changed == last:
            return "set interventions.generations to an earlier one"
        if self.kind == "transplant" and not changed < self.generation <= last:
            return "name a later generation, up to the last one"
        if self.generation == changed or self.generation > last:
            return "name another generation, up to the last one"
        return None

    @property
    def name(self) -> str:
        """The action in tables and figures, such as "restore base", "transplant 3", "ablate mean" or "scale"."""
        detail = (self.output or "zero") if self.kind == "ablate" else self.reference
        return f"{self.kind} {detail}" if detail else self.kind


class Interventions(Section):
    """Whether neurons cause bias or text quality: they are changed, and the version writes again.

    A set of neurons is compared with control sets, which have as many neurons in each layer, as large and as changed.
    """

    rounds: list[Name] | None = Field(
        None,
        description="Names of the rounds whose versions are changed; empty: no interventions. null: the first round "
        "that trains its models, if the run pretrains the base model, which is small then, if there are several "
        "generations, and if other rounds or replicates can choose the neurons; otherwise none.",
    )
    generations: list[Annotated[int, Field(ge=0)]] | None = Field(
        None, min_length=1, description="Generations that are changed; null: the last one."
    )
    sets: list[UnitSet] = Field(
        default_factory=lambda: [UnitSet(name=name, outcome=name) for name in ("bias", "quality")],
        min_length=1,
        description="The sets of neurons that are changed.",
    )
    chosen_on: Literal["others", "own"] | list[Name] = Field(
        "others",
        description="The versions whose neurons and outcomes choose the sets. `others`: all versions but those of the "
        "changed round, or of the changed replicate where there are several, and without rounds whose held neurons are "
        "found on the changed round. `own`: the changed chain itself, which answers another question, and is said in "
        "tables and figures. Or names of rounds.",
    )
    measure: Literal["weight", "activation"] = Field(
        "weight", description="The measure of neurons whose association with an outcome chooses a set."
    )
    criterion: Literal["strongest", "significant"] = Field(
        "strongest",
        description="`strongest`: the neurons with the largest |t|, as many as `sizes` says. `significant`: those with "
        "a p-value of at most `neurons.alpha`, whose number is then the size.",
    )
    sizes: list[Annotated[int, Field(gt=0)]] = Field(
        [10, 30, 100, 300, 1_000],
        min_length=1,
        description="Numbers of neurons in a set; the first is the one that verdicts are about. Sizes for which a "
        "layer has too few other neurons for a control are left out.",
    )
    controls: int = Field(
        20, ge=19, le=1_000, description="Number of control sets. The smallest possible p-value is 1 / (controls + 1)."
    )
    actions: list[Action] = Field(
        default_factory=lambda: [Action(kind="restore")],
        min_length=1,
        description="The changes. Verdicts are about the first; others are described.",
    )
    articles: int | None = Field(
        None, ge=2, description="Number of articles of the seed set, drawn at random; null: all of them."
    )

    @model_validator(mode="after")
    def _check_repeated(self) -> "Interventions":
        named = {"sets": [one.name for one in self.sets], "actions": [action.name for action in self.actions]}
        for key in ("rounds", "generations", "sizes", "chosen_on"):
            values = getattr(self, key)
            named[key] = values if isinstance(values, list) else []
        for key, values in named.items():
            if repeated := [value for value in values if values.count(value) > 1]:
                with_amounts = {action.name for action in self.actions if action.amounts} if key == "actions" else ()
                together = "put the amounts together in one action"
                remedy = together if repeated[0] in with_amounts else "remove or rename one"
                raise ValueError(f"interventions.{key} has {repeated[0]} twice: {remedy}")
        if self.chosen_on == []:
            raise ValueError("interventions.chosen_on is empty: name rounds, or set it to others or own")
        return self

    def changed_generations(self, generations: int) -> list[int]:
        """Return the generations that are changed in a study with so many generations, ascending."""
        return sorted(self.generations or [generations - 1])
