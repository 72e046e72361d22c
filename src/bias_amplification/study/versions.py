"""Names of what a study consists of: chains, model versions, and draws of seed sets."""

from dataclasses import dataclass

from bias_amplification.artifacts.placement import INTERVENTION_FOLDER, VERSION_FOLDER, replicate_name


@dataclass(frozen=True, order=True)
class Chain:
    """The generations of one replicate of a round."""

    round: str
    replicate: int = 1

    @property
    def name(self) -> str:
        """Name of the chain in paths."""
        return replicate_name(self.round, self.replicate)


@dataclass(frozen=True, order=True)
class Version:
    """A model version: one generation of one replicate of one round."""

    round: str
    generation: int
    replicate: int = 1

    @property
    def chain(self) -> Chain:
        """The chain that the version is in."""
        return Chain(self.round, self.replicate)

    @property
    def folder(self) -> str:
        """Folder of the version below the results folder."""
        return VERSION_FOLDER.format(chain=self.chain.name, generation=f"{self.generation:02d}")

    @property
    def intervention_folder(self) -> str:
        """Folder, below the results folder, of what the version writes with changed neurons."""
        return INTERVENTION_FOLDER.format(chain=self.chain.name, generation=f"{self.generation:02d}")


@dataclass(frozen=True, order=True)
class Draw:
    """A draw of a seed set: its articles in one replicate."""

    seed_set: str
    replicate: int = 1

    @property
    def name(self) -> str:
        """Name of the draw in paths."""
        return replicate_name(self.seed_set, self.replicate)
