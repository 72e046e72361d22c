"""What the config's rounds come to: the model versions, what each is trained on, and which are the same."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bias_amplification import RESOURCES, strategies
from bias_amplification.study.sections import Candidate, Finetuning, GivenModel, ModelSource, Round, SeedSet
from bias_amplification.study.seeds import derive_seed
from bias_amplification.study.settings import Study


@dataclass(frozen=True, order=True)
class Version:
    """A model version: one generation of one round."""

    round: str
    generation: int

    @property
    def folder(self) -> str:
        """Its folder below the results folder."""
        return f"rounds/{self.round}/generation_{self.generation:02d}"


class Plan:
    """The versions of a study and their kinship.

    Parameters
    ----------
    study
        A validated study.
    """

    def __init__(self, study: Study) -> None:
        self.study = study

    @cached_property
    def rounds(self) -> dict[str, Round]:
        """Rounds by name, in the config's order."""
        return {r.name: r for r in self.study.rounds}

    @cached_property
    def seed_sets(self) -> dict[str, SeedSet]:
        """Seed sets by name."""
        return {s.name: s for s in self.study.seed_sets}

    @cached_property
    def candidates(self) -> dict[str, Candidate]:
        """Candidates for the leaning classifier by name."""
        return {c.name: c for c in self.study.classifier.candidates}

    @property
    def second_classifier(self) -> bool:
        """Whether a second candidate classifies every article too."""
        return self.study.classifier.second and len(self.candidates) > 1

    @property
    def example_round(self) -> str:
        """The round whose articles are shown as examples."""
        return self.study.example.round or self.study.rounds[0].name

    @property
    def corpus_files(self) -> list[str]:
        """Local files that the corpus is made from, so that a change of one is noticed. A folder's files are not."""
        corpus = self.study.corpus
        files = [corpus.path, corpus.identity.review_file, corpus.identity.outlets_file]
        shipped = sorted((RESOURCES / "outlets").glob("*.csv"))
        if corpus.source == "press":
            shipped += sorted((RESOURCES / "press").rglob("*.yaml"))
        # Relative, so that a project that has moved is still the same.
        return [path for path in files if path and Path(path).is_file()] + [os.path.relpath(path) for path in shipped]

    @property
    def tokenizer_files(self) -> list[str]:
        """The tokenizer that the base model is pretrained with, if it is given."""
        folder = self.study.base_model.pretraining.tokenizer
        return [f"{folder}/tokenizer.json"] if folder else []

    @staticmethod
    def source_files(source: ModelSource) -> list[str]:
        """Files of a model that comes from a local folder, so that a change of one is noticed; none for others."""
        if source.source != "folder":
            return []
        return [str(file) for file in sorted(Path(source.path).iterdir()) if file.suffix in (".json", ".safetensors")]

    def versions(self) -> Iterator[Version]:
        """Every version, round by round in the config's order, generations ascending."""
        for name in self.rounds:
            for generation in range(self.study.generations):
                yield Version(name, generation)

    @staticmethod
    def version(wildcards: Any) -> Version:
        """Read a version off anything with a `round` and a `generation`, such as a rule's wildcards."""
        return Version(wildcards.round, int(wildcards.generation))

    def keeps_weights(self, version: Version) -> bool:
        """Tell whether a version's weights stay after all that is made of them."""
        kept = self.study.storage.weights
        return kept == "all" or (kept != "none" and version.generation % kept == 0)

    @cached_property
    def given(self) -> list[str]:
        """Rounds whose models are given instead of trained, in the config's order."""
        return [r.name for r in self.study.rounds if r.models]

    def given_model(self, version: Version) -> GivenModel:
        """Where the model of a version comes from that is not trained."""
        return self.rounds[version.round].models[version.generation]

    def neuron_versions(self) -> list[Version]:
        """List the versions that the study of neurons is about, in the order of `versions`."""
        chosen = self.study.neurons.rounds or list(self.rounds)
        return [version for version in self.versions() if version.round in chosen]

    def finetuning(self, name: str) -> Finetuning:
        """Fine-tuning settings of a round, its own epochs and weight decay put in."""
        r = self.rounds[name]
        own = {key: value for key in ("epochs", "weight_decay") if (value := getattr(r, key)) is not None}
        return self.study.finetuning.model_copy(update=own)

    def work_left(self, version: Version) -> int:
        """Tell how much training a round has before it from a version on, in epochs over its seed set.

        The version itself counts too. Accumulation trains on every earlier text again.
        """
        grows = self.rounds[version.round].strategy == "accumulation"
        sets = sum(1 + grows * generation for generation in range(version.generation, self.study.generations))
        return sets * self.finetuning(version.round).epochs

    def priority(self, version: Version) -> int:
        """Return a job's priority, 20 to 80: the longer the rest of its chain, the sooner it should start.

        A chain's generations cannot run side by side, so that the longest one decides when a study ends.
        """
        longest = max(self.work_left(Version(name, 0)) for name in self.rounds)
        # A generation 0 that rounds share keeps all of them waiting.
        waiting = [name for name, owner in self.sharing.items() if owner == version.round and not version.generation]
        left = max(self.work_left(Version(name, version.generation)) for name in [version.round, *waiting])
        return 20 + round(60 * left / longest)

    @cached_property
    def sharing(self) -> dict[str, str]:
        """Rounds whose generation 0 is another round's: round name to the name of the round that trains it.

        Generation 0 is trained on the seed set alone whatever the strategy, so rounds with the same seed set,
        fine-tuning and decoding share it. A round whose models are given shares none.
        """
        first: dict[tuple, str] = {}
        shared = {}
        for name, r in self.rounds.items():
            if r.models:
                continue
            # Settings are hashable values by their JSON form.
            key = (r.seed_set, self.finetuning(name).model_dump_json(), r.decoding.model_dump_json())
            if key in first:
                shared[name] = first[key]
            else:
                first[key] = name
        return shared

    def seed(self, use: str, version: Version) -> int:
        """Derive a version's seed for one use.

        Generation 0 is named by its seed set instead of its round, so that one that rounds share does not depend on
        which of them comes first in the config.
        """
        name = version.round if version.generation else f"seed_set {self.rounds[version.round].seed_set}"
        return derive_seed(self.study.seed, use, name, version.generation)

    def seed_set_file(self, version: Version) -> str:
        """Path of the round's seed set."""
        return f"{self.study.results}/corpus/seed_sets/{self.rounds[version.round].seed_set}.parquet"

    def training_sources(self, version: Version) -> dict[str, str]:
        """Name the tables that hold a version's training texts: origin to path."""
        options = strategies.Options(**self.study.strategies.model_dump())
        paths = {}
        for origin in strategies.origins(self.rounds[version.round].strategy, version.generation, options):
            folder = f"{self.study.results}/rounds/{version.round}/{origin}"
            paths[origin] = (
                self.seed_set_file(version) if origin == strategies.SEED_SET else f"{folder}/articles.parquet"
            )
        return paths

    def initial_model(self, version: Version) -> str:
        """Folder of the model that a version's training starts from.

        A generation 0 that rounds share is taken from where it was trained: its copies come file by file, and weights
        beside the metadata.json of earlier ones would be refused.
        """
        if version.generation == 0 or self.study.finetuning.initialisation == "base":
            return f"{self.study.results}/base"
        name = self.sharing.get(version.round, version.round) if version.generation == 1 else version.round
        return f"{self.study.results}/{Version(name, version.generation - 1).folder}"

    def strategy_options(self, version: Version) -> dict[str, Any]:
        """Options that the version's training set depends on: those of its strategy, none for generation 0."""
        read = {"preservation": ("preserved_share", "preservation"), "accumulation": ("accumulation",)}
        names = read.get(self.rounds[version.round].strategy, ()) if version.generation else ()
        return {name: getattr(self.study.strategies, name) for name in names}

    @property
    def probe_set(self) -> str:
        """The seed set that activations are averaged over."""
        return self.study.neurons.probe_set or self.study.seed_sets[0].name

    @property
    def splits(self) -> list[str]:
        """Further splits of the classifier's articles, as far as the corpus tells what they go by."""
        corpus = self.study.corpus
        columns = {"event": "event_id", "outlet": "outlet"}
        return [
            split
            for split in self.study.classifier.splits
            if corpus.source != "table" or corpus.columns.get(columns[split])
        ]

    def seed_sets_used(self) -> list[str]:
        """Seed sets that a round starts from, in the config's order."""
        used = {r.seed_set for r in self.study.rounds}
        return [name for name in self.seed_sets if name in used]

    def measured(self) -> list[dict[str, str | int | None]]:
        """List what is measured, in the metrics table's order: the base model's articles, then every version's.

        Returns
        -------
        list of dict
            `folder` below the results, and what the metrics table says of the row besides its numbers.
        """
        rows: list[dict[str, str | int | None]] = [
            {
                "folder": f"base/generated/{name}",
                "round": "base",
                "generation": None,
                "seed_set": name,
                "strategy": None,
                "decoding": "greedy",
                "tracked_label": None,
            }
            for name in self.seed_sets_used()
        ]
        for version in self.versions():
            r = self.rounds[version.round]
            rows.append(
                {
                    "folder": version.folder,
                    "round": version.round,
                    "generation": version.generation,
                    "seed_set": r.seed_set,
                    "strategy": r.strategy,
                    "decoding": r.decoding.method,
                    "tracked_label": r.tracked_label,
                }
            )
        return rows
