"""FakeServer as a study would declare it: a server that is started by a command line."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from tuner.engines.command.server import Server
from tuner.spec.knobs import Knob, ReadBack, by_name

FAST = ("--ttft-ms", "2", "--itl-ms", "0.2", "--prompt-us-per-token", "1")
PROGRAM = (sys.executable, "-m", "tuner.testing.fake_server")
SETTINGS = '{"n_batch": {{ num_batch }}, "port": {{ port }}}'
_BATCH = ReadBack(log=r"n_ubatch\s+= (\d+)")
_TEMPERATURE = ReadBack(get="/slots", at="0.params.temperature")
KNOBS = by_name(
    Knob("num_batch", "restart", 512, "command", read=_BATCH),
    Knob("temperature", "request", 0.8, "client", read=_TEMPERATURE),
    Knob("num_predict", "request", 64, "client", key="max_tokens"),
)
DEFAULT = {name: knob.default for name, knob in KNOBS.items()}


def fake(*options: str, settings: str = SETTINGS, **changes: Any) -> Server:
    """Return a declared FakeServer with options of its own."""
    server = Server((*PROGRAM, settings, *FAST, *options), knobs=KNOBS, start_timeout_s=30.0)
    return replace(server, **changes)
