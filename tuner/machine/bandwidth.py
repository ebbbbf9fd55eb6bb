"""How many bytes a second this machine's memory moves, measured within bounds of size and time."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import psutil

from tuner.machine.counters import usable_cpus

LARGEST = 256 * 2**20
"""Bytes that are copied at most: far more than caches hold."""

_OF_AVAILABLE = 8
_MOST_THREADS = 16
_LEAST_COPIES = 5
_MOST_COPIES = 100


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Bytes a second of `n` copies, reading and writing counted: the least, the median, the most.

    `threads` copied `copied` bytes together.
    """

    low: float
    median: float
    high: float
    n: int
    threads: int
    copied: int


def measure(seconds: float = 0.5, largest: int = LARGEST) -> Bandwidth:
    """Copy memory for about so long, with a thread on each CPU, and return what was reached.

    Counts as STREAM's copy does (McCalpin 1995): each byte is read and written.
    """
    threads = min(len(usable_cpus()), _MOST_THREADS)
    room = psutil.virtual_memory().available // (2 * _OF_AVAILABLE)
    words = max(min(largest, room) // 8 // threads, 1)
    pairs = [(np.ones(words), np.zeros(words)) for _ in range(threads)]
    copied = 8 * words * threads
    found: list[float] = []
    with ThreadPoolExecutor(threads) as pool:
        _copy(pool, pairs)  # the first touches the pages
        end = time.perf_counter() + seconds
        while len(found) < _LEAST_COPIES or (
            time.perf_counter() < end and len(found) < _MOST_COPIES
        ):
            began = time.perf_counter()
            _copy(pool, pairs)
            found.append(2 * copied / (time.perf_counter() - began))
    return Bandwidth(min(found), statistics.median(found), max(found), len(found), threads, copied)


def _copy(pool: ThreadPoolExecutor, pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
    list(pool.map(lambda pair: np.copyto(pair[1], pair[0]), pairs))
