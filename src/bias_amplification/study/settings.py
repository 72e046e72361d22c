"""The config as a whole: its sections, and the rules that hold between them."""

import re
from collections.abc import Collection, Iterator
from typing import Any

from pydantic import Field, ValidationError, model_validator

from bias_amplification.artifacts import StudyError
from bias_amplification.study.sections import (
    NAME_PATTERN,
    BaseModelSettings,
    Classifier,
    Comparison,
    Compute,
    Corpus,
    Example,
    Figures,
    Finetuning,
    Generation,
    Neurons,
    Perplexity,
    Quality,
    Round,
    Section,
    SeedSet,
    Storage,
    Strategies,
    Theory,
)
from bias_amplification.study.sections.section import UNION_FAULT, LocalPath

#: Folders in `results/classifier/` that are not a candidate's.
_CLASSIFIER_FOLDERS = frozenset({"selected", "second", "splits"})


class Study(Section):
    """The study as a whole."""

    name: str = Field("study", pattern=NAME_PATTERN, description="The study's name, shown in the report.")
    results: LocalPath = Field("results", min_length=1, description="Folder for all files that the run makes.")
    seed: int = Field(42, ge=0, description="The number that all seeds are derived from.")
    generations: int = Field(
        11, ge=1, le=100, description="Number of generations of each round, generation 0 included."
    )
    corpus: Corpus = Corpus()
    seed_sets: list[SeedSet] = Field(min_length=1, description="Sets of real articles that rounds start from.")
    base_model: BaseModelSettings = BaseModelSettings()
    finetuning: Finetuning = Finetuning()
    generation: Generation = Generation()
    rounds: list[Round] = Field(min_length=1, description="The rounds. Each is a chain of generations.")
    strategies: Strategies = Strategies()
    classifier: Classifier = Classifier()
    quality: Quality = Quality()
    perplexity: Perplexity = Perplexity()
    neurons: Neurons = Neurons()
    theory: Theory = Theory()
    figures: Figures = Figures()
    comparison: Comparison = Comparison()
    example: Example = Example()
    storage: Storage = Storage()
    compute: Compute = Compute()

    @model_validator(mode="after")
    def _check_references(self) -> "Study":
        """Check that every name that a key refers to exists."""
        labels = self.corpus.labels
        for key, label in self._label_references():
            _check_reference(key, label, labels, "corpus.labels")
        seed_sets = [s.name for s in self.seed_sets]
        for r in self.rounds:
            _check_reference(f"rounds {r.name}: seed_set", r.seed_set, seed_sets, "seed_sets")
        _check_reference("neurons.probe_set", self.neurons.probe_set, seed_sets, "seed_sets")
        rounds = [r.name for r in self.rounds]
        for name in self.neurons.rounds or ():
            _check_reference("neurons.rounds", name, rounds, "rounds")
        _check_reference("example.round", self.example.round, rounds, "rounds")
        return self

    def _label_references(self) -> Iterator[tuple[str, str | None]]:
        """Yield every key that refers to a label, with its value."""
        for s in self.seed_sets:
            for label in s.labels:
                yield f"seed_sets {s.name}: labels", label
        for r in self.rounds:
            yield f"rounds {r.name}: tracked_label", r.tracked_label
        for c in self.classifier.candidates:
            for label in c.labels.values():
                yield f"classifier.candidates {c.name}: labels", label
        yield "neurons.tracked_label", self.neurons.tracked_label
        yield "example.label", self.example.label
        if self.base_model.source == "pretrain":
            for label, share in self.base_model.pretraining.label_mix.items():
                # An overlay cannot remove another study's label from this map. It can set its share to null.
                if share:
                    yield "base_model.pretraining.label_mix", label

    @model_validator(mode="after")
    def _check_names(self) -> "Study":
        """Check that names are unique and not reserved."""
        for key, rows in (
            ("rounds", self.rounds),
            ("seed_sets", self.seed_sets),
            ("classifier.candidates", self.classifier.candidates),
        ):
            names = [row.name for row in rows]
            if len(set(names)) != len(names):
                raise ValueError(f"{key} has the same name twice: rename one")
        for name in _CLASSIFIER_FOLDERS & {c.name for c in self.classifier.candidates}:
            raise ValueError(f"classifier.candidates has a candidate named {name}, which is reserved: rename it")
        if "base" in {r.name for r in self.rounds}:
            raise ValueError("rounds has a round named base, which is reserved for the base model: rename it")
        return self

    @model_validator(mode="after")
    def _check_given_models(self) -> "Study":
        """Check the rounds whose models are given instead of trained."""
        for r in self.rounds:
            if r.models and len(r.models) != self.generations:
                raise ValueError(
                    f"rounds {r.name}: models has {len(r.models)} rows, but generations is {self.generations}: give "
                    "one model for each generation, or none"
                )
            if r.models and (r.epochs is not None or r.weight_decay is not None):
                raise ValueError(
                    f"rounds {r.name}: epochs and weight_decay have no effect on a round with models: remove them"
                )
        return self

    @model_validator(mode="after")
    def _check_context(self) -> "Study":
        """Check that texts fit into the model that the run will pretrain. Other models are checked when loaded."""
        if self.base_model.source != "pretrain":
            return self
        context = self.base_model.pretraining.context
        written = self.generation.block_tokens + self.generation.new_tokens
        for key, tokens in (
            ("finetuning.max_tokens", self.finetuning.max_tokens),
            ("generation.block_tokens + generation.new_tokens", written),
        ):
            if tokens > context:
                raise ValueError(
                    f"{key} is {tokens}, more than base_model.pretraining.context, which is {context}: change one"
                )
        return self


def _check_reference(key: str, name: str | None, known: Collection[str], where: str) -> None:
    """Raise an error unless a name is null or one of those that another key has."""
    if name is not None and name not in known:
        raise ValueError(f"{key} is {name!r}, which is not in {where}: use one of {', '.join(known)}")


def read_study(config: dict[str, Any]) -> Study:
    """Read a config that is merged from all its files.

    Parameters
    ----------
    config
        The mapping that Snakemake loads.

    Returns
    -------
    Study
        The settings, with defaults for the keys that the config leaves out.

    Raises
    ------
    StudyError
        If the config has faults. The message has one sentence for each, which names the key.
    """
    try:
        return Study.model_validate(config)
    except ValidationError as error:
        faults = [_sentence(fault) for fault in error.errors()]
        count = "a fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise StudyError(f"The config has {count}: {' '.join(faults)}") from None


#: What a value of a type must be, in the words of config/README.md, by the type of pydantic's error.
_MUST_BE = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
}


def _sentence(fault: dict[str, Any]) -> str:
    """Put one of pydantic's errors into a sentence."""
    key = ".".join(str(part) for part in fault["loc"])
    kind, value, message = fault["type"], fault["input"], fault["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        return f"{key} is not a key of the config: correct its spelling or remove it (config/README.md lists all keys)."
    if kind == "missing":
        return f"{key} is missing: add it (config/README.md explains it)."
    if kind == "value_error":
        # A section that occurs in several places does not know its key. Its message begins without one.
        named = not key or message.startswith(key.split(".")[0])
        return f"{message}." if named else f"{key}: {message}."
    if kind in _MUST_BE:
        demand = f"must be {_MUST_BE[kind]}"
    elif kind == UNION_FAULT:
        demand = f"must be {message}"
    elif kind == "string_pattern_mismatch" and fault["ctx"]["pattern"] == NAME_PATTERN:
        demand = "must consist of letters, digits, _, - and ., and must begin with a letter or digit"
    else:
        demand = re.sub(r"^\w+ should ", "must ", message)
    return f"{key} is {_as_in_yaml(value)}, but {demand}{_hint(kind, value)}."


def _as_in_yaml(value: Any) -> str:
    """Write a value as a config has it."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return repr(value)


def _hint(kind: str, value: Any) -> str:
    """Explain how YAML turns a value into another type than its author expects."""
    if kind == "string_type" and isinstance(value, bool):
        return " (YAML reads the words no, off, yes and on as false and true: put them in quotes)"
    if kind == "float_type" and isinstance(value, str):
        return " (YAML reads 5e-5 as text: write 5.0e-5)"
    return ""
