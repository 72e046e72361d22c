"""The chains whose neurons and outcomes choose the neurons that interventions change."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

from bias_amplification.study.versions import Chain


def choosing_chains(
    analysed: Sequence[Chain], changed: Chain, chosen_on: str | Sequence[str], left_out: Collection[str] = ()
) -> list[Chain]:
    """List the chains that choose the neurons of a changed chain.

    Parameters
    ----------
    analysed
        The chains whose neurons are analysed.
    changed
        The changed chain.
    chosen_on
        "others": all other rounds. In a study with replicates, the replicates of all rounds that have another number,
        because replicates of the same number may have the same articles. "own": the changed chain. Or names of rounds.
    left_out
        Rounds that do not choose, whatever `chosen_on` is.

    Returns
    -------
    list of Chain
        In the order of `analysed`.
    """
    if chosen_on == "own":
        found = [chain for chain in analysed if chain == changed]
    elif chosen_on != "others":
        found = [chain for chain in analysed if chain.round in chosen_on]
    elif any(chain.replicate > 1 for chain in analysed):
        found = [chain for chain in analysed if chain.replicate != changed.replicate]
    else:
        found = [chain for chain in analysed if chain.round != changed.round]
    return [chain for chain in found if chain.round not in left_out]


def way_to(name: str, source: str, found_on: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the shortest way from a round to a round on which its held neurons are found.

    Parameters
    ----------
    name, source
        The two rounds, which may be the same.
    found_on
        The rounds on which each round's held neurons are found.

    Returns
    -------
    list of str
        The rounds on the way, `source` last; empty if the neurons are not found on it, directly or through others.
    """
    ways = [[first] for first in found_on[name]]
    seen = set(found_on[name])
    for way in ways:
        if way[-1] == source:
            return way
        following = [following for following in found_on.get(way[-1], ()) if following not in seen]
        seen.update(following)
        ways += [[*way, one] for one in following]
    return []


@dataclass(frozen=True)
class Choice:
    """How a study chooses the neurons that interventions change."""

    chosen_on: str | Sequence[str]
    """`interventions.chosen_on`."""
    analysed: Sequence[Chain]
    """The chains whose neurons are analysed."""
    found_on: Mapping[str, Sequence[str]]
    """The rounds on which each round's held neurons are found."""
    first: Mapping[str, Hashable]
    """What the generation 0 of each round depends on. Rounds with equal values share it within a replicate."""
    given: Mapping[str, Sequence[Hashable]]
    """What identifies the given model of each generation of a round; empty for a round that trains its models."""

    def left_out(self, changed: str) -> list[str]:
        """List the rounds whose held neurons are found on a changed round, so that they follow its texts."""
        return [name for name in self.found_on if way_to(name, changed, self.found_on)]

    def chains(self, changed: Chain) -> list[Chain]:
        """List the chains that choose for a changed chain."""
        return choosing_chains(self.analysed, changed, self.chosen_on, self.left_out(changed.round))

    def fault(self, changed: Chain, by_default: bool, generations: Collection[int]) -> str | None:
        """Say why the neurons of a changed chain cannot be chosen, and what to do; None if they can.

        Parameters
        ----------
        changed
            The changed chain.
        by_default
            Whether `interventions.rounds` is null.
        generations
            Its changed generations.
        """
        for name in self.chosen_on if not isinstance(self.chosen_on, str) else ():
            if why := self._why_not(name, changed.round, by_default):
                return f"interventions.chosen_on has {name}, {why}"
        choosing = self.chains(changed)
        if not choosing and self.chosen_on == "own":
            return (
                f"interventions.chosen_on is own, but {changed.round}, which is changed, is not in neurons.rounds: add "
                "it there"
            )
        if not choosing:
            left_out = self.left_out(changed.round)
            why = f" (the held neurons of {', '.join(left_out)} are found on {changed.round})" if left_out else ""
            return (
                f"interventions.chosen_on is others, but no other version is analysed that could choose the neurons of "
                f"{changed.name}{why}: add names to rounds or neurons.rounds, set replicates.number to at least 2, or "
                "set chosen_on to own"
            )
        return self._same_models(changed, choosing, generations)

    def _same_models(self, changed: Chain, choosing: Sequence[Chain], generations: Collection[int]) -> str | None:
        """Say if a model that is changed has chosen its own sets under the name of another round; None if not.

        Rounds share generation 0 within a replicate, and the same given model may stand in several rounds. Rounds whose
        held neurons are found on such a round follow these models, too.
        """
        same = [name for name in self.given if name != changed.round and self._has_changed(name, changed, generations)]
        for chain in (chain for chain in choosing if chain.round != changed.round):
            apart = chain.replicate != changed.replicate and not self.given[chain.round]
            if chain.round in same and not apart:
                return self._same_in_words(changed.round, chain.round, "whose versions choose the neurons")
            if name := next((name for name in same if way_to(chain.round, name, self.found_on)), None):
                why = f"on which the held neurons of {chain.round} are found, whose versions choose the neurons"
                return self._same_in_words(changed.round, name, why)
        return None

    def _has_changed(self, name: str, changed: Chain, generations: Collection[int]) -> bool:
        """Return whether a round has models of a changed round, other than an unchanged generation 0."""
        if own := self.given[changed.round]:
            return not set(own[1:]).union(own[generation] for generation in generations).isdisjoint(self.given[name])
        return 0 in generations and self.first[name] == self.first[changed.round]

    def _same_in_words(self, changed: str, name: str, who: str) -> str:
        """Say what to do about a round that has the same models as the changed round."""
        if self.given[changed]:
            return (
                f"interventions.rounds has {changed}, but {name}, {who}, has a given model of {changed}, too, so that "
                "sets would be tried on a model that chose them: name rounds with other models in chosen_on or "
                "neurons.rounds, or set chosen_on to own"
            )
        return (
            f"interventions.generations: generation 0 of {changed} is changed, but {name}, {who}, has the same "
            "generation 0, so that sets would be tried on a model that chose them: change only later generations, or "
            "set chosen_on to own"
        )

    def _why_not(self, name: str, changed: str, by_default: bool) -> str | None:
        """Say why a named round cannot choose for a changed round, and what to do; None if it can."""
        if name == changed:
            where = "changed by default (interventions.rounds is null)" if by_default else "in interventions.rounds"
            rounds = ", name another round in interventions.rounds," if by_default else ","
            return (
                f"which is {where}, so that its sets would be tried on the round that chose them: remove it{rounds} or "
                "set chosen_on to own"
            )
        if name not in (chain.round for chain in self.analysed):
            return "which is not in neurons.rounds, so that its neurons are not analysed: add it there, or remove it"
        if name in self.left_out(changed):
            return (
                f"whose held neurons are found on {changed}, which is changed, so that its sets would be tried on a "
                "round that helped to choose them: remove it, or set chosen_on to own"
            )
        return None
