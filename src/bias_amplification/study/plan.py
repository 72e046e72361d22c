"""The model versions that a study's rounds consist of: how each is trained, and which versions are the same."""

import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from bias_amplification import RESOURCES
from bias_amplification.artifacts.placement import BASE_ARTICLES_FOLDER
from bias_amplification.models import folders
from bias_amplification.seeds import derive_seed
from bias_amplification.study import strategies, training_sets
from bias_amplification.study.sections import Candidate, Finetuning, GivenModel, ModelSource, Round, SeedSet, Strategies
from bias_amplification.study.sections.corpus import SOURCES
from bias_amplification.study.settings import Study
from bias_amplification.study.versions import Chain, Draw, Version


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
    def chains(self) -> dict[str, Chain]:
        """Chains by name: rounds in the config's order, replicates ascending."""
        return {chain.name: chain for chain in self.study.chains}

    def replicates(self, name: str) -> int:
        """Return the number of replicates of a round."""
        return self.study.replicates_of(self.rounds[name])

    def redrawn(self, name: str) -> bool:
        """Return whether the replicates of a round start from different draws of its seed set."""
        return (self.rounds[name].replicates.articles or self.study.replicates.articles) == "redrawn"

    def draw(self, chain: Chain) -> Draw:
        """Return the draw of the seed set that a chain starts from."""
        return Draw(self.rounds[chain.round].seed_set, chain.replicate if self.redrawn(chain.round) else 1)

    @cached_property
    def draws(self) -> list[Draw]:
        """Draws of seed sets that chains start from: seed sets in the config's order, replicates ascending."""
        used = {self.draw(chain) for chain in self.chains.values()}
        return [draw for name in self.seed_sets for draw in sorted(used) if draw.seed_set == name]

    @cached_property
    def reserved_draws(self) -> list[Draw]:
        """All draws of seed sets that the classifier and a pretrained base model do not see.

        These are the draws that chains start from, the first draw of every seed set, and those that chains would start
        from if the study had `replicates.reserve` replicates.
        """
        most = {name: 1 for name in self.seed_sets} | self._most_draws(self.study.rounds)
        return [Draw(name, replicate) for name, number in most.items() for replicate in range(1, number + 1)]

    def _most_draws(self, rounds: Iterable[Round]) -> dict[str, int]:
        """Return the number of draws that are reserved for rounds, by name of the seed set."""
        most: dict[str, int] = {}
        for r in rounds:
            redrawn = self.redrawn(r.name) and not r.models
            wanted = max(self.replicates(r.name), self.study.replicates.reserve) if redrawn else 1
            most[r.seed_set] = max(most.get(r.seed_set, 1), wanted)
        return most

    @property
    def _real_rounds(self) -> list[Round]:
        """Rounds that are trained on further real articles, as those of strategy `real` are."""
        reading = [r for r in self.study.rounds if strategies.REAL in strategies.STRATEGIES[r.strategy].origins]
        return [r for r in reading if not r.models and self.study.generations > 1]

    @cached_property
    def real_draws(self) -> list[Draw]:
        """Draws of seed sets beside which a round of strategy `real` needs further real articles, in their order."""
        most = self._most_draws(self._real_rounds)
        return [draw for draw in self.reserved_draws if draw.replicate <= most.get(draw.seed_set, 0)]

    def distinct_real_replicates(self, seed_set: str) -> int:
        """Return in how many replicates beside a seed set no real article may be used twice.

        The rounds beside a seed set have the same real articles. Those that refuse to use one again decide, each for
        its own number of replicates; 0: none of them refuses.
        """
        refusing = [r for r in self._real_rounds if self.options(r).real_articles == "refuse"]
        return self._most_draws(refusing).get(seed_set, 0)

    @property
    def detects_machine_text(self) -> bool:
        """Whether a round is trained with a strategy that reads the detector of machine text."""
        reads = {r.name: strategies.STRATEGIES[r.strategy].reads for r in self.study.rounds if not r.models}
        return any("human_likeness" in names for names in reads.values())

    @property
    def machine_text_scores(self) -> list[str]:
        """Tables of the detector's probabilities that strategies read, each once."""
        trained = (version for version in self.versions() if version.round not in self.given)
        read = (item for version in trained for item in self.evidence(version).items())
        return list(dict.fromkeys(path for name, path in read if name in ("human", "human_of_seed_set")))

    @property
    def detector_candidate(self) -> Candidate:
        """The candidate for the leaning classifier whose kind of encoder the detector of machine text is."""
        trained = [candidate for candidate in self.study.classifier.candidates if candidate.train]
        return trained[0].model_copy(update={"name": "machine_text_detector"})

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
        columns = {"event": "event_id", "outlet": "outlet"}
        return [split for split in self.study.classifier.splits if self.study.corpus.has(columns[split])]

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

        The files of a folder are among them, such as the parts of a table. The folder of a published source may have
        tens of thousands of files; they are not.
        """
        corpus = self.study.corpus
        files = [corpus.path, corpus.identity.review_file, corpus.identity.outlets_file]
        if corpus.path and not SOURCES[corpus.source].published:
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
        """Every version: rounds in the config's order, replicates ascending, generations ascending."""
        for chain in self.chains.values():
            for generation in range(self.study.generations):
                yield Version(chain.round, generation, chain.replicate)

    def version(self, wildcards: Any) -> Version:
        """Return the version that a rule's wildcards `chain` and `generation` name."""
        chain = self.chains[wildcards.chain]
        return Version(chain.round, int(wildcards.generation), chain.replicate)

    def neuron_versions(self) -> list[Version]:
        """List the versions whose neurons are analysed, in the order of `versions`."""
        return [version for version in self.versions() if version.round in self.study.analysed_rounds]

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
        return self.study.finetuning_of(self.rounds[name])

    def strategy_options(self, version: Version) -> dict[str, Any]:
        """Return the keys of `strategies` that a version's training set depends on: none for generation 0."""
        r = self.rounds[version.round]
        strategy = strategies.STRATEGIES[r.strategy]
        return self.options(r).model_dump(include=set(strategy.options) if version.generation else set())

    def options(self, r: Round) -> Strategies:
        """Return the details of a round's strategy: its own, and for other keys those of `strategies`."""
        own = {key: getattr(r.options, key) for key in r.options.model_fields_set}
        return self.study.strategies.model_copy(update=own)

    def sweeps(self) -> list[tuple[str, dict[str, float]]]:
        """List the rounds that differ only in one number of their strategy's details.

        Returns
        -------
        list of tuple
            The key of `strategies`, and its value in each of three rounds or more, by name.
        """
        found = []
        numbers = [key for key, field in Strategies.model_fields.items() if field.annotation is float]
        for key in numbers:
            groups: dict[str, dict[str, float]] = {}
            for name, r in self.rounds.items():
                if key in strategies.STRATEGIES[r.strategy].options:
                    same = r.model_dump(exclude={"name", "options", "replicates"})
                    others = self.options(r).model_dump(exclude={key})
                    groups.setdefault(repr((same, others)), {})[name] = getattr(self.options(r), key)
            found += [(key, values) for values in groups.values() if len(set(values.values())) >= 3]
        return found

    def draw_file(self, draw: Draw) -> str:
        """Return the path of a draw of a seed set."""
        return f"{self.study.results}/corpus/seed_sets/{draw.name}.parquet"

    def seed_set_file(self, version: Version) -> str:
        """Return the path of the seed articles of a version's chain."""
        return self.draw_file(self.draw(version.chain))

    def real_file(self, version: Version) -> str:
        """Return the path of the further real articles of a version's chain, for strategy `real`."""
        return f"{self.study.results}/corpus/real/{self.draw(version.chain).name}.parquet"

    def training_sources(self, version: Version) -> dict[str, str]:
        """Return the tables that hold a version's training texts: path by origin."""
        r = self.rounds[version.round]
        folder = f"{self.study.results}/{os.path.dirname(version.folder)}"
        places = {strategies.SEED_SET: self.seed_set_file(version), strategies.REAL: self.real_file(version)}
        return {
            origin: places.get(origin, f"{folder}/{origin}/articles.parquet")
            for origin in training_sets.origins(r.strategy, version.generation, self.options(r))
        }

    def evidence(self, version: Version) -> dict[str, str]:
        """Return the tables that a version's strategy reads to choose its texts: path by name."""
        strategy = strategies.STRATEGIES[self.rounds[version.round].strategy]
        if not version.generation:
            return {}
        results = self.study.results
        previous = f"{results}/{Version(version.round, version.generation - 1, version.replicate).folder}"
        found = {name: f"{previous}/{name}.parquet" for name in strategy.reads if name != "human_likeness"}
        if "human_likeness" in strategy.reads:
            found["human"] = f"{previous}/human_likeness.parquet"
            found["human_of_seed_set"] = f"{results}/human_likeness/seed_sets/{self.draw(version.chain).name}.parquet"
        if strategies.REAL in strategy.origins:
            found["real"] = self.real_file(version)
        return found

    def initial_model(self, version: Version) -> str:
        """Return the folder of the model that a version's training starts from."""
        if version.generation == 0 or self.study.finetuning.initialisation == "base":
            return f"{self.study.results}/base"
        return self.model_folder(Version(version.round, version.generation - 1, version.replicate))

    def model_folder(self, version: Version) -> str:
        """Return the folder of a version's model.

        For a generation 0 that rounds share, this is the folder where it was trained. Its files are copied to the other
        rounds one by one, so a copy of the weights may be beside an outdated metadata.json, which would be reported as
        damage.
        """
        chain = version.chain
        if version.generation == 0:
            chain = self.chains[self.sharing.get(chain.name, chain.name)]
        return f"{self.study.results}/{Version(chain.round, version.generation, chain.replicate).folder}"

    def recipe(self, name: str) -> str:
        """Return how a round's models are fine-tuned and write, as JSON; for given models, what is said of each."""
        r = self.rounds[name]
        parts = [*r.models] if r.models else [self.finetuning(name)]
        return "\n".join(part.model_dump_json() for part in (*parts, r.decoding, *([r.held] if r.held else [])))

    @cached_property
    def sharing(self) -> dict[str, str]:
        """Chains whose generation 0 another chain trains: name of that chain by name.

        Generation 0 is trained on the seed set with every strategy. Rounds with the same seed set, fine-tuning and
        decoding therefore share it within a replicate. Rounds whose models are given do not.
        """
        first: dict[tuple, str] = {}
        shared = {}
        for name, chain in self.chains.items():
            r = self.rounds[chain.round]
            if r.models:
                continue
            # Not the recipe: neurons are held from generation 1 on.
            key = (chain.replicate, self.draw(chain), self.finetuning(r.name).model_dump_json(), r.decoding)
            if key in first:
                shared[name] = first[key]
            else:
                first[key] = name
        return shared

    def seed(self, use: str, version: Version) -> int:
        """Derive the seed of a version for one use.

        The seed of generation 0 depends on the name of its seed set instead of its round. So rounds that share it get
        the same generation 0 in whatever order the config lists them. The first replicate's seeds are those of a study
        without replicates.
        """
        name = version.round if version.generation else f"seed_set {self.rounds[version.round].seed_set}"
        replicate = [f"replicate {version.replicate}"] if version.replicate > 1 else []
        return derive_seed(self.study.seed, use, name, version.generation, *replicate)

    def work_left(self, version: Version) -> int:
        """Return how much a chain still has to train from a version on, in epochs over its seed set.

        The version itself is included. Accumulation, for example, trains on all earlier texts in every generation.
        """
        grows = strategies.STRATEGIES[self.rounds[version.round].strategy].grows
        sets = sum(1 + grows * generation for generation in range(version.generation, self.study.generations))
        return sets * self.finetuning(version.round).epochs

    @cached_property
    def _longest(self) -> int:
        """The work of the longest chain."""
        return max(self.work_left(Version(name, 0)) for name in self.rounds)

    @cached_property
    def _waiting(self) -> dict[str, list[str]]:
        """For each chain, the rounds whose chains wait for its generation 0, its own among them."""
        found = {name: [chain.round] for name, chain in self.chains.items()}
        for name, owner in self.sharing.items():
            found[owner].append(self.chains[name].round)
        return found

    def priority(self, version: Version) -> int:
        """Return the priority of a version's jobs, from 20 to 80: higher if its chain has more training left.

        The generations of a chain cannot run side by side, so the longest chain determines when a study ends.
        """
        # All chains that share a generation 0 wait for it.
        rounds = [version.round] if version.generation else self._waiting[version.chain.name]
        left = max(self.work_left(Version(name, version.generation)) for name in rounds)
        return 20 + round(60 * left / self._longest)

    def seed_sets_used(self) -> list[str]:
        """List the names of the seed sets that rounds start from, in the config's order."""
        used = {r.seed_set for r in self.study.rounds}
        return [name for name in self.seed_sets if name in used]

    def measured(self) -> list[dict[str, str | int | None]]:
        """List what is measured: the base model's articles for each draw of a seed set, then every version's articles.

        Returns
        -------
        list of dict
            One for each row of the metrics table, in its order: `folder` below the results folder, the columns of the
            table that describe the row, and `draw`, the draw of the seed set.
        """
        rows: list[dict[str, str | int | None]] = [
            {
                "folder": BASE_ARTICLES_FOLDER.format(draw=draw.name),
                "round": "base",
                "replicate": draw.replicate,
                "generation": None,
                "seed_set": draw.seed_set,
                "strategy": None,
                "decoding": "greedy",
                "tracked_label": None,
                "draw": draw.name,
            }
            for draw in self.draws
        ]
        for version in self.versions():
            r = self.rounds[version.round]
            rows.append(
                {
                    "folder": version.folder,
                    "round": version.round,
                    "replicate": version.replicate,
                    "generation": version.generation,
                    "seed_set": r.seed_set,
                    "strategy": r.strategy,
                    "decoding": r.decoding.method,
                    "tracked_label": r.tracked_label,
                    "draw": self.draw(version.chain).name,
                }
            )
        return rows
