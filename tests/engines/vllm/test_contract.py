"""vLLM's engine against the contract of all engines, over the stand-in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vllm.pythons import model, python
from tuner.engines.base import Engine
from tuner.engines.memory import Room
from tuner.engines.vllm.engine import Vllm
from tuner.engines.vllm.installed.program import find
from tuner.engines.vllm.settings.knobs import knobs
from tuner.engines.vllm.settings.section import Fixed
from tuner.engines.vllm.settings.using import Using
from tuner.spec.values import Model
from tuner.testing.engine_contract import EngineContract

ROOM = Room(2**50, 2**50)
"""Memory enough for what vLLM wants by default, whatever this machine has."""

NOT_TOLD = "vLLM does not tell what a request was sampled with"


def vllm(logs: Path, fixed: Fixed | None = None, **variables: str) -> Vllm:
    """Return an engine over the stand-in, which `variables` make misbehave."""
    folder = str(model(logs / "model"))
    installed = find(python(logs / "bin", **variables))
    cache, free = logs / "cache", lambda: ROOM
    using = Using(installed, fixed or Fixed(), knobs(folder))
    return Vllm(Model(folder, folder), using, logs / "logs", cache, free=free)


class TestVllm(EngineContract):
    """The managed server."""

    dear = ("max_num_seqs", 64)

    def engine(self, logs: Path) -> Engine:
        return vllm(logs)

    def ignoring(self, logs: Path, knob: str) -> Engine:
        return vllm(logs, STANDIN_FAULT="ignores_seqs")

    def failing(self, logs: Path) -> Engine:
        return vllm(logs, STANDIN_FAULT="crash")

    def test_a_request_knob_costs_nothing_and_is_in_force(self, tmp_path: Path) -> None:
        pytest.skip(NOT_TOLD)

    @pytest.mark.parametrize("which", ["dear"])
    def test_an_ignored_knob_is_a_mismatch(self, tmp_path: Path, which: str) -> None:
        super().test_an_ignored_knob_is_a_mismatch(tmp_path, which)
