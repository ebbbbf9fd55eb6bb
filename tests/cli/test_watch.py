"""`tune check --watch` follows real servers until a signal, by requests or by their counters."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_check import QUICK, check, served, write_study
from tuner.testing import serving
from tuner.testing.fake_server import running


def watching(folder: Path, url: str, *words: str) -> subprocess.Popen[str]:
    """Watch what serves at a URL in short windows, as a process of its own."""
    command = [sys.executable, "-m", "tuner", "check", "s.yaml", "--url", url, "--watch",
               "--window", "3s", "--rate", "60", "--json", "--out", "o", *words]  # fmt: skip
    env = {**os.environ, "NO_COLOR": "1"}
    return subprocess.Popen(
        command, cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def until(process: subprocess.Popen[str], state: str) -> dict[str, Any]:
    """Read JSON lines until one has a state; return it."""
    assert process.stdout is not None
    for line in process.stdout:
        look: dict[str, Any] = json.loads(line)
        if look["state"] == state:
            return look
    raise AssertionError(process.stderr.read() if process.stderr else "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_watch_with_the_code_of_its_state(tmp_path: Path, number: int) -> None:
    """Every sample and every look is kept, and the summary says how much it added."""
    write_study(tmp_path)
    with served(tmp_path) as url:
        process = watching(tmp_path, url)
        look = until(process, "met")
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    kept = (tmp_path / "o" / "samples.jsonl").read_text().splitlines()

    assert process.returncode == 0, said
    assert look["schema"] == "tuner.watched/1"
    assert look["changed"] is True
    assert len(kept) >= look["n"]
    assert {json.loads(line)["guard"] for line in kept} <= {"correct", "truncated"}
    assert (tmp_path / "o" / "watched.jsonl").read_text().count("\n") >= 1
    assert "it adds 60 requests/s" in said
    assert "met, after 0:00:" in said


def test_a_watch_that_ends_before_it_saw_anything_is_undecided(tmp_path: Path) -> None:
    """A signal right after the beginning: exit 3, and a sentence."""
    write_study(tmp_path)
    with served(tmp_path) as url:
        process = watching(tmp_path, url, "--window", "1h")
        assert process.stderr is not None
        assert process.stderr.readline().startswith("it adds 60 requests/s")
        process.send_signal(signal.SIGTERM)
        printed, said = process.communicate(timeout=20)

    assert (process.returncode, printed) == (3, ""), said
    assert said.splitlines()[0] == "undecided: nothing was seen yet"


def test_a_server_that_goes_and_comes_back_is_lost_and_met_again(tmp_path: Path) -> None:
    """By what its requests show, on the port where it was."""
    write_study(tmp_path)
    with running(*QUICK) as (_, port):
        process = watching(tmp_path, f"http://127.0.0.1:{port}")
        until(process, "met")
    lost = until(process, "lost")
    with running(*QUICK, port=port):
        until(process, "met")
        process.terminate()
        process.communicate(timeout=20)

    assert lost["missed"] == ["e2e p90 <= 2000 ms"]
    assert process.returncode == 0


def test_a_watch_of_a_bad_server_ends_with_exit_4_in_plain_lines(tmp_path: Path) -> None:
    """Elsewhere than on a terminal each look is a line with n, percentiles and the state."""
    write_study(tmp_path)
    words = ("--watch", "--window", "3s", "--rate", "60", "--for", "3s", "--out", "o")
    with served(tmp_path, "--error-every", "2") as url:
        found = check(tmp_path, url, *words)
    lines = found.stdout.splitlines()

    assert found.returncode == 4, found.stderr
    assert lines[-1].startswith("0:00:0")
    assert "e2e p50 ms " in lines[-1]
    assert lines[-1].endswith("lost: e2e p90 <= 2000 ms")

    again = check(tmp_path, url, *words)

    assert (again.returncode, "already holds a watch" in again.stderr) == (2, True)


@contextlib.contextmanager
def counting(steps: list[Any], folder: Path) -> Iterator[str]:
    """Run a server whose page of counters goes through steps; yield its URL."""
    program = Path(__file__).with_name("counting_server.py")
    command = [sys.executable, str(program), json.dumps(steps)]
    with serving.running(command, log=folder / "server.log") as (_, port):
        yield f"http://127.0.0.1:{port}"


def counters(
    folder: Path, steps: list[Any], *words: str, kind: str = "vllm"
) -> tuple[int, list[Any], str]:
    """Watch a server's counters for some readings; return code, looks, and what was said."""
    engine = {"kind": kind, "model": "m", "url": "http://127.0.0.1:9"}
    target = [{"metric": "e2e", "quantile": 0.99, "max_ms": 1000}]
    write_study(folder, engine=engine, slo=target, baseline={})
    with counting(steps, folder) as url:
        found = check(
            folder, url, "--watch", "--counters", "--window", "6s", "--for", "1.5s", "--json",
            "--out", "o", *words,
        )  # fmt: skip
        assert "a request was sent" not in (folder / "server.log").read_text()
    return found.returncode, [json.loads(line) for line in found.stdout.splitlines()], found.stderr


@pytest.mark.parametrize("kind", ["vllm", "openai"])
def test_a_server_s_own_counters_show_that_it_is_well(tmp_path: Path, kind: str) -> None:
    """Without a request of ours: all that it served count, whatever kind it is asked as."""
    code, looks, said = counters(tmp_path, [[0, 0], [200, 0]], kind=kind)

    assert code == 0, said
    assert looks[-1]["state"] == "met"
    assert looks[-1]["late"]["e2e p99 <= 1000 ms"]["most"] == 0
    assert looks[-1]["e2e"]["0.5"]["high"] == 0.3
    assert "it sends no request" in said


def test_a_server_s_own_counters_show_that_it_is_not(tmp_path: Path) -> None:
    """Late requests of anybody."""
    code, looks, said = counters(tmp_path, [[0, 0], [50, 20]])

    assert code == 4, said
    assert looks[-1]["missed"] == ["e2e p99 <= 1000 ms"]


def test_counters_that_begin_anew_are_noticed(tmp_path: Path) -> None:
    """Nothing is made of the difference."""
    code, looks, said = counters(tmp_path, [[900, 0], [100, 0], "reset", [200, 0]])

    assert code == 0, said
    assert any("began anew" in note for look in looks for note in look["notes"])


@pytest.mark.parametrize("steps", [[[0, 0], [0, 0]], [[0, 0], "gone"], [[0, 0], "without"]])
def test_no_data_is_undecided(tmp_path: Path, steps: list[Any]) -> None:
    """No traffic, no page, no histogram: exit 3, never well."""
    code, looks, said = counters(tmp_path, steps)

    assert code == 3, said
    assert {look["state"] for look in looks} == {"undecided"}


def test_a_page_without_histograms_from_the_start_is_said(tmp_path: Path) -> None:
    """With what helps."""
    code, looks, said = counters(tmp_path, ["without"])

    assert (code, looks) == (5, [])
    assert "leave --counters out" in said


def test_a_live_table_is_drawn_on_a_terminal(tmp_path: Path) -> None:
    """With a column for each figure, and the state in the last."""
    import pty

    write_study(tmp_path)
    ours, theirs = pty.openpty()
    with served(tmp_path) as url:
        command = [sys.executable, "-m", "tuner", "check", "s.yaml", "--url", url, "--watch",
                   "--window", "2s", "--rate", "60", "--for", "2s", "--out", "o"]  # fmt: skip
        env = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
        process = subprocess.Popen(
            command, cwd=tmp_path, env=env, stdout=theirs, stderr=subprocess.DEVNULL
        )
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the end of a terminal
            while part := os.read(ours, 65536):
                shown += part
        process.wait(20)
    os.close(ours)

    assert process.returncode in (0, 3)
    assert b"e2e p50 ms" in shown
    assert b"state" in shown
