"""Whether the configs behind flags have the keys that are given, in JSON or behind dots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuner.engines.vllm.installed.flags.flag import Flag, Flags
from tuner.engines.vllm.installed.flags.releases import absent
from tuner.engines.vllm.installed.flags.value import read_json
from tuner.spec.errors import InputError

_EITHER = "SpeculativeConfig"
"""The config whose keys may be written with dashes (`EngineArgs.create_speculative_config`)."""

_Keys = Mapping[str, Mapping[str, str | None]]


def ensure_keys(flag: Flag, path: Sequence[str], value: str, flags: Flags) -> None:
    """Raise InputError for a key that a config of the installed version does not have.

    What lies in a dictionary, or in a config that is not known, is left to vLLM.
    """
    if flag.config is None:
        return
    held = read_json(value)
    for key in reversed(path):
        held = {key: held}
    for config, at, key in _strays(flags.keys, flag.config, held, f"{flag.name}."):
        there, known_as = flags.keys[config], f"{config}.{key}"
        raise InputError(absent("keys", f"{at}{key}", flags.version, there, known_as))


def _strays(keys: _Keys, config: str, held: Any, at: str) -> Iterator[tuple[str, str, str]]:
    """Yield each key that its config does not have, with the config and the place."""
    if not isinstance(held, dict) or config not in keys:
        return
    for written, inner in held.items():
        key = written.replace("-", "_") if config == _EITHER else written
        if key not in keys[config]:
            yield config, at, key
        elif below := keys[config][key]:
            yield from _strays(keys, below, inner, f"{at}{key}.")
