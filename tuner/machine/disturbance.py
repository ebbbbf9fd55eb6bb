"""What disturbed a measured window: its values, from where on they count, and its sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

OTHERS_SHARE = 0.05
"""Other processes with this share of the CPUs disturb.

What takes a share s of a CPU makes work on it last 1 / (1 - s) times as long: from here on the
5 % by which the search lets latencies count longer are used up.
"""

HALTED_SHARE = 0.01
"""A hypervisor or a quota that halts the engine for this share of the time disturbs.

Whatever waits is halted as a whole: 1 % of the time can make 1 request in 100 late, and that is
what a p99 is about.
"""

SWAPPED_BYTES = 2**20
"""So much that came back from swap disturbs: hundreds of page faults that read from a disk."""

LEAST_WINDOW_S = 1.0
"""Shorter windows tell nothing: the kernel counts CPU time in ticks of 10 ms."""

NAMED = 3
"""Trials that a sentence names; it counts the others."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What the machine did in a window of `elapsed_s` beside the work of `tune` and its engine.

    `others`, `stolen` and `throttled` are the shares of the CPUs' time that other processes
    took, that the hypervisor took, and for which the cgroup's quota halted CPUs; `heat_events`
    is how often a CPU was slowed down for heat, `swapped_in_bytes` what came back from swap.
    `production_busy` tells that production had become busy at its end. `others` is None where
    nothing but that is known.
    """

    elapsed_s: float
    others: float | None
    stolen: float = 0.0
    throttled: float = 0.0
    heat_events: int = 0
    swapped_in_bytes: int = 0
    production_busy: bool = False


@dataclass(frozen=True, slots=True)
class _Kind:
    """One way to be disturbed: its size, the size from which on it counts, and its words."""

    size: Callable[[Disturbance], float]
    least: float
    words: str
    amount: Callable[[float], str]


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _mebibytes(size: float) -> str:
    return f"{size / 2**20:.0f} MiB"


def _times(count: float) -> str:
    return f"{count:.0f} times"


def _busy(busy: float) -> str:
    return "busy"


_KINDS = (
    _Kind(lambda d: d.others or 0.0, OTHERS_SHARE, "other processes took {} of the CPUs", _percent),
    _Kind(lambda d: d.stolen, HALTED_SHARE, "the hypervisor took {} of the CPUs", _percent),
    _Kind(lambda d: d.throttled, HALTED_SHARE, "the CPU quota halted {} of the CPUs", _percent),
    _Kind(lambda d: d.heat_events, 1, "CPUs were slowed down for heat {}", _times),
    _Kind(lambda d: d.swapped_in_bytes, SWAPPED_BYTES, "{} came back from swap", _mebibytes),
    _Kind(lambda d: float(d.production_busy), 1, "production was {}", _busy),
)


def disturbed(window: Disturbance | None) -> bool:
    """Tell whether anything in a window was large enough to count."""
    return window is not None and any(_counts(kind, window) for kind in _KINDS)


def sentences(windows: Mapping[str, Disturbance]) -> list[str]:
    """Return a sentence for each kind of disturbance, naming the windows that it was in."""
    found = []
    for kind in _KINDS:
        sizes = {name: kind.size(w) for name, w in windows.items() if _counts(kind, w)}
        if sizes:
            found.append(_sentence(kind, sizes))
    return found


def merged(first: Disturbance | None, second: Disturbance | None) -> Disturbance | None:
    """Return two windows as one; None stands for one that was not observed."""
    if first is None or second is None:
        return first or second
    elapsed_s = first.elapsed_s + second.elapsed_s
    weight = second.elapsed_s / elapsed_s
    return Disturbance(
        elapsed_s,
        _merged_share(first.others, second.others, weight),
        first.stolen + weight * (second.stolen - first.stolen),
        first.throttled + weight * (second.throttled - first.throttled),
        first.heat_events + second.heat_events,
        first.swapped_in_bytes + second.swapped_in_bytes,
        first.production_busy or second.production_busy,
    )


def _merged_share(first: float | None, second: float | None, weight: float) -> float | None:
    if first is None or second is None:
        return first if second is None else second
    return first + weight * (second - first)


def _counts(kind: _Kind, window: Disturbance) -> bool:
    return window.elapsed_s >= LEAST_WINDOW_S and kind.size(window) >= kind.least


def _sentence(kind: _Kind, sizes: Mapping[str, float]) -> str:
    """Return "other processes took 34 % of the CPUs during a, 12 % during b" and so on."""
    worst = sorted(sizes, key=lambda name: -sizes[name])
    first, *others = worst[:NAMED]
    parts = [f"{kind.words.format(kind.amount(sizes[first]))} during {first}"]
    parts += [f"{kind.amount(sizes[name])} during {name}" for name in others]
    text, more = ", ".join(parts), len(worst) - NAMED
    return f"{text} and less during {more} more" if more > 0 else text
