"""Divide requests into strands, so that no two of one strand were in flight together.

A stall of the server makes all requests late that are in flight. It can hit only one request of a
strand, so each request of a strand is evidence of its own. The average of e-values over strands is
an e-value, whatever the strands have in common.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Strands:
    """The strand of each request, 0 to `count` - 1, in the order in which they were sent.

    Where lateness hangs together for longer than requests are in flight, each strand is divided
    into `apart` parts that take turns. `closed` is False where it reached the longest lag that
    can be found, and so perhaps farther.
    """

    index: Ints
    count: int = 1
    apart: int = 1
    closed: bool = True

    @property
    def m(self) -> int:
        """Return over how many requests lateness may hang together."""
        return self.count * self.apart - 1

    def divided(self, apart: int) -> Strands:
        """Return the strands with each in so many parts."""
        return replace(self, apart=apart)

    def strand_by_strand(self, values: Bools) -> Bools:
        """Return what is said of each request, the strands one after the other."""
        ordered: Bools = values[np.argsort(self.index, kind="stable")]
        return ordered

    def parts(self) -> Ints:
        """Return the part that each request belongs to, 0 to m."""
        if self.apart == 1:
            return self.index
        place = np.zeros_like(self.index)
        for strand in range(self.count):
            mine = self.index == strand
            place[mine] = np.arange(np.count_nonzero(mine)) % self.apart
        parts: Ints = self.index * self.apart + place
        return parts


def single(n: int) -> Strands:
    """Return one strand of n requests, none of which overlap."""
    return Strands(np.zeros(n, dtype=np.int64))


def in_flight(sent: npt.ArrayLike, ended: npt.ArrayLike, share: float = 0.95) -> int:
    """Return the number of requests in flight that was not exceeded for a share of the requests.

    It is counted when each request is sent, that one included. `sent` and `ended` have shape (n,)
    and one unit; `sent` ascends. 1 for no requests.
    """
    starts, ends = np.asarray(sent), np.sort(np.asarray(ended))
    if starts.size == 0:
        return 1
    there = np.arange(1, starts.size + 1) - np.searchsorted(ends, starts, side="right")
    return max(int(np.quantile(there, share, method="higher")), 1)


def strands(sent: Sequence[int], ended: Sequence[int], count: int) -> Strands:
    """Divide requests into `count` strands by the times at which they were sent and ended.

    `sent` and `ended` have shape (n,) and one unit; `sent` ascends. Each request goes to the
    strand that has been free for longest. Where no strand is free, it goes to the one that
    becomes free first.
    """
    if count == 1:
        return single(len(sent))
    free = [(-count + strand, strand) for strand in range(count)]
    index = np.empty(len(sent), dtype=np.int64)
    for place, until in enumerate(ended):
        strand = free[0][1]
        heapq.heapreplace(free, (until, strand))
        index[place] = strand
    return Strands(index, count)
