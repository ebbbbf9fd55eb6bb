"""When a fresh engine has become warm, from the latencies of its first requests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FASTER = 0.2
"""What is faster by less than this share is steady: like requests differ by 10 to 20 %."""


def steady(latencies: npt.ArrayLike, k: int, faster: float = FASTER) -> bool:
    """Tell whether the last `k` latencies are not clearly shorter than the `k` before them.

    `latencies`: shape (n,), seconds, in time order, infinite for failed requests; False for
    n < 2 k. Medians are compared in one direction only: caches that fill, kernels that are
    compiled and pages that are touched for the first time make requests faster, so slower ones
    are noise. Steady requests with a lognormal spread of 5 % are called unsteady in 0.1 % of
    cases at k = 1, with 10 % in 6 %, with 20 % in 22 %. An engine that has not begun to get
    faster after 2 k requests is called steady.

    Raises ValueError for k < 1 or `faster` outside (0, 1).
    Source: the comparison of neighbouring windows by which Georges, Buytaert and Eeckhout
    (2007, 4.3) find the steady state of a JIT-compiling machine, made one-sided and without
    their coefficient of variation, for which there are too few requests.
    """
    if k < 1 or not 0 < faster < 1:
        raise ValueError("need k >= 1 and faster strictly between 0 and 1")
    values = np.asarray(latencies, dtype=np.float64).ravel()
    if values.size < 2 * k:
        return False
    before, last = np.median(values[-2 * k : -k]), np.median(values[-k:])
    return bool(last >= (1 - faster) * before)
