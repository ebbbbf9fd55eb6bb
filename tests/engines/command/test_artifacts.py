"""The files of a server of one's own: they start what was measured, on a port of the user's."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from tuner.engines.artifacts import Evidence, Serving
from tuner.engines.command.artifacts import serving_files
from tuner.engines.command.server import Server
from tuner.spec.knobs import Knob
from tuner.spec.values import Message

SERVER = Server(
    command=("my-server", "--port", "{{ port }}", "--url=http://127.0.0.1:{{ port }}/v1",
             "{% if flash %}--flash{% endif %}", "--name", "{{ name }}"),
    env={"OMP_NUM_THREADS": "{{ threads }}", "UNSET": "{% if flash %}1{% endif %}"},
    knobs={
        "threads": Knob("threads", "restart", 2, "command"),
        "flash": Knob("flash", "restart", False, "command"),
        "name": Knob("name", "restart", "it's", "command"),
        "num_predict": Knob("num_predict", "request", 40, "client", key="max_tokens"),
    },
)  # fmt: skip
CANDIDATE = {"threads": 2, "flash": False, "name": "it's $HOME", "num_predict": 40}
PROVEN = Evidence("my-server", "closed loop, concurrency 1", "PASS", ("e2e p99 <= 500 ms: PASS",))
SHOT = (Message("user", "Delete 1"), Message("assistant", '{"id":1}'))
SERVING = Serving(system="Answer briefly.", shots=SHOT, response_format={"type": "object"})


def test_the_emitted_files(snapshot: SnapshotAssertion) -> None:
    """What is written for a proven candidate, to the letter."""
    assert serving_files(SERVER, CANDIDATE, "my-model", SERVING, PROVEN) == snapshot


def test_files_with_nothing_to_say_are_left_out() -> None:
    """Without request fields, texts and format there is no client.json."""
    server = Server(("my-server", "{{ port }}"))

    assert list(serving_files(server, {}, "default", Serving(), PROVEN)) == ["serve.sh"]


def test_an_unproven_candidate_says_so_first() -> None:
    """NOT PROVEN stands at the top, and nothing below says proven."""
    evidence = replace(PROVEN, verdict="NOT PROVEN (UNDECIDED)")
    script = serving_files(SERVER, CANDIDATE, "default", SERVING, evidence)["serve.sh"]

    assert script.splitlines()[2] == "# NOT PROVEN (UNDECIDED)"
    assert "# proven" not in script


def test_no_line_of_the_header_is_run() -> None:
    """A line break in what was proven cannot end the comment."""
    evidence = replace(PROVEN, engine="my\nrm -rf server")
    lines = serving_files(SERVER, CANDIDATE, "default", SERVING, evidence)["serve.sh"].splitlines()

    assert [line for line in lines if line.startswith("rm")] == []


def test_the_script_runs_the_command(tmp_path: Path) -> None:
    """Arguments and environment arrive as they were measured, with the port that PORT says."""
    tell = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['OMP_NUM_THREADS']]))"
    server = replace(SERVER, command=(sys.executable, "-c", tell, *SERVER.command))
    script = tmp_path / "serve.sh"
    script.write_text(serving_files(server, CANDIDATE, "default", SERVING, PROVEN)["serve.sh"])

    def told(**environment: str) -> list[object]:
        return json.loads(subprocess.check_output(["sh", str(script)], env=environment))  # type: ignore[no-any-return]

    url = "--url=http://127.0.0.1:{}/v1"
    rest = ["--name", "it's $HOME"]
    assert told() == [["my-server", "--port", "8080", url.format(8080), *rest], "2"]
    assert told(PORT="99") == [["my-server", "--port", "99", url.format(99), *rest], "2"]


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1))
def test_any_value_is_one_word_of_the_shell(value: str) -> None:
    """Quotes, dollars and line breaks in a value are data, never syntax."""
    server = Server(("my-server", "{{ value }}"))
    script = serving_files(server, {"value": value}, "default", Serving(), PROVEN)["serve.sh"]

    command = script.split("\nexec ", 1)[1].removesuffix("\n")
    assert shlex.split(command) == ["my-server", value]
