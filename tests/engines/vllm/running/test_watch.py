"""A server is watched beside what is measured, and nothing that it sends spoils a measurement."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engines.vllm.running.test_metrics import AFTER, BEFORE
from tuner.engines.observation import Observation
from tuner.engines.serving import metrics_page
from tuner.engines.vllm.running.prefix_cache import reset_prefix_cache
from tuner.engines.vllm.running.proposals import Limits
from tuner.engines.vllm.running.watch import page, watching

SERVER = str(Path(__file__).parent / "page_server.py")
BUSY = AFTER.replace(
    'vllm:num_requests_running{engine="0",model_name="smollm2"} 0.0',
    'vllm:num_requests_running{engine="0",model_name="smollm2"} 8.0',
)


@contextmanager
def serving(folder: Path, *pages: str, how: str = "whole") -> Iterator[str]:
    """Give the origin of a server that gives these pages, one after the other."""
    for i, text in enumerate(pages):
        (folder / f"{i}.txt").write_text(text)
    command = [sys.executable, SERVER, str(folder), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


async def observed(origin: str, readings: int = 1) -> Observation | None:
    """Watch a server until its gauges were read so often, and return what it told."""
    async with watching(origin, Limits(8, 2048)) as seen:
        while len(seen.readings) < readings:
            await asyncio.sleep(0.01)
        return await seen.observation()


def test_what_a_server_does_meanwhile_is_told(tmp_path: Path) -> None:
    """Growth of counters from the first page to the last, and levels of gauges in between."""
    with serving(tmp_path, BEFORE, BUSY, AFTER) as origin:
        found = asyncio.run(observed(origin))

    assert found is not None
    assert (found.totals["requests"], found.restarted) == (28, False)
    assert (found.levels["running"].most, found.levels["running"].n) == (8, 1)
    assert not any("_up_to_" in name for name in found.totals)
    assert "seen waiting 0 times" in found.reason.because


def test_a_page_alone_tells_what_is_in_force(tmp_path: Path) -> None:
    """Settings are read back without watching; where nobody answers nothing is."""
    with serving(tmp_path, AFTER) as origin:
        found = asyncio.run(page(origin))

    assert found is not None
    assert found.settings["num_gpu_blocks"] == 364
    assert asyncio.run(page(origin)) is None


def test_a_server_that_began_anew_is_told(tmp_path: Path) -> None:
    """Its counters say nothing of the measurement."""
    with serving(tmp_path, AFTER, BEFORE) as origin:
        found = asyncio.run(observed(origin, readings=0))

    assert found is not None
    assert (found.restarted, found.totals) == (True, {})


@pytest.mark.parametrize("how", ["404", "500", "302", "cut", "never"])
def test_a_page_that_fails_tells_nothing(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error, a redirect, a page that breaks off or never comes: nothing is told or raised."""
    monkeypatch.setattr(metrics_page, "TIMEOUT_S", 0.5)
    with serving(tmp_path, AFTER, how=how) as origin:
        assert asyncio.run(observed(origin, readings=0)) is None


@pytest.mark.parametrize("text", ["", "<html>\n", "\udcff\x00", "vllm:\n" * 9])
def test_a_page_of_something_else_tells_nothing(tmp_path: Path, text: str) -> None:
    """What is no page of vLLM is none."""
    (tmp_path / "0.txt").write_bytes(text.encode(errors="surrogateescape"))
    with serving(tmp_path) as origin:
        assert asyncio.run(observed(origin, readings=0)) is None


def test_a_server_that_is_gone_tells_nothing(tmp_path: Path) -> None:
    """Neither the page nor the prefix cache can be asked for where nobody listens."""
    with serving(tmp_path, AFTER) as origin:
        pass
    assert asyncio.run(observed(origin, readings=0)) is None
    assert asyncio.run(reset_prefix_cache(origin)) is None


def test_a_measurement_that_fails_ends_the_watch(tmp_path: Path) -> None:
    """Whatever is raised meanwhile goes on, and nobody reads gauges any more."""

    async def fails(origin: str) -> int:
        with pytest.raises(ZeroDivisionError):
            async with watching(origin, Limits()):
                raise ZeroDivisionError
        return len(asyncio.all_tasks())

    with serving(tmp_path, AFTER) as origin:
        assert asyncio.run(fails(origin)) == 1


@pytest.mark.parametrize(
    ("answer", "told"),
    [('{"success": true}', True), ('{"success": false}', False), ("", None), ("[1]", None)],
)
def test_the_prefix_cache_is_emptied_where_the_server_lets_us(
    tmp_path: Path, answer: str, told: bool | None
) -> None:
    """It says whether it did; a server without that path, or another answer, says nothing."""
    with serving(tmp_path, AFTER) as origin:
        assert asyncio.run(reset_prefix_cache(origin)) is None
        (tmp_path / "reset").write_text(answer)
        assert asyncio.run(reset_prefix_cache(origin)) is told
