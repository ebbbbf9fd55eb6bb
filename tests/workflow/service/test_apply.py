"""Into service and back, on real Ollamas of both generations."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import ollama
import pytest

from tests.ollama.installed import MODEL, QUICKER, complete, models, serving
from tuner.engines.models import default_path
from tuner.engines.ollama.emitted.deployment import OllamaDeployment
from tuner.engines.ollama.models import OllamaModels
from tuner.spec.errors import EngineError, EngineMissing, InputError
from tuner.spec.model_name import ensure_name
from tuner.workflow.service.apply import Applied
from tuner.workflow.service.apply import apply as put_into_service
from tuner.workflow.service.journal import locked
from tuner.workflow.service.proposal import propose
from tuner.workflow.service.way_back import first_apply, go_back

pytestmark = [pytest.mark.ollama, pytest.mark.embedded]
NOW = datetime(2026, 11, 26, 4, 5, 6)
NAME = "task-api"


@pytest.fixture(scope="module", params=["0.11.4", "0.33.3"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give a server in production, over a folder of models of its own."""
    folder = tmp_path_factory.mktemp("production")
    with serving(complete(request.param, folder), models(folder)) as address:
        yield f"http://{address}"


def _result(folder: Path, verdict: str = "PASS", system: str = "new") -> Path:
    """Return the folder of a run as far as `apply` reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "schema": "tuner.result/1",
        "verdict": verdict,
        "artifacts": {"Modelfile": "Modelfile"},
        "best": {"candidate": {"cpu_scheduling": "batch"}},
        "workload_hash": "another",
    }
    (folder / "result.json").write_text(json.dumps(document))
    (folder / "Modelfile").write_text(f"FROM {MODEL}\nSYSTEM {system}\nPARAMETER num_ctx 512\n")
    (folder / "ollama.env").write_text("# measured\nOLLAMA_NUM_PARALLEL=2\n")
    return folder


def apply(result: Path, name: str, host: str, now: datetime) -> Applied:
    """Apply without a check in place."""
    deployment = OllamaDeployment(host, name)
    with locked(deployment) as journal:
        proposal = propose(result, "env", deployment)
        return put_into_service(proposal, deployment, journal, now, print)


def roll_back(name: str, host: str) -> str:
    """Roll back and return what was brought back."""
    deployment = OllamaDeployment(host, name)
    with locked(deployment) as journal:
        kept = deployment.kept()
        if not kept:
            return first_apply(deployment, journal).name
        go_back(deployment, journal, kept[-1], NOW)
        return kept[-1].label


def _clean(server: OllamaModels) -> None:
    for name in server.names():
        if name not in (MODEL, QUICKER):
            server.delete(name)


def test_a_result_goes_into_service_and_back(host: str, tmp_path: Path) -> None:
    """The name serves the new model, the old one is kept, and a rollback brings it back."""
    server = OllamaModels(host)
    _clean(server)
    first = apply(_result(tmp_path / "a", system="old"), NAME, host, NOW)
    deployment = OllamaDeployment(host, NAME)
    proposal = propose(_result(tmp_path / "b"), "systemd", deployment)
    with locked(deployment) as journal:
        second = put_into_service(proposal, deployment, journal, NOW.replace(hour=5), print)

    assert first.kept is None
    assert [c.what for c in proposal.changes or ()] == ["SYSTEM"]
    assert second.kept == "task-api:latest-before-20261126T050506"
    assert "SYSTEM new" in server.modelfile(NAME)
    assert "SYSTEM old" in server.modelfile(second.kept)
    assert sorted(server.names()) == sorted([MODEL, QUICKER, "task-api:latest", second.kept])
    assert proposal.setup is not None
    written = proposal.setup.file.read_text()
    assert 'NUM_PARALLEL=2"' in written and "CPUSchedulingPolicy=batch" in written
    assert roll_back(NAME, host) == second.kept
    assert "SYSTEM old" in server.modelfile(NAME)
    assert sorted(server.names()) == sorted([MODEL, QUICKER, "task-api:latest"])


def test_other_weights_are_shown_before_they_go_into_service(host: str, tmp_path: Path) -> None:
    """A result on another base is a reload by name; the same one again is no change."""
    server = OllamaModels(host)
    _clean(server)
    result = _result(tmp_path / "a")
    apply(result, NAME, host, NOW)
    again = propose(result, "env", OllamaDeployment(host, NAME))
    text = (result / "Modelfile").read_text()
    (result / "Modelfile").write_text(text.replace(MODEL, QUICKER))

    (found,) = propose(result, "env", OllamaDeployment(host, NAME)).changes or ()

    assert again.changes == ()
    assert (found.what, found.cost) == ("FROM", "reload")
    assert (found.b or "").startswith(f"{QUICKER} (sha256:")


@pytest.mark.parametrize(
    "alias", ["library/task-api", "Task-API:LATEST", "https://registry.ollama.ai/library/task-api"]
)
def test_a_name_said_in_another_way_replaces_and_keeps_the_same_model(
    host: str, tmp_path: Path, alias: str
) -> None:
    """Ollama takes all of these for one, so that what served under it must be kept."""
    server = OllamaModels(host)
    _clean(server)
    apply(_result(tmp_path / "a", system="old"), NAME, host, NOW)

    done = apply(_result(tmp_path / "b"), alias, host, NOW)

    assert done.kept == "task-api:latest-before-20261126T040506"
    assert "SYSTEM old" in server.modelfile(done.kept)
    assert "SYSTEM new" in server.modelfile(NAME)
    assert roll_back(alias, host) == done.kept
    assert "SYSTEM old" in server.modelfile(NAME)


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("x", True),
        ("_X.y-z:1.0_a-B", True),
        ("me/x:latest", True),
        ("box:5000/me/x", True),
        ("https://box/me/x", True),
        (f"{'n' * 80}/{'m' * 80}:{'t' * 80}", True),
        ("m" * 81, False),
        (f"x:{'t' * 81}", False),
        ("bad name!", False),
        ("x\n", False),
        ("x:", False),
        ("/x", False),
        ("x:y:z", False),
        ("-x", False),
        ("x:.y", False),
        ("me.too/x", False),
        ("a/b/c/d", False),
        ("né", False),
    ],
)
def test_a_name_is_taken_where_ollama_takes_it(host: str, name: str, taken: bool) -> None:
    """Neither stricter nor more lenient than the server, of either generation."""
    server = OllamaModels(host)
    _clean(server)

    with contextlib.nullcontext() if taken else pytest.raises(EngineError, match="is invalid"):
        server.copy(MODEL, name)
    with contextlib.nullcontext() if taken else pytest.raises(InputError, match="is no name that"):
        ensure_name(name)


def test_weights_that_are_a_file_go_to_the_server(tmp_path: Path) -> None:
    """So a result of the embedded engine, FROM a path, becomes a model that answers.

    The newer generation needs a program for that which `make ollama` does not build.
    """
    production, result = tmp_path / "production", _result(tmp_path / "r")
    (result / "Modelfile").write_text(f"FROM {default_path()}\nPARAMETER num_ctx 512\n")
    with serving(complete("0.11.4", tmp_path), production) as address:
        apply(result, NAME, f"http://{address}", NOW)
        with ollama.Client(address) as client:
            asked = [{"role": "user", "content": "hi"}]
            answer = client.chat(NAME, asked, options={"num_predict": 2})
            described = client.show(NAME)

    assert answer.eval_count == 2
    assert "num_ctx" in str(described.parameters)


def test_nothing_kept_is_nothing_to_go_back_to(host: str, tmp_path: Path) -> None:
    """A rollback without an apply before it says what it looked for."""
    server = OllamaModels(host)
    _clean(server)

    with pytest.raises(InputError, match="nothing was kept of what served as task-api:latest"):
        roll_back(NAME, host)


@pytest.mark.parametrize("delay", [0.0, 0.3, 0.6, 0.9])
def test_killed_half_way_the_old_model_still_serves(
    host: str, tmp_path: Path, delay: float
) -> None:
    """Whenever `tune apply` is killed, the name serves the old model or the new one, whole."""
    server = OllamaModels(host)
    _clean(server)
    apply(_result(tmp_path / "a", system="old"), NAME, host, NOW)
    command = ["apply", str(_result(tmp_path / "b")), "--name", NAME, "--attach", host, "--yes"]

    tune = subprocess.Popen([sys.executable, "-m", "tuner", *command], stderr=subprocess.DEVNULL)
    time.sleep(delay)
    os.kill(tune.pid, signal.SIGKILL)
    tune.wait()

    serves = server.modelfile(NAME)
    assert ("SYSTEM old" in serves) != ("SYSTEM new" in serves)
    with ollama.Client(host) as client:
        asked = [{"role": "user", "content": "hi"}]
        assert client.chat(NAME, asked, options={"num_predict": 2}).done


def test_a_server_that_is_not_there_is_named() -> None:
    """The address that was looked at is in the message."""
    with pytest.raises(EngineMissing, match=r"no Ollama answers at http://127\.0\.0\.1:9 "):
        OllamaModels("http://127.0.0.1:9").names()
