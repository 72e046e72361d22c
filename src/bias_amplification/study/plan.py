"""The model versions that a study's rounds consist of: how each is trained, and which versions are the same."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bias_amplification import RESOURCES
from bias_amplification.artifacts.placement import BASE_ARTICLES_FOLDER, VERSION_FOLDER
from bias_amplification.models import folders
from bias_amplification.seeds import derive_seed
from bias_amplification.study import strategies
from bias_amplification.study.sections import Candidate, Finetuning, GivenModel, ModelSource, Round, SeedSet
from bias_amplification.study.settings import Study


@dataclass(frozen=True, order=True)
class Version:
    """A model version: one generation of one round."""

    round: str
    generation: int

    @property
    def folder(self) -> str:
        """Folder of the version below the results folder."""
        return VERSION_FOLDER.format(round=self.round, generation=f"{self.generation:02d}")


class Plan:
    """The versions of a study and how they depend on each other.

    Parameters
    ----------
    study
        The config.
    """

    def __init__(self, study: Study) -> None:
        self.study = study

    @cached_property
    def rounds(self) -> dict[str, Round]:
        """Rounds by name, in the config's order."""
        return {r.name: r for r in self.study.rounds}

    @cached_property
    def seed_sets(self) -> dict[str, SeedSet]:
        """Seed sets by name, in the config's order."""
        return {s.name: s for s in self.study.seed_sets}

    @cached_property
    def candidates(self) -> dict[str, Candidate]:
        """Candidates for the leaning classifier by name, in the config's order."""
        return {c.name: c for c in self.study.classifier.candidates}

    @property
    def second_classifier(self) -> bool:
        """Whether the second-best candidate classifies every article too."""
        return self.study.classifier.second and len(self.candidates) > 1

    @property
    def splits(self) -> list[str]:
        """Further splits of the classifier's articles; for a table, only those by a column in `corpus.columns`."""
        corpus = self.study.corpus
        columns = {"event": "event_id", "outlet": "outlet"}
        return [
            split
            for split in self.study.classifier.splits
            if corpus.source != "table" or corpus.columns.get(columns[split])
        ]

    @property
    def probe_set(self) -> str:
        """Name of the seed set on whose tokens activations are averaged."""
        return self.study.neurons.probe_set or self.study.seed_sets[0].name

    @property
    def example_round(self) -> str:
        """Name of the round whose articles are shown as examples."""
        return self.study.example.round or self.study.rounds[0].name

    @property
    def corpus_files(self) -> list[str]:
        """Files that the corpus is made from, as inputs of its rule.

        The files of a folder are among them if it holds the parts of a table. The folder of a published source may have
        tens of thousands of files; they are not.
        """
        corpus = self.study.corpus
        files = [corpus.path, corpus.identity.review_file, corpus.identity.outlets_file]
        if corpus.source == "table":
            files += sorted(map(str, Path(corpus.path).rglob("*")))
        shipped = sorted((RESOURCES / "outlets").glob("*.csv"))
        if corpus.source == "press":
            shipped += sorted((RESOURCES / "press").rglob("*.yaml"))
        # Relative paths: Snakemake would take other absolute paths, after the project was moved, for other inputs.
        return [path for path in files if path and Path(path).is_file()] + [os.path.relpath(path) for path in shipped]

    @property
    def tokenizer_files(self) -> list[str]:
        """Files of a tokenizer that the base model is pretrained with; none if the run trains the tokenizer."""
        folder = self.study.base_model.pretraining.tokenizer
        return [f"{folder}/tokenizer.json"] if folder else []

    @staticmethod
    def source_files(source: ModelSource) -> list[str]:
        """Files of a model from a local folder, as inputs of the rule that reads it; none for other sources."""
        return folders.source_files(source.path) if source.source == "folder" else []

    def versions(self) -> Iterator[Version]:
        """Every version: rounds in the config's order, generations ascending."""
        for name in self.rounds:
            for generation in range(self.study.generations):
                yield Version(name, generation)

    @staticmethod
    def version(wildcards: Any) -> Version:
        """Return the version that a rule's wildcards `round` and `generation` name."""
        return Version(wildcards.round, int(wildcards.generation))

    def neuron_versions(self) -> list[Version]:
        """List the versions whose neurons are analysed, in the order of `versions`."""
        chosen = self.study.neurons.rounds or list(self.rounds)
        return [version for version in self.versions() if version.round in chosen]

    def keeps_weights(self, generation: int) -> bool:
        """Return whether a generation's weights stay when everything that needs them is made."""
        kept = self.study.storage.weights
        return kept == "all" or (kept != "none" and generation % kept == 0)

    @cached_property
    def given(self) -> list[str]:
        """Rounds whose models are given instead of trained, in the config's order."""
        return [r.name for r in self.study.rounds if r.models]

    def given_model(self, version: Version) -> GivenModel:
        """Return the source of a version's model in a round whose models are given."""
        return self.rounds[version.round].models[version.generation]

    def finetuning(self, name: str) -> Finetuning:
        """Return the fine-tuning settings of a round, with its own epochs and weight decay."""
        r = self.rounds[name]
        own = {key: value for key in ("epochs", "weight_decay") if (value := getattr(r, key)) is not None}
        return self.study.finetuning.model_copy(update=own)

    def strategy_options(self, version: Version) -> dict[str, Any]:
        """Return the keys of `strategies` that a version's training set depends on: none for generation 0."""
        strategy = strategies.STRATEGIES[self.rounds[version.round].strategy]
        return self.study.strategies.model_dump(include=set(strategy.options) if version.generation else set())

    def seed_set_file(self, version: Version) -> str:
        """Return the path of the seed set of a version's round."""
        return f"{self.study.results}/corpus/seed_sets/{self.rounds[version.round].seed_set}.parquet"

    def training_sources(self, version: Version) -> dict[str, str]:
        """Return the tables that hold a version's training texts: path by origin."""
        strategy = self.rounds[version.round].strategy
        folder = f"{self.study.results}/{os.path.dirname(version.folder)}"
        return {
            origin: self.seed_set_file(version)
            if origin == strategies.SEED_SET
            else f"{folder}/{origin}/articles.parquet"
            for origin in strategies.origins(strategy, version.generation, self.study.strategies)
        }

    def initial_model(self, version: Version) -> str:
        """Return the folder of the model that a version's training starts from.

        After a generation 0 that rounds share, this is the folder where that generation was trained. Its files are
        copied to the other rounds one by one, so a copy of the weights may be beside an outdated metadata.json, which
        would be reported as damage.
        """
        if version.generation == 0 or self.study.finetuning.initialisation == "base":
            return f"{self.study.results}/base"
        name = self.sharing.get(version.round, version.round) if version.generation == 1 else version.round
        return f"{self.study.results}/{Version(name, version.generation - 1).folder}"

    @cached_property
    def sharing(self) -> dict[str, str]:
        """Rounds whose generation 0 another round trains: name of that round by name.

        Generation 0 is trained on the seed set with every strategy. Rounds with the same seed set, fine-tuning and
        decoding therefore share it. Rounds whose models are given do not.
        """
        first: dict[tuple, str] = {}
        shared = {}
        for name, r in self.rounds.items():
            if r.models:
                continue
            # As JSON, because sections that hold lists or dictionaries cannot be hashed.
            key = (r.seed_set, self.finetuning(name).model_dump_json(), r.decoding.model_dump_json())
            if key in first:
                shared[name] = first[key]
            else:
                first[key] = name
        return shared

    def seed(self, use: str, version: Version) -> int:
        """Derive the seed of a version for one use.

        The seed of generation 0 depends on the name of its seed set instead of its round. So rounds that share it get
        the same generation 0 in whatever order the config lists them.
        """
        name = version.round if version.generation else f"seed_set {self.rounds[version.round].seed_set}"
        return derive_seed(self.study.seed, use, name, version.generation)

    def work_left(self, version: Version) -> int:
        """Return how much a round still has to train from a version on, in epochs over its seed set.

        The version itself is included. Accumulation trains on all earlier texts in every generation.
        """
        grows = self.rounds[version.round].strategy == "accumulation"
        sets = sum(1 + grows * generation for generation in range(version.generation, self.study.generations))
        return sets * self.finetuning(version.round).epochs

    def priority(self, version: Version) -> int:
        """Return the priority of a version's jobs, from 20 to 80: higher if its round has more training left.

        The generations of a round cannot run side by side, so the longest round determines when a study ends.
        """
        longest = max(self.work_left(Version(name, 0)) for name in self.rounds)
        # All rounds that share a generation 0 wait for it.
        waiting = [name for name, owner in self.sharing.items() if owner == version.round and not version.generation]
        left = max(self.work_left(Version(name, version.generation)) for name in [version.round, *waiting])
        return 20 + round(60 * left / longest)

    def seed_sets_used(self) -> list[str]:
        """List the names of the seed sets that rounds start from, in the config's order."""
        used = {r.seed_set for r in self.study.rounds}
        return [name for name in self.seed_sets if name in used]

    def measured(self) -> list[dict[str, str | int | None]]:
        """List what is measured: the base model's articles for each seed set, then every version's articles.

        Returns
        -------
        list of dict
            One for each row of the metrics table, in its order: `folder` below the results folder, and the columns of
            the table that describe the row.
        """
        rows: list[dict[str, str | int | None]] = [
            {
                "folder": BASE_ARTICLES_FOLDER.format(seed_set=name),
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
