"""The files that start a server as it was measured, each with its evidence."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from tests.engines.units import words_of
from tests.engines.vllm.emitted.services import MODULE, ON_CPUS, ON_GPUS, PROVEN, written
from tuner.engines.vllm.emitted.artifacts import CONTENTS
from tuner.engines.vllm.emitted.secrets import without_secrets
from tuner.engines.vllm.emitted.service import Service

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@pytest.mark.parametrize("service", [ON_CPUS, ON_GPUS], ids=["cpus", "gpus"])
def test_the_emitted_files(service: Service, snapshot: SnapshotAssertion) -> None:
    """What is written for a proven candidate, to the letter."""
    assert written(service) == snapshot


def test_files_that_hold_knobs_are_written() -> None:
    """What the result says of a file's knobs is said of a file that is there."""
    assert set(CONTENTS) <= set(written(ON_CPUS))


def test_an_environment_with_nothing_to_say_has_no_file() -> None:
    """Without variables and secrets there is no vllm.env, and no header names it."""
    files = written(replace(ON_CPUS, env={}))

    assert "vllm.env" not in files
    assert [name for name, text in files.items() if "vllm.env" in text] == []


def test_an_unproven_candidate_says_so_first() -> None:
    """NOT PROVEN stands at the top of each file, and nothing below says proven."""
    files = written(ON_GPUS, replace(PROVEN, verdict="NOT PROVEN (UNDECIDED)"))
    told = {n: t for n, t in files.items() if n != "client.json"}

    assert all("# NOT PROVEN (UNDECIDED)" in text.splitlines()[1:3] for text in told.values())
    assert all("# proven" not in text for text in told.values())


@pytest.mark.parametrize("line", ["a\nrm -rf /", "a\x07b\x85c\u2028rm -rf /", "ends with \\"])
def test_no_line_of_the_header_is_anything_else(line: str) -> None:
    """What was measured can break no comment, nor make a file unreadable."""
    plain, odd = (written(ON_CPUS, replace(PROVEN, lines=(x,))) for x in ("one", line))

    for name, text in odd.items():
        lines = [x for x in text.splitlines() if not x.startswith("#")]
        assert lines == [x for x in plain[name].splitlines() if not x.startswith("#")]
        assert not any(x.startswith("#") and x.endswith("\\") for x in text.splitlines())
    assert all(yaml.safe_load(odd[n]) for n in odd if n.endswith(".yaml"))


@given(TEXTS)
def test_the_script_sets_the_environment(value: str) -> None:
    """Any value of a variable arrives as it is."""
    service = replace(ON_CPUS, program=("env", "-0"), env={"ODD": value})
    text = written(service)["serve.sh"].rpartition("exec ")[0]
    told = subprocess.run(["sh", "-c", f"{text}exec env -0"], capture_output=True, check=True)

    assert f"ODD={value}" in told.stdout.decode().split("\0")


def test_what_follows_the_script_wins(tmp_path: Path) -> None:
    """Further words come last, where vLLM's parser lets the later one count."""
    service = replace(ON_CPUS, program=("printf", "%s\\n"))
    script = tmp_path / "serve.sh"
    script.write_text(written(service)["serve.sh"])
    told = subprocess.check_output(["sh", str(script), "--port", "9 9"], text=True)

    assert told.splitlines()[-4:] == ["--port", "8000", "--port", "9 9"]


def test_a_script_without_its_secret_says_what_to_do() -> None:
    """It starts nothing, and names the variable."""
    service = replace(ON_GPUS, program=("echo", "started"))
    ended = subprocess.run(
        ["sh", "-c", written(service)["serve.sh"]], capture_output=True, text=True, env={}
    )

    assert ended.returncode != 0
    assert "HF_TOKEN: export it first" in ended.stderr
    assert ended.stdout == ""


ALIKE = ["0-1|2", "a b", "$HOME", "%d #x", "", "a'b"]
ODD = ["a\\b", '"a"', "'a'", " a", "a ", "a\nb", "a\tb"]


@pytest.mark.parametrize("value", ALIKE + ODD)
def test_the_environment_file_holds_what_all_its_readers_read_alike(value: str) -> None:
    """Quotes and backslashes are taken off by systemd and not by docker: they are only named."""
    lines = written(replace(ON_CPUS, env={"NAME": value}))["vllm.env"].splitlines()

    assert (f"NAME={value}" in lines) == (value in ALIKE)
    assert any(line.startswith("# NAME: readers of this file differ") for line in lines) == (
        value in ODD
    )


ODD_UNIT = replace(
    ON_GPUS,
    program=("/bin/sh", *MODULE[1:]),
    model="/a b/it's 100% $HOME; \u00e9",
    flags={"chat-template": 'a "b" \\c\n', "seed": ";"},
    env={"ODD": 'a "b" %d $e \\'},
)


def test_the_unit_s_command_is_the_one_that_was_measured() -> None:
    """Its words are read as they are."""
    line = next(
        x for x in written(ODD_UNIT)["vllm.service"].splitlines() if x.startswith("ExecStart=")
    )

    assert words_of(line.partition("=")[2], "/bin/sh") == without_secrets(ODD_UNIT).command()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """Its own check finds nothing to say."""
    unit = tmp_path / "vllm.service"
    unit.write_text(written(ODD_UNIT)["vllm.service"])
    said = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=True
    )

    assert "vllm.service" not in said.stderr


@pytest.mark.parametrize(
    ("host", "asked"),
    [("0.0.0.0", "127.0.0.1:8100"), ("::", "127.0.0.1:8100"), ("::1", "[::1]:8100")],
)
def test_a_server_is_asked_where_it_can_be_reached(host: str, asked: str) -> None:
    """All interfaces are no address."""
    client = json.loads(written(replace(ON_CPUS, host=host, port=8100))["client.json"])

    assert client["url"] == f"http://{asked}/v1/chat/completions"


def test_each_request_carries_what_was_measured() -> None:
    """Sampling is told whole, so that the model's own defaults do not count; the format too."""
    client = json.loads(written(ON_CPUS)["client.json"])
    asked = client["request"]

    assert client["url"] == "http://127.0.0.1:8000/v1/chat/completions"
    assert client["system"] == "Answer briefly."
    assert (asked["temperature"], asked["top_p"], asked["top_k"]) == (0.0, 1.0, 0)
    assert asked["response_format"]["json_schema"]["schema"] == {"type": "object"}
