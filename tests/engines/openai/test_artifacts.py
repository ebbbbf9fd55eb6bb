"""The files that ask a hosted server as it was measured, run as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.engines.servers import FAST
from tuner.engines.artifacts import Evidence, Serving
from tuner.engines.openai.artifacts import CLIENT, PROGRAM, hosted_files
from tuner.engines.openai.engine import OpenAI
from tuner.engines.openai.remote import FromEnvironment, Remote
from tuner.spec.address import Url, url
from tuner.spec.values import Candidate, Message
from tuner.testing.fake_server import running

EVIDENCE = Evidence("openai", "closed loop", "PASS", ("e2e p99\nimport os",))
DYNAMIC = {
    "rules": [{"match": "DELETE", "shots": ["d"]}],
    "default": [],
    "shots": {"d": {"user": "delete 1", "assistant": "{}"}},
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Give the PEM files of an authority, and of a server that it vouches for."""
    folder, ca = tmp_path_factory.mktemp("ca"), trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "server.pem")
    )
    return folder / "ca.pem", folder / "server.pem"


def asked(
    at: Url, folder: Path, text: str, remote: Remote, serving: Serving, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Write the files of a candidate, and run the program."""
    candidate: Candidate = {"temperature": 0.5, "num_predict": 50, "top_k": "auto"}
    engine = OpenAI(at, "default", remote)
    request = engine.request((), candidate, serving.response_format)
    files = hosted_files(at, request, remote.headers, serving, EVIDENCE)
    for name, content in files.items():
        (folder / name).write_text(content)
    command, env = [sys.executable, PROGRAM, text], {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=30)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Url, Path]]:
    """Give a server and the file with what came to it."""
    record = tmp_path / "record.jsonl"
    with running(*FAST, "--record", str(record)) as (_, port):
        yield url(f"http://127.0.0.1:{port}/v1?v=2"), record


def body(record: Path) -> dict[str, Any]:
    """Return the last body that came."""
    found: dict[str, Any] = json.loads(json.loads(record.read_text().splitlines()[-1])["body"])
    return found


@pytest.mark.parametrize(("text", "shots"), [("delete task 4", 2), ("list all", 0)])
def test_shots_are_chosen_from_the_text(
    text: str, shots: int, server: tuple[Url, Path], tmp_path: Path
) -> None:
    """The rules of the study hold in the program, beside the system text and the schema."""
    at, record = server
    serving = Serving("Say JSON.", (), DYNAMIC, {"type": "object"})
    found = asked(at, tmp_path, text, Remote(), serving)
    sent = body(record)

    assert found.returncode == 0, found.stderr
    assert [m["role"] for m in sent["messages"]] == [
        "system", *["user", "assistant"] * (shots // 2), "user"
    ]  # fmt: skip
    assert sent["messages"][-1]["content"] == text
    assert sent["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert (sent["temperature"], sent["max_tokens"]) == (0.5, 50)
    assert "top_k" not in sent


def test_fixed_shots_and_what_the_server_lacks(server: tuple[Url, Path], tmp_path: Path) -> None:
    """Shots go before the text, and a field that the study leaves away stays away."""
    at, record = server
    shots = (Message("user", "a"), Message("assistant", "b"))
    found = asked(at, tmp_path, "c", Remote(stream_options=False), Serving(shots=shots))
    sent = body(record)

    assert found.returncode == 0, found.stderr
    assert [m["content"] for m in sent["messages"]] == ["a", "b", "c"]
    assert "stream_options" not in sent
    assert "response_format" not in sent


def test_a_header_s_secret_is_named_and_never_written(
    server: tuple[Url, Path], tmp_path: Path
) -> None:
    """Both kinds of header arrive; the files hold the variable's name alone."""
    at, record = server
    remote = Remote({"X-Org": "blue", "X-Api-Key": FromEnvironment("TEAM_KEY")})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEAM_KEY", "s3cret")
        found = asked(at, tmp_path, "hi", remote, Serving(), TEAM_KEY="s3cret")
    last = json.loads(record.read_text().splitlines()[-1])

    assert found.returncode == 0, found.stderr
    assert (last["headers"]["x-org"], last["headers"]["x-api-key"]) == ("blue", "s3cret")
    assert last["target"] == "/v1/chat/completions?v=2"
    assert "s3cret" not in (tmp_path / CLIENT).read_text() + (tmp_path / PROGRAM).read_text()


def test_evidence_stays_a_comment(server: tuple[Url, Path], tmp_path: Path) -> None:
    """A line break in it does not become code."""
    asked(server[0], tmp_path, "hi", Remote(), Serving())

    assert "# e2e p99 import os" in (tmp_path / PROGRAM).read_text().splitlines()


def test_certificates_count_as_they_were_measured(
    authority: tuple[Path, Path], tmp_path: Path
) -> None:
    """Those of the study's file, or any where it says so; without either the program says no."""
    ca, pem = authority
    with running(*FAST, "--certificate", str(pem)) as (_, port):
        at = url(f"https://127.0.0.1:{port}")
        ours = replace(at, address=replace(at.address, ca_file=str(ca)))
        blind = replace(at, address=replace(at.address, verify=False))
        found = [asked(u, tmp_path, "hi", Remote(), Serving()) for u in (ours, blind, at)]

    assert [f.returncode for f in found] == [0, 0, 1], found
    assert "CERTIFICATE_VERIFY_FAILED" in found[2].stderr
    assert "Traceback" not in found[2].stderr
