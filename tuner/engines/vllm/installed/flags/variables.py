"""Check the settings of the environment: vLLM only warns, in its log, of one that it never reads.

Source: `Platform.validate_environ` in vllm/platforms/interface.py, version 0.32.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tuner.engines.vllm.installed.flags.releases import absent
from tuner.spec.errors import InputError

_PREFIX = "VLLM_"
_OTHERS = ("VLLM_ASCEND_", "VLLM_OMNI_")
"""Beginnings of what packages beside vLLM read, of which vLLM knows nothing."""

UNSET: Mapping[str, str] = {
    "VLLM_ENABLE_STARTUP_PLAN": "it would keep the KV size of the first start for every value of "
    "gpu_memory_utilization, because what it remembers is keyed by a hash without it",
}
"""Variables that make what is measured untrue, and why."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables to start with, and those taken away, each with the reason."""

    variables: dict[str, str]
    unset: dict[str, str]


def checked_environment(
    given: Mapping[str, str], known: frozenset[str] | None, version: str
) -> Environment:
    """Return the variables of a study for a server, without those that must not be set.

    `known` are the names that this version reads, None where that is unknown, so that none is
    refused. Raises InputError for a variable of vLLM's that this version never reads.
    """
    for name in given:
        if problem := unread(name, known, version):
            raise InputError(problem)
    return Environment(
        {name: value for name, value in given.items() if name not in UNSET},
        {name: reason for name, reason in UNSET.items() if name in given},
    )


def unread(name: str, known: frozenset[str] | None, version: str) -> str | None:
    """Return a sentence on a variable of vLLM's that it never reads, None of any other."""
    if known is None or name in known or not name.startswith(_PREFIX) or name.startswith(_OTHERS):
        return None
    return absent("variables", name, version, known)
