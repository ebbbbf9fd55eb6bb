"""A running vLLM, such as one in a container: its requests are tuned, and its settings read."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.vllm.pythons import model, python
from tuner.engines.artifacts import Evidence, ServedCandidate, Serving
from tuner.engines.serving.launch import free_port
from tuner.engines.vllm.attached import VllmAttached
from tuner.engines.vllm.create import preview
from tuner.engines.vllm.kind import KIND
from tuner.spec.address import url
from tuner.spec.errors import EngineDied, InputError
from tuner.spec.requests.workload import Workload
from tuner.spec.study import Study
from tuner.testing.engine_contract import send


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the stand-in as somebody else's server, without development mode; yield its URL."""
    folder = tmp_path_factory.mktemp("running")
    port = free_port()
    command = (python(folder / "bin"), "-m", "vllm.entrypoints.cli.main", "serve",
               str(model(folder / "model")), "--host", "127.0.0.1", "--port", str(port),
               "--served-model-name", "small", "--max-model-len", "2048",
               "--block-size", "32")  # fmt: skip
    env = {n: v for n, v in os.environ.items() if n != "VLLM_SERVER_DEV_MODE"}
    running = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env
    )
    try:
        _wait(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait(10)


def _wait(address: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            urllib.request.urlopen(address, timeout=1).close()
            return
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def default(engine: VllmAttached) -> dict[str, object]:
    """Return the engine's defaults."""
    return {name: knob.default for name, knob in engine.knobs.items()}


def test_its_settings_are_read_and_nothing_is_changed(server: str) -> None:
    """Metrics and /v1/models tell what is in force; no start is ours."""
    engine = VllmAttached(url(server), "default")
    found = asyncio.run(engine.apply(default(engine)))  # type: ignore[arg-type]

    assert found.settings["max_model_len"] == 2048
    assert found.settings["block_size"] == 32
    assert (found.changed, found.engine_start, found.pid) == ("nothing", 1, None)
    assert found.version == "vLLM 0.32.0 (not ours)"


def test_requests_are_answered_by_the_model_that_it_serves(server: str) -> None:
    """Without a name the one that the server lists is asked for."""
    engine = VllmAttached(url(server), "default")

    async def work() -> None:
        candidate = default(engine)
        await engine.apply(candidate)  # type: ignore[arg-type]
        (sample,) = await send(engine, candidate, "Hello")  # type: ignore[arg-type]
        assert sample.outcome == "ok"
        assert sample.output_tokens == 7

    asyncio.run(work())


def test_priority_is_a_field_of_requests(server: str) -> None:
    """It is sent where it is set, and not where it is left open."""
    engine = VllmAttached(url(server), "small")
    body = json.loads(engine.request((), {**default(engine), "priority": 3}, None).body)  # type: ignore[dict-item]

    assert body["priority"] == 3
    assert "priority" not in json.loads(engine.request((), default(engine), None).body)  # type: ignore[arg-type]


def test_another_model_is_refused_with_what_is_there(server: str) -> None:
    """A name that the server does not list is an input error."""
    engine = VllmAttached(url(server), "smal")

    with pytest.raises(InputError, match="it serves: small; did you mean small"):
        asyncio.run(engine.apply(default(engine)))  # type: ignore[arg-type]


def test_nobody_there_is_said() -> None:
    """A port without a server is an engine that is gone, with the next step."""
    engine = VllmAttached(url(f"http://127.0.0.1:{free_port()}"), "small")

    with pytest.raises(EngineDied, match="start it first"):
        asyncio.run(engine.apply(default(engine)))  # type: ignore[arg-type]


def test_only_settings_of_requests_are_searched() -> None:
    """The flags of a server that runs are left out, with the reason."""
    where = url("http://127.0.0.1:8000")
    study = Study("s", "vllm", "small", Workload((), {}, None, hash="w"), url=where)
    seen = preview(study)

    assert "max_num_seqs" not in seen.knobs
    assert "only a start of the server sets it" in seen.left_out["max_num_seqs"]
    assert study.one_start


def test_where_it_runs_has_to_be_said() -> None:
    """There is no usual place of a vLLM; what is no address is refused."""
    assert KIND.running("") is None
    with pytest.raises(InputError, match="--attach"):
        KIND.running("ftp://there")


def test_a_server_that_its_files_started_is_measured_as_it_serves(server: str) -> None:
    """Only what requests carry is sent, and of what was measured only that is written."""
    study = Study("s", "vllm", "small", Workload((), {}, None, hash="w"))
    engine = KIND.serving_at(url(server), study)
    candidate = {**default(VllmAttached(url(server), "small")), "max_num_seqs": 8}

    async def work() -> None:
        await engine.apply(candidate)  # type: ignore[arg-type]
        (sample,) = await send(engine, candidate, "Hello")  # type: ignore[arg-type]
        assert sample.outcome == "ok"

    asyncio.run(work())
    evidence = Evidence("vllm", "one", "PASS")
    served = ServedCandidate(study, engine, candidate, Serving(), evidence)  # type: ignore[arg-type]
    assert set(KIND.artifacts(served)) >= {"client.json"}
