"""The config as a whole: its sections, and the rules that hold between them."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator

from bias_amplification.artifacts import StudyError
from bias_amplification.study.choosing import Choice, way_to
from bias_amplification.study.config_faults import as_in_yaml, in_words
from bias_amplification.study.config_files import ConfigFiles
from bias_amplification.study.sections import (
    NAME_PATTERN,
    BaseModelSettings,
    Classifier,
    Comparison,
    Compute,
    Corpus,
    Degeneration,
    Example,
    Figures,
    Finetuning,
    Generation,
    Interventions,
    Neurons,
    Perplexity,
    Quality,
    Replicates,
    Round,
    Section,
    SeedSet,
    Storage,
    Strategies,
    Theory,
)
from bias_amplification.study.sections.section import LocalPath, names_alike
from bias_amplification.study.strategies import STRATEGIES
from bias_amplification.study.versions import Chain

#: Folders in `results/classifier/` that are not a candidate's.
_CLASSIFIER_FOLDERS = frozenset({"selected", "second", "splits"})

_LARGEST_SEED_OF_PANDAS = 2**32 - 1


class Study(Section):
    """The study as a whole."""

    name: str = Field("study", pattern=NAME_PATTERN, description="The study's name, shown in the report.")
    results: LocalPath = Field("results", description="Folder for all files that the run makes.")
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
    replicates: Replicates = Replicates()
    classifier: Classifier = Classifier()
    degeneration: Degeneration = Degeneration()
    quality: Quality = Quality()
    perplexity: Perplexity = Perplexity()
    neurons: Neurons = Neurons()
    interventions: Interventions = Interventions()
    theory: Theory = Theory()
    figures: Figures = Figures()
    comparison: Comparison = Comparison()
    example: Example = Example()
    storage: Storage = Storage()
    compute: Compute = Compute()

    @property
    def chains(self) -> list[Chain]:
        """Chains: rounds in the config's order, replicates ascending."""
        return [Chain(r.name, number) for r in self.rounds for number in range(1, self.replicates_of(r) + 1)]

    def replicates_of(self, r: Round) -> int:
        """Return the number of replicates of a round."""
        return 1 if r.models else r.replicates.number or self.replicates.number

    def finetuning_of(self, r: Round) -> Finetuning:
        """Return the fine-tuning settings of a round, with its own epochs and weight decay."""
        own = {key: value for key in ("epochs", "weight_decay") if (value := getattr(r, key)) is not None}
        return self.finetuning.model_copy(update=own)

    @property
    def analysed_rounds(self) -> list[str]:
        """The rounds whose neurons are analysed, in the order of `neurons.rounds` or of the config.

        By default these are the rounds whose training holds no neurons. In the others, the held neurons hardly change
        or not at all, and were chosen by the outcomes of the rounds that are analysed.
        """
        free = [r.name for r in self.rounds if not r.held]
        return self.neurons.rounds or free or [r.name for r in self.rounds]

    def choice(self, chosen_on: str | list[str]) -> Choice:
        """Return how neurons for interventions are chosen, with a value of `interventions.chosen_on`."""
        return Choice(
            chosen_on,
            analysed=[chain for chain in self.chains if chain.round in self.analysed_rounds],
            found_on={r.name: r.held.rounds if r.held else [] for r in self.rounds},
            first={r.name: (r.seed_set, self.finetuning_of(r), r.decoding, r.models and r.name) for r in self.rounds},
            given={r.name: [model.identity for model in r.models] for r in self.rounds},
        )

    @property
    def changed_rounds(self) -> list[str]:
        """The rounds whose versions are changed by interventions."""
        if self.interventions.rounds is not None:
            return self.interventions.rounds
        first = next((r.name for r in self.rounds if not r.models), None)
        if first is None or self.base_model.source != "pretrain" or self.generations == 1:
            return []
        others = self.choice("others")
        return [first] if all(others.chains(chain) for chain in self.chains if chain.round == first) else []

    @field_validator("results")
    @classmethod
    def _without_doubled_slashes(cls, results: str) -> str:
        """Write the folder in one way: `out/` and `./out` are `out`."""
        return str(Path(results))

    @model_validator(mode="after")
    def _check_seed(self) -> "Study":
        """Check that pandas, where it draws a seed set, can take the seed."""
        for number, s in enumerate(self.seed_sets):
            if s.draw == "pandas" and self.seed > _LARGEST_SEED_OF_PANDAS:
                raise ValueError(
                    f"seed is {self.seed}, more than {_LARGEST_SEED_OF_PANDAS}, the largest that "
                    f"seed_sets.{number}.draw: pandas can take: make seed smaller, or use draw: shuffled"
                )
        return self

    @model_validator(mode="after")
    def _check_label_mix(self) -> "Study":
        """Check that a study with other labels than those of the default mix has a mix of its own."""
        pretraining, labels = self.base_model.pretraining, self.corpus.labels
        is_default = "label_mix" not in pretraining.model_fields_set
        if self.base_model.source == "pretrain" and is_default and not set(pretraining.label_mix) <= set(labels):
            shares = ", ".join(f"{label}: {1 / len(labels):.2g}" for label in labels)
            raise ValueError(
                "base_model.pretraining.label_mix is missing, and its default is for "
                f"{', '.join(pretraining.label_mix)}: add it, such as {{{shares}}}"
            )
        return self

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
        for name in self.interventions.rounds or ():
            _check_reference("interventions.rounds", name, rounds, "rounds")
        if isinstance(self.interventions.chosen_on, list):
            for name in self.interventions.chosen_on:
                _check_reference("interventions.chosen_on", name, rounds, "rounds")
        for r in self.rounds:
            for name in r.held.rounds if r.held else ():
                _check_reference(f"rounds {r.name}: held.rounds", name, rounds, "rounds")
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
                # An overlay cannot remove another overlay's label from this map. It can set its share to null.
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
            if alike := names_alike(names):
                raise ValueError(
                    f"{key} has {alike[0]} and {alike[1]}, which differ only in capitals, hyphens or underscores, so "
                    "that their files would be the same on some computers or taken for each other: rename one"
                )
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
            if r.models and (r.replicates.number or 1) > 1:
                raise ValueError(
                    f"rounds {r.name}: replicates.number is {r.replicates.number}, but a round with models has one "
                    "replicate: remove it"
                )
            if r.models and (r.epochs is not None or r.weight_decay is not None):
                raise ValueError(
                    f"rounds {r.name}: epochs and weight_decay have no effect on a round with models: remove them"
                )
        return self

    @model_validator(mode="after")
    def _check_detector_of_machine_text(self) -> "Study":
        """Check that a strategy that needs a detector of machine text can train one."""
        needing = [r.name for r in self.rounds if "human_likeness" in STRATEGIES[r.strategy].reads and not r.models]
        if needing and not any(candidate.train for candidate in self.classifier.candidates):
            raise ValueError(
                f"rounds {needing[0]}: its strategy trains a detector of machine text with the encoder of a candidate, "
                "but no row of classifier.candidates has train: true: add one"
            )
        return self

    @model_validator(mode="after")
    def _check_options(self) -> "Study":
        """Check that the options of each round are those of its strategy."""
        for r in self.rounds:
            known = STRATEGIES[r.strategy].options
            for key in sorted(r.options.model_fields_set.difference(known)):
                takes = f"use one of {', '.join(sorted(known))}" if known else "it has no options"
                raise ValueError(
                    f"rounds {r.name}: options.{key} has no effect on strategy {r.strategy}: remove it ({takes})"
                )
        return self

    @model_validator(mode="after")
    def _check_needs_of_strategies(self) -> "Study":
        """Check that a strategy is not used where its training sets would be those of another, or promote a label."""
        seed_sets = {s.name: s for s in self.seed_sets}
        for r in self.rounds:
            strategy = STRATEGIES[r.strategy]
            if r.models:
                continue
            if strategy.several_labels and len(seed_sets[r.seed_set].labels) == 1:
                raise ValueError(
                    f"rounds {r.name}: strategy is {r.strategy}, which weighs texts by the labels of the seed set, but "
                    f"seed_sets {r.seed_set} has one label: use a seed set with several labels, or another strategy"
                )
            if strategy.moves_titles and self.finetuning.example == "line":
                raise ValueError(
                    f"rounds {r.name}: strategy is {r.strategy}, which puts texts under other titles, but "
                    "finetuning.example is line, so that titles and texts are learned apart: set finetuning.example to "
                    "article, or use another strategy"
                )
        return self

    @model_validator(mode="after")
    def _check_exchanges(self) -> "Study":
        """Check that a study whose replicates are exchanged has replicates."""
        schemes = self.neurons.permutations.schemes or []
        several = any(self.replicates_of(r) > 1 for r in self.rounds)
        if not several and any("exchange_replicates" in moves for moves in schemes):
            raise ValueError(
                "neurons.permutations.schemes has exchange_replicates, but no round has several replicates: remove it, "
                "or set replicates.number to at least 2"
            )
        return self

    @model_validator(mode="after")
    def _check_held(self) -> "Study":
        """Check that rounds that hold neurons are trained, and that no set is found on the round that it is tried on.

        Any round has neurons and outcomes to find a set on, also one whose models are given.
        """
        found_on = {r.name: r.held.rounds if r.held else [] for r in self.rounds}
        for r in self.rounds:
            if r.held and r.models:
                raise ValueError(f"rounds {r.name}: held has no effect on a round with models: remove it")
            if r.held and self.generations == 1:
                raise ValueError(
                    f"rounds {r.name}: neurons are held from generation 1 on, but generations is 1: raise it, or "
                    "remove held"
                )
            if r.held and self.finetuning.adapter:
                raise ValueError(
                    f"rounds {r.name}: held holds neurons in a training of all weights, but finetuning.adapter trains "
                    "an adapter: set finetuning.adapter to null, or remove held"
                )
            if r.name in found_on[r.name]:
                raise ValueError(
                    f"rounds {r.name}: held.rounds has the round itself, so that neurons would be found on the round "
                    "that they are tried on: remove it"
                )
            if circle := way_to(r.name, r.name, found_on):
                between = f" by way of {', '.join(circle[1:-1])}" if circle[1:-1] else ""
                raise ValueError(
                    f"rounds {r.name}: held.rounds has {circle[0]}, whose own held neurons are found on "
                    f"{r.name}{between}, so that each would wait for the other: remove one of the names"
                )
        return self

    @model_validator(mode="after")
    def _check_interventions(self) -> "Study":
        """Check that changed generations exist, that actions fit them, and that other versions choose the neurons."""
        last, interventions, changed = self.generations - 1, self.interventions, self.changed_rounds
        generations = interventions.changed_generations(self.generations) if changed else []
        for generation in generations:
            if generation > last:
                raise ValueError(
                    f"interventions.generations has {generation}, but the last generation is {last}: lower it"
                )
            for action in interventions.actions:
                if fault := action.fault(generation, last):
                    raise ValueError(
                        f"interventions.actions {action.kind}: generation is {action.generation}, but generation "
                        f"{generation} is changed and {last} is the last: {fault}"
                    )
        # Sets from files are chosen on no version.
        if any(one.outcome for one in interventions.sets):
            choice = self.choice(interventions.chosen_on)
            for chain in (chain for chain in self.chains if chain.round in changed):
                if fault := choice.fault(chain, interventions.rounds is None, generations):
                    raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _check_context(self) -> "Study":
        """Check that texts fit into the model that the run will pretrain. Other models are checked when loaded."""
        if self.base_model.source != "pretrain":
            return self
        context = self.base_model.pretraining.context
        for key, tokens in (
            ("finetuning.max_tokens", self.finetuning.max_tokens),
            ("generation.block_tokens + generation.new_tokens", self.generation.positions),
        ):
            if tokens > context:
                raise ValueError(
                    f"{key} is {tokens}, more than base_model.pretraining.context, which is {context}: change one"
                )
        return self


def _check_reference(key: str, name: str | None, known: Collection[str], where: str) -> None:
    """Raise an error unless a name is null or one of those that another key has."""
    if name is not None and name not in known:
        raise ValueError(f"{key} is {as_in_yaml(name)}, which is not in {where}: use one of {', '.join(known)}")


def read_study(config: dict[str, Any], files: ConfigFiles | None = None) -> Study:
    """Read a config that is merged from all its files.

    Parameters
    ----------
    config
        The mapping that Snakemake loads.
    files
        The files that it comes from, for the lines of faults; None: messages have no lines.

    Returns
    -------
    Study
        The settings, with defaults for the keys that the config leaves out.

    Raises
    ------
    StudyError
        If the config has faults. The message has a line for each, which names the key.
    """
    files = files or ConfigFiles()
    try:
        study = Study.model_validate(config)
    except ValidationError as error:
        faults = in_words(error.errors(), Study, files)
        head = [] if len(faults) == 1 else [f"The config has {len(faults)} faults:"]
        raise StudyError("\n".join([*head, *faults])) from None
    _check_later_hub_models(study, files)
    return study


def _check_later_hub_models(study: Study, files: ConfigFiles) -> None:
    """Check that no file names a hub model over another file's folder, which would be used all the same."""
    for key, model in (("base_model", study.base_model), ("quality.detector", study.quality.detector)):
        path = tuple(key.split("."))
        if model.source == "folder" and model.hub_id and files.rank((*path, "hub_id")) > files.rank((*path, "source")):
            raise StudyError(
                f"{files.place((*path, 'hub_id'))}{key}: hub_id is set, but source is folder, which does not read it: "
                "set source to hub and path to null, or remove hub_id."
            )
