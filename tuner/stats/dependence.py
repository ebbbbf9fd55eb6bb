"""How long bursts of late requests are, as the late requests themselves show."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy

MAX_LAG = 32
"""The longest dependence, in requests, that can be found."""

Bools = npt.NDArray[np.bool_]


def dependence(late: npt.ArrayLike, level: float = 0.05) -> int:
    """Return over how many requests lateness hangs together, as far as it was observed.

    `late`: booleans of shape (n,), in time order. For each lag k up to min(MAX_LAG, n // 4) it
    counts the pairs of late requests that are k apart. Under independence the count is about
    Poisson with mean L (L - 1) (n - k) / (n (n - 1)) for L late ones. Lag k is tested at
    level / (k (k + 1)), which sums to `level`: short lags, where bursts show first, get most.
    With no lag significant, or fewer than two late, the result is 0 (it exceeds 0 in about
    `level` of runs or fewer where lateness is independent). Otherwise late requests no
    farther apart than the largest significant lag form chains, and the result is the extent
    of the longest: one burst of b gives b - 1.
    """
    seen = np.asarray(late, dtype=np.bool_)
    places, n = np.flatnonzero(seen), seen.size
    cap = min(MAX_LAG, n // 4)
    if places.size < 2 or cap < 1:
        return 0
    lags = np.arange(1, cap + 1)
    pairs = _pairs(seen, cap)
    expected = places.size * (places.size - 1) * (n - lags) / (n * (n - 1))
    chance = scipy.special.pdtrc(np.maximum(pairs - 1, 0), expected)
    found = lags[(pairs > 0) & (chance <= level / (lags * (lags + 1)))]
    return min(longest_chain(places, int(found[-1])), cap) if found.size else 0


def longest_chain(places: npt.NDArray[np.int64], link: int) -> int:
    """Return the longest extent of sorted places whose neighbours are within `link`."""
    chains = np.split(places, np.flatnonzero(np.diff(places) > link) + 1)
    return max(int(chain[-1] - chain[0]) for chain in chains)


def _pairs(late: Bools, cap: int) -> npt.NDArray[np.int64]:
    return np.array([np.count_nonzero(late[k:] & late[:-k]) for k in range(1, cap + 1)])
