"""What a running vLLM says of its settings: its metrics, its models, its log, its own account."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tuner.engines.serving import control
from tuner.engines.serving.readback import difference, setting
from tuner.engines.vllm.running.metrics import Page, read_setting
from tuner.engines.vllm.running.watch import page
from tuner.engines.vllm.settings.knobs import RESOLVED
from tuner.spec.knobs import Knob
from tuner.spec.values import Setting

_LOGGED = {
    "max_model_len": re.compile(r"max_seq_len=(\d+)"),
    "dtype": re.compile(r"\bdtype=torch\.(\w+)"),
    "enforce_eager": re.compile(r"enforce_eager=(True|False)"),
}
"""What the line "Initializing a V1 LLM engine" says (v1/engine/core.py)."""

_DEAD = re.compile(r"EngineDeadError|EngineCore (?:encountered|died|failed)", re.IGNORECASE)
_CACHE = {name: place for name, place in RESOLVED.items() if place.startswith("cache.")}


async def settings(address: str, log: str) -> dict[str, Setting]:
    """Return the settings that a server shows to be in force; what it does not show is left out.

    Sources: GET /metrics (vllm:cache_config_info) and /v1/models, the log of the engine's start,
    and in development mode GET /server_info, which not every installation answers.
    """
    found = dict(from_log(log)) | dict(from_page(await page(address)))
    status, models = await control.call("GET", address + "/v1/models")
    if status == 200:
        found |= dict(from_models(models))
    status, told = await control.call("GET", address + "/server_info?config_format=json")
    return found | (dict(from_account(told)) if status == 200 else {})


def from_log(log: str) -> Iterator[tuple[str, Setting]]:
    """Yield what the log of a start says."""
    for name, pattern in _LOGGED.items():
        if match := pattern.search(log):
            found = read_setting(match[1])
            if found is not None:
                yield name, found


def from_page(told: Page | None) -> Iterator[tuple[str, Setting]]:
    """Yield the settings among the labels of vllm:cache_config_info."""
    for name, place in _CACHE.items():
        key = place.partition(".")[2]
        if told is not None and key in told.settings:
            yield name, told.settings[key]


def from_models(body: Any) -> Iterator[tuple[str, Setting]]:
    """Yield what GET /v1/models says: the context."""
    rows = body.get("data") if isinstance(body, dict) else None
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and isinstance(row.get("max_model_len"), int):
            yield "max_model_len", row["max_model_len"]


def from_account(body: Any) -> Iterator[tuple[str, Setting]]:
    """Yield what GET /server_info says: the whole configuration, as the server has it."""
    config = body.get("vllm_config") if isinstance(body, dict) else None
    if not isinstance(config, dict):
        return
    for name, place in RESOLVED.items():
        section, _, key = place.partition(".")
        part = config.get(f"{section}_config")
        value = part.get(key) if isinstance(part, dict) else None
        if isinstance(value, str | int | float | bool):
            yield name, value.removeprefix("torch.") if isinstance(value, str) else value


def mismatches(
    knobs: Mapping[str, Knob], asked: Mapping[str, Setting], found: Mapping[str, Setting]
) -> list[str]:
    """Return a sentence for each setting that is not in force as it was resolved."""
    said = (
        difference(knobs[name], asked[name], setting(real, asked[name]))
        for name, real in found.items()
        if name in asked and not knobs[name].leaves_open(asked[name])
    )
    return [sentence for sentence in said if sentence is not None]


def engine_died(log: str) -> bool:
    """Tell whether the log says that the process which computes is gone."""
    return _DEAD.search(log) is not None
