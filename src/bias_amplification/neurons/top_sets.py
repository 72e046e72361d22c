"""Sets of the neurons that are most strongly associated with an outcome, and the shares that two such sets have.

Sets are stored as bits, eight neurons in a byte, so that thousands of sets are compared fast and in little memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bias_amplification.neurons.designs import Rows, Versions, count_lags, make_rows
from bias_amplification.neurons.permuted_statistics import PermutedStatistics
from bias_amplification.neurons.regress import ROUNDING, centre, long_run_sums, regress
from bias_amplification.study.sections import Neurons

#: Permutations x neurons of one block, and neurons of one block if there is one outcome: a block fits a core's cache.
BLOCK, NEURONS_OF_BLOCK = 2**17, 1024


def choose_sizes(wanted: Sequence[int], tested: int) -> np.ndarray:
    """Return the sizes of sets that are at most half of the tested neurons, ascending.

    Parameters
    ----------
    wanted
        The sizes that the config wants.
    tested
        Number of neurons that can be in both sets.

    Returns
    -------
    np.ndarray
        [sizes]. Half of the neurons if all wanted sizes are larger; empty for fewer than two neurons.
    """
    fitting = sorted({size for size in wanted if size <= tested // 2})
    return np.array(fitting or [tested // 2] * (tested > 1), dtype=np.int64)


def top_sets(strength: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Choose the strongest neurons, for each size of the set.

    Parameters
    ----------
    strength
        [lines, neurons], without NaN. Of equally strong neurons, the first is chosen.
    sizes
        [sizes], ascending, from 1 to the number of neurons.

    Returns
    -------
    np.ndarray
        [sizes, lines, bytes], membership as bits.
    """
    places = strength.shape[1] - sizes
    least = np.partition(strength, places, axis=1)[:, places]
    sets = np.stack([np.packbits(strength >= least[:, [place]], axis=1) for place in range(len(sizes))])
    tied = (count_neurons(sets) != sizes[:, None]).any(axis=0)
    if tied.any():
        rank = np.argsort(np.argsort(-strength[tied], axis=1, kind="stable"), axis=1)
        sets[:, tied] = np.packbits(rank < sizes[:, None, None], axis=2)
    return sets


def count_neurons(sets: np.ndarray) -> np.ndarray:
    """Count the neurons of sets [..., bytes]: [...]."""
    return np.bitwise_count(sets).sum(axis=-1, dtype=np.int64)


def common_share(first: np.ndarray, second: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the share of one set's neurons that are in the other too.

    Parameters
    ----------
    first, second
        [sizes, lines, bytes], from `top_sets`. If one of them has a single line, it is compared with all of the other.
    sizes
        [sizes].

    Returns
    -------
    np.ndarray
        [lines, sizes].
    """
    return (count_neurons(first & second) / sizes[:, None]).T


@dataclass(frozen=True)
class Compared:
    """The neurons and the outcomes whose sets are compared, row by row of the regressions."""

    neurons: np.ndarray
    """[rows, neurons]: changes, or values if the regression is of levels."""
    pair: Sequence[np.ndarray]
    """Bias and quality, each [permutations, rows], the unpermuted outcome first. NaN if missing."""
    neuron_rounding: np.ndarray
    """[neurons]. Smaller changes can be rounding errors."""
    pair_rounding: Sequence[float]
    """The same of bias and of quality."""
    rows: Rows
    """All rows; each takes its own row of the arrays above."""
    generations: np.ndarray
    """[rows]."""
    settings: Neurons
    sizes: np.ndarray
    """[sizes], numbers of neurons in a set."""

    @classmethod
    def prepare(
        cls, neurons: np.ndarray, pair: Sequence[np.ndarray], versions: Versions, settings: Neurons
    ) -> tuple["Compared", np.ndarray]:
        """Take the rows of those neurons that are tested on both outcomes.

        Parameters
        ----------
        neurons
            [versions, neurons].
        pair
            Bias and quality, each [permutations, versions].
        versions
            Round and generation of each version.
        settings
            The test (difference, lags, small_sample, fixed_effects) and `set_sizes`.

        Returns
        -------
        compared : Compared
        tested : np.ndarray
            [neurons], which neurons are tested on both.
        """
        rows = make_rows(versions, settings.difference)
        tested = np.logical_and(*(regress(neurons, one[0], rows, settings).reason == "" for one in pair))
        chosen = neurons[:, tested]
        compared = cls(
            neurons=rows.take(chosen),
            pair=[np.ascontiguousarray(rows.take(one.T).T) for one in pair],
            neuron_rounding=ROUNDING * np.abs(chosen).max(axis=0, initial=0.0),
            pair_rounding=[ROUNDING * np.abs(one[0]).max(initial=0.0, where=np.isfinite(one[0])) for one in pair],
            rows=Rows(np.arange(len(rows.after)), None, rows.series, rows.time, rows.group, rows.generation),
            generations=np.asarray(versions.generations)[rows.after],
            settings=settings,
            sizes=choose_sizes(settings.set_sizes, int(tested.sum())),
        )
        return compared, tested

    def sets(self, keep: np.ndarray, permutations: np.ndarray | slice) -> list[np.ndarray] | None:
        """Choose the neurons with the largest |t|, of those rows that are kept.

        Parameters
        ----------
        keep
            [rows].
        permutations
            Which permutations to compute.

        Returns
        -------
        list of np.ndarray or None
            Sets of bias and of quality, each [sizes, permutations, bytes]. Neurons that do not change in these rows are
            in none of them. None if the rows are too few for a regression, or if an outcome or too many neurons do not
            change in them.
        """
        found = []
        for outcome, rounding in zip(self.pair, self.pair_rounding, strict=True):
            rows, chosen = self.rows.keep(keep & np.isfinite(outcome[0])), outcome[permutations]
            if rows.freedom(self.settings.fixed_effects) < 1:
                return None
            if np.abs(self._centred(outcome[0], rows)).max() <= rounding:
                return None
            sets = []
            for strength in (self._one if len(chosen) == 1 else self._many)(chosen, rows):
                if (strength[0] >= 0).sum() < self.sizes[-1]:
                    return None
                sets.append(top_sets(strength, self.sizes))
            found.append(np.concatenate(sets, axis=1))
        return found

    def _centred(self, values: np.ndarray, rows: Rows) -> np.ndarray:
        return centre(rows.take(values), rows.constants(self.settings.fixed_effects))

    def _one(self, outcome: np.ndarray, rows: Rows) -> Iterator[np.ndarray]:
        """Yield t squared for one outcome [1, rows]: [1, neurons], -1 for neurons that do not change.

        `PermutedStatistics` takes longer, because it prepares for many outcomes.
        """
        y = self._centred(outcome[0], rows)
        lags = count_lags(self.settings.lags, len(y))
        strength = []
        for start in range(0, len(self.neuron_rounding), NEURONS_OF_BLOCK):
            block = slice(start, start + NEURONS_OF_BLOCK)
            x = self._centred(self.neurons[:, block], rows)
            spread = np.abs(x).max(axis=0)
            constant = spread <= self.neuron_rounding[block]
            x /= np.where(constant, 1.0, spread)
            product = y @ x
            score = x * (y[:, None] - product / np.where(constant, 1.0, np.square(x).sum(axis=0)) * x)
            meat = long_run_sums(score, rows, lags if lags is not None else str(self.settings.lags))
            known = ~constant & (meat > ROUNDING * np.square(score).sum(axis=0))
            strength.append(np.divide(np.square(product), meat, out=np.where(constant, -1.0, 0.0), where=known))
        yield np.concatenate(strength)[None]

    def _many(self, outcomes: np.ndarray, rows: Rows) -> Iterator[np.ndarray]:
        """Yield the same for outcomes [permutations, rows]: [some permutations, neurons] each."""
        changing = np.abs(self._centred(self.neurons, rows)).max(axis=0) > self.neuron_rounding
        statistics = PermutedStatistics(self.neurons, rows, self.settings, changing)
        changes = statistics.changes(outcomes)
        length = max(1, BLOCK // len(changing))
        for start in range(0, len(changes), length):
            _, squared = statistics.compute(changes[start : start + length])
            if not changing.all():
                strength = np.full((len(squared), len(changing)), -1.0)
                strength[:, changing] = squared
                squared = strength
            yield squared
