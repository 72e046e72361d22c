"""The config as a whole: its sections put together, and what must hold between them."""

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


class Study(Section):
    """A whole study."""

    name: str = Field("study", pattern=NAME_PATTERN, description="The study's name, in the report.")
    results: str = Field("results", min_length=1, description="Folder of everything that the run makes.")
    seed: int = Field(42, ge=0, description="Every seed is derived from this one.")
    generations: int = Field(11, ge=1, le=100, description="Generations of each round, generation 0 included.")
    corpus: Corpus = Corpus()
    seed_sets: list[SeedSet] = Field(min_length=1, description="Seed sets of real articles.")
    base_model: BaseModelSettings = BaseModelSettings()
    finetuning: Finetuning = Finetuning()
    generation: Generation = Generation()
    rounds: list[Round] = Field(min_length=1, description="The rounds; one row each.")
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
    def _check_names(self) -> "Study":
        labels = set(self.corpus.labels)
        seed_sets = {seed_set.name for seed_set in self.seed_sets}
        wanted = [
            (f"seed_sets {s.name}: labels", label, labels, "corpus.labels")
            for s in self.seed_sets
            for label in s.labels
        ]
        for r in self.rounds:
            wanted.append((f"rounds {r.name}: seed_set", r.seed_set, seed_sets, "seed_sets"))
            wanted.append((f"rounds {r.name}: tracked_label", r.tracked_label, labels, "corpus.labels"))
        wanted.append(("neurons.probe_set", self.neurons.probe_set, seed_sets | {None}, "seed_sets"))
        wanted.append(("neurons.tracked_label", self.neurons.tracked_label, labels | {None}, "corpus.labels"))
        for name in self.neurons.rounds or ():
            wanted.append(("neurons.rounds", name, {r.name for r in self.rounds}, "rounds"))
        for c in self.classifier.candidates:
            for label in c.labels.values():
                wanted.append((f"classifier.candidates {c.name}: labels", label, labels, "corpus.labels"))
        wanted.append(("example.label", self.example.label, labels | {None}, "corpus.labels"))
        wanted.append(("example.round", self.example.round, {r.name for r in self.rounds} | {None}, "rounds"))
        if self.base_model.source == "pretrain":
            # A label without a share may be unknown: an overlay can empty a key of a map, but not remove it.
            for label, share in self.base_model.pretraining.label_mix.items():
                if share:
                    wanted.append(("base_model.pretraining.label_mix", label, labels, "corpus.labels"))
        for key, value, allowed, where in wanted:
            if value not in allowed:
                raise ValueError(f"{key} is {value!r}, which {where} does not have: name one that it has")
        for key, names in (
            ("rounds", [r.name for r in self.rounds]),
            ("seed_sets", [s.name for s in self.seed_sets]),
            ("classifier.candidates", [c.name for c in self.classifier.candidates]),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"{key} has the same name twice: rename one")
        for r in self.rounds:
            if r.models and len(r.models) != self.generations:
                raise ValueError(
                    f"rounds {r.name}: models has {len(r.models)} rows and generations is {self.generations}: give one "
                    "model for each generation, or none"
                )
            if r.models and (r.epochs is not None or r.weight_decay is not None):
                raise ValueError(f"rounds {r.name}: epochs and weight_decay train nothing beside models: remove them")
        # Folders beside the candidates' own.
        for name in {"selected", "second", "splits"} & {c.name for c in self.classifier.candidates}:
            raise ValueError(f"classifier.candidates may not be called {name}: rename it")
        if "base" in {r.name for r in self.rounds}:
            raise ValueError("rounds may not be called base, which names the base model in tables: rename it")
        return self

    @model_validator(mode="after")
    def _check_context(self) -> "Study":
        """See before pretraining, not after, that texts fit the model that it will make."""
        context = self.base_model.pretraining.context
        if self.base_model.source != "pretrain":
            return self
        needed = self.generation.block_tokens + self.generation.new_tokens
        for key, tokens in (
            ("finetuning.max_tokens", self.finetuning.max_tokens),
            ("generation.block_tokens + generation.new_tokens", needed),
        ):
            if tokens > context:
                raise ValueError(f"{key} is {tokens}, above base_model.pretraining.context {context}: change one")
        return self


def read_study(config: dict[str, Any]) -> Study:
    """Read a config, already merged from its files.

    Parameters
    ----------
    config
        The mapping that Snakemake loads.

    Returns
    -------
    Study
        With defaults filled in.

    Raises
    ------
    StudyError
        One sentence a fault, each naming the key.
    """
    try:
        return Study.model_validate(config)
    except ValidationError as error:
        faults = [_sentence(fault) for fault in error.errors()]
        raise StudyError(
            "The config has " + ("a fault" if len(faults) == 1 else f"{len(faults)} faults") + ": " + " ".join(faults)
        ) from None


def _sentence(fault: dict[str, Any]) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{key} is no key of the config: correct its spelling or remove it (config/README.md lists all keys)."
    if fault["type"] == "missing":
        return f"{key} is missing: add it (config/README.md tells its meaning)."
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "value_error":
        # A check within a part that stands in several places does not know where it stands.
        named = not key or message.startswith(key.split(".")[0])
        return f"{message}." if named else f"{key}: {message}."
    if isinstance(fault["input"], bool) and "string" in message:
        return (
            f"{key} is {fault['input']!r}, but must be text (YAML reads no, yes, on and off as that: put it in quotes)."
        )
    hint = " (YAML reads 5e-5 as text: write 5.0e-5)" if isinstance(fault["input"], str) and "number" in message else ""
    return f"{key} is {fault['input']!r}, but: {message[0].lower()}{message[1:]}{hint}."
