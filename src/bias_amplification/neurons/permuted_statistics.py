"""The statistic of every neuron under every permutation of an outcome.

With one regressor, the squared statistic of every neuron under every permutation is a polynomial in three matrix
products. With z a neuron's changes, centred and of length 1, y an outcome's changes, centred, K the Bartlett kernel and
b = z'y:

    t^2 = b^2 / (f (sum K_ts z_t z_s y_t y_s - 2 b sum_t y_t z_t (K z^2)_t + b^2 sum z^2 (K z^2)))

where f is the small-sample factor. The first sum runs over the few pairs of rows with a kernel above 0. So 10,000
permutations cost three products [permutations, rows or pairs] x [rows or pairs, neurons] and one pass over the result.
"""

import numpy as np

from bias_amplification.neurons.designs import Rows, bartlett_kernel, count_lags, data_driven_bandwidth
from bias_amplification.neurons.regress import ROUNDING, centre, long_run_sums
from bias_amplification.study.sections import Neurons

#: If the polynomial's terms cancel to less than this share of the largest, too few digits are left for a p-value.
CANCELLED = 1e-5


class PermutedStatistics:
    """The squared t statistics of many neurons, prepared for many outcomes.

    Parameters
    ----------
    neurons
        [versions, neurons].
    rows
        Rows of the regression, without those that lack an outcome.
    settings
        The test: lags, reference, small_sample, fixed_effects.
    tested
        [neurons], which neurons to test. They must change and be finite.
    """

    def __init__(self, neurons: np.ndarray, rows: Rows, settings: Neurons, tested: np.ndarray) -> None:
        self.rows, self.settings = rows, settings
        self.constants = rows.constants(settings.fixed_effects)
        self.freedom = rows.freedom(settings.fixed_effects)
        self.tested = tested
        x = centre(rows.take(neurons[:, tested]), self.constants)
        z = x / np.abs(x).max(axis=0, initial=0.0)
        self.z = z / np.sqrt(np.square(z).sum(axis=0))
        self.factor = len(rows.after) / max(1, self.freedom) if settings.small_sample else 1.0
        self.lags = count_lags(settings.lags, len(rows.after))
        if self.lags is None:
            self._prepare_every_lag()
        else:
            self._prepare_kernel(bartlett_kernel(self.rows, self.lags))

    def _prepare_kernel(self, kernel: np.ndarray) -> None:
        z, squares = self.z, np.square(self.z)
        self.here, self.there = np.nonzero(np.triu(kernel))
        weight = kernel[self.here, self.there] * np.where(self.here == self.there, 1, 2)
        self.products = weight[:, None] * z[self.here] * z[self.there]  # [pairs, neurons]
        reached = kernel @ squares
        self.cubic = z * reached  # [rows, neurons]
        self.quartic = (squares * reached).sum(axis=0)  # [neurons]

    def _prepare_every_lag(self) -> None:
        z, squares = self.z, np.square(self.z)
        self.by_lag = []
        for lag in range(self.rows.longest_lag + 1):
            here, there = self.rows.pairs(lag)
            cubic = np.zeros_like(z)
            np.add.at(cubic, here, z[here] * squares[there])
            np.add.at(cubic, there, z[there] * squares[here])
            quartic = (squares[here] * squares[there]).sum(axis=0)
            self.by_lag.append((here, there, z[here] * z[there], cubic, quartic))

    def changes(self, outcomes: np.ndarray) -> np.ndarray:
        """Return the rows of [permutations, versions] outcomes, centred: [permutations, rows]."""
        return np.ascontiguousarray(centre(self.rows.take(outcomes.T), self.constants).T)

    def compute(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Test every neuron on every outcome.

        Parameters
        ----------
        y
            [permutations, rows], from `changes`.

        Returns
        -------
        slope : np.ndarray
            [permutations, tested neurons], per unit length of the neuron's changes.
        squared : np.ndarray
            [permutations, tested neurons], t squared; 0 if the standard error cannot be distinguished from 0.
        """
        slope = y @ self.z
        meat, scale = self._meat_of_kernel(y, slope) if self.lags is not None else self._meat_by_lag(y, slope)
        squared = np.square(slope)
        cancelled = meat <= CANCELLED * np.abs(scale)
        np.divide(squared, meat, out=squared, where=~cancelled)
        if cancelled.any():
            lines, columns = np.nonzero(cancelled)
            squared[lines, columns] = self._from_residuals(y[lines].T, self.z[:, columns], slope[lines, columns])
        squared /= self.factor
        return slope, squared

    def _meat_of_kernel(self, y: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the variance's polynomial and its first term, each [permutations, neurons]."""
        total = (y[:, self.here] * y[:, self.there]) @ self.products
        mixed = y @ self.cubic
        # Horner's scheme, in place: slope (slope quartic - 2 mixed) + total.
        meat = slope * self.quartic
        mixed *= 2
        meat -= mixed
        meat *= slope
        meat += total
        return meat, total

    def _meat_by_lag(self, y: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the same if each neuron's lags are chosen from its data."""
        totals = [(y[:, here] * y[:, there]) @ products for here, there, products, _, _ in self.by_lag]
        sums = np.stack(
            [
                total - slope * (y @ cubic) + np.square(slope) * quartic
                for total, (*_, cubic, quartic) in zip(totals, self.by_lag, strict=True)
            ]
        )
        bandwidth = data_driven_bandwidth(sums, y.shape[1], str(self.settings.lags))
        meat = sums[0].copy()
        for lag in range(1, len(sums)):
            meat += 2 * np.clip(1 - lag / bandwidth, 0, None) * sums[lag]
        return meat, totals[0]

    def _from_residuals(self, y: np.ndarray, z: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """Return slope^2 over its variance from the residuals, for tests whose polynomial cancels: [tests].

        `y` and `z` are [rows, tests]. The result is 0 if the standard error cannot be distinguished from 0.
        """
        residual = y - slope * z
        score = z * residual
        meat = long_run_sums(score, self.rows, self.lags if self.lags is not None else str(self.settings.lags))
        known = np.abs(residual).max(axis=0) > ROUNDING * np.abs(y).max(axis=0)
        known &= meat > ROUNDING * np.square(score).sum(axis=0)
        return np.divide(np.square(slope), meat, out=np.zeros_like(slope), where=known)

    def threshold(self) -> float:
        """Return the t squared from which p is at most `settings.alpha`."""
        from scipy.special import ndtri, stdtrit

        tail = self.settings.alpha / 2
        ends = ndtri(tail) if self.settings.reference == "normal" else stdtrit(max(1, self.freedom), tail)
        # With a margin for rounding, so that a p of exactly alpha is significant.
        return float(ends) ** 2 * (1 - 1e-9)
