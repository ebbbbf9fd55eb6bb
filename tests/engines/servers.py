"""FakeServer as a study would declare it: a server that is started by a command line."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from tuner.engines.command.server import Server
from tuner.engines.serving.declared import DeclaredKnob, ReadBack
from tuner.spec.values import Knob

FAST = ("--ttft-ms", "2", "--itl-ms", "0.2", "--prompt-us-per-token", "1")
PROGRAM = (sys.executable, "-m", "tuner.testing.fake_server")
SETTINGS = '{"n_batch": {{ num_batch }}, "port": {{ port }}}'
KNOBS = {
    "num_batch": DeclaredKnob(
        Knob("num_batch", "restart", 512, "command"), None, ReadBack(log=r"n_ubatch\s+= (\d+)")
    ),
    "temperature": DeclaredKnob(
        Knob("temperature", "request", 0.8, "client"),
        "temperature",
        ReadBack(get="/slots", at="0.params.temperature"),
    ),
    "num_predict": DeclaredKnob(Knob("num_predict", "request", 64, "client"), "max_tokens"),
}
DEFAULT = {name: declared.knob.default for name, declared in KNOBS.items()}


def fake(*options: str, settings: str = SETTINGS, **changes: Any) -> Server:
    """Return a declared FakeServer with options of its own."""
    server = Server((*PROGRAM, settings, *FAST, *options), knobs=KNOBS, start_timeout_s=30.0)
    return replace(server, **changes)
