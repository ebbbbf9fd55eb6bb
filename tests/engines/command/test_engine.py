"""The engine of a server of one's own: what the contract cannot ask of every engine."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from tests.engines.servers import DEFAULT, KNOBS, fake
from tests.processes import still_running
from tuner.engines.command.engine import Command, create
from tuner.engines.command.server import Server
from tuner.engines.serving.readback import difference, last_match, place, setting
from tuner.spec.errors import EngineDied, EngineError, InputError
from tuner.spec.knobs import Knob, ReadBack
from tuner.spec.requests.workload import Workload
from tuner.spec.study import Study
from tuner.spec.values import Effective, Message

T = TypeVar("T")

OWNER = """
import signal
import asyncio, pathlib, sys
from tests.engines.servers import DEFAULT, fake
from tuner.engines.command.engine import Command

async def main():
    server = fake("--ignore-sigterm", "--spawn-grandchild")
    found = await Command(server, "default", pathlib.Path(sys.argv[1])).apply(DEFAULT)
    print(found.pid, flush=True)
    await asyncio.sleep(600)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
asyncio.run(main())
"""


def use(
    server: Server, logs: Path, work: Callable[[Command], Awaitable[T]], model: str = "default"
) -> T:
    """Run work with an engine over a server and close it, whatever happens."""

    async def session() -> T:
        engine = Command(server, model, logs)
        try:
            return await work(engine)
        finally:
            await engine.aclose()

    return asyncio.run(session())


def applied(server: Server, logs: Path, **changes: Any) -> Effective:
    """Return what is in force after the defaults with changes were applied."""
    return use(server, logs, lambda engine: engine.apply(DEFAULT | changes))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_orphan_when_the_owner_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    """A server that ignores SIGTERM and hides a grandchild is gone soon after its owner."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        log = (tmp_path / "engine-1.log").read_text()
        grandchild = int(log.split("grandchild pid = ")[1].split()[0])
        owner.send_signal(number)
        owner.wait(20)

    assert still_running(pid, grandchild) == []


def test_a_server_may_take_a_port_of_its_own(tmp_path: Path) -> None:
    """Where the command says nothing of a port, the one that its process listens on is used."""
    found = applied(fake(settings='{"n_batch": {{ num_batch }}}'), tmp_path)

    assert found.mismatches == ()


def test_the_environment_reaches_the_server(tmp_path: Path) -> None:
    """Variables are filled in like arguments and stand in the server's own environment."""
    server = fake(env={"TUNED_BATCH": "{{ num_batch }}", "UNSET": "{% if false %}1{% endif %}"})

    async def work(engine: Command) -> dict[str, str]:
        found = await engine.apply(DEFAULT | {"num_batch": 64})
        assert found.pid is not None
        return psutil.Process(found.pid).environ()

    environment = use(server, tmp_path, work)

    assert environment["TUNED_BATCH"] == "64"
    assert "UNSET" not in environment


def test_a_server_that_no_longer_answers_is_started_again(tmp_path: Path) -> None:
    """A server whose process was killed between two trials serves the next one all the same."""

    async def work(engine: Command) -> tuple[Effective, Effective]:
        first = await engine.apply(DEFAULT)
        assert first.pid is not None
        psutil.Process(first.pid).kill()
        return first, await engine.apply(DEFAULT)

    first, again = use(fake(), tmp_path, work)

    assert again.changed == "restart"
    assert again.pid != first.pid


def test_requests_carry_fields_and_the_model(tmp_path: Path) -> None:
    """Request-tier knobs are fields by their declared name; `default` names no model."""

    def body(model: str) -> Any:
        engine = Command(fake(), model, tmp_path)
        return json.loads(engine.request((Message("user", "x"),), DEFAULT, None).body)

    assert (body("m")["model"], body("m")["max_tokens"], body("m")["temperature"]) == ("m", 64, 0.8)
    assert "model" not in body("default")
    assert "num_batch" not in body("m")


@pytest.mark.parametrize(
    ("knobs", "sent"),
    [
        ({"most": Knob("most", "request", 64, key="n_predict", role="limit")}, {"n_predict": 9}),
        ({"heat": Knob("heat", "request", 0.5)}, {"heat": 0.5, "max_tokens": 9}),
        ({"n": Knob("n", "restart", 64, role="limit")}, {"max_tokens": 9}),
    ],
)
def test_a_wanted_length_is_sent(
    knobs: dict[str, Knob], sent: dict[str, Any], tmp_path: Path
) -> None:
    """In the field that the study declares for it, else in that of the API."""
    engine = Command(Server(("serve",), knobs=knobs), "default", tmp_path)
    candidate = {name: knob.default for name, knob in knobs.items()}
    body = json.loads(engine.request((), candidate, None, 9).body)

    assert {n: v for n, v in body.items() if not n.startswith("stream")} == {"messages": []} | sent


def test_what_cannot_be_read_back_is_unverified(tmp_path: Path) -> None:
    """A knob without `read` is named as taken on trust, one with it is in the settings."""
    found = applied(fake(), tmp_path, format="json")

    assert found.unverified == ("num_predict", "format")
    assert set(found.settings) == {"num_batch", "temperature"}


def test_a_place_where_nothing_stands_is_a_mismatch(tmp_path: Path) -> None:
    """A knob that should be readable and is not is never taken on trust."""
    read = ReadBack(get="/slots", at="0.params.nowhere")
    server = fake(knobs=KNOBS | {"num_predict": replace(KNOBS["num_predict"], read=read)})

    assert "does not say" in applied(server, tmp_path).mismatches[0]


def test_a_page_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A GET that gives no JSON says which key of the study has to be mended."""
    read = ReadBack(get="/nowhere", at="x")
    server = fake(knobs=KNOBS | {"num_predict": replace(KNOBS["num_predict"], read=read)})

    with pytest.raises(EngineError, match="mend get: /nowhere"):
        applied(server, tmp_path)


def test_a_refused_probe_says_so(tmp_path: Path) -> None:
    """A server that refuses the candidate's fields ends the trial in its own words."""
    with pytest.raises(EngineDied, match="first request with 400"):
        applied(fake(), tmp_path, temperature="hot")


def test_a_study_without_a_server_is_refused(tmp_path: Path) -> None:
    """Engine command needs to be told what to start."""
    with pytest.raises(InputError, match=r"add engine\.command"):
        create(Study("s", "command", "default", Workload(())), tmp_path)


@pytest.mark.parametrize(
    ("found", "like", "value"),
    [
        ("64", 64, 64),
        ("0.25", 0.5, 0.25),
        (0.25000001192, 0.5, 0.25),
        ("nan", 0.5, "nan"),
        ("enabled", False, True),
        (0, True, False),
        (False, True, False),
        ("auto", False, "auto"),
        (8, "8", "8"),
        (True, "true", "true"),
        ([1], 1, "[1]"),
        (None, 1, None),
    ],
)
def test_what_is_found_becomes_a_value_of_a_kind(found: Any, like: Any, value: Any) -> None:
    """Text from a log and JSON from a page compare with what a study wrote."""
    real = setting(found, like)

    assert real == value
    assert type(real) is type(value)


@pytest.mark.parametrize(
    ("path", "value"),
    [("a", 1), ("b.0.c", 2), ("b.1", None), ("b.x", None), ("a.b", None), ("z", None)],
)
def test_places_in_documents(path: str, value: Any) -> None:
    """Dots lead into objects, numbers into lists; where nothing stands there is None."""
    assert place({"a": 1, "b": [{"c": 2}]}, path) == value


def test_the_last_match_of_a_log_counts() -> None:
    """A setting that is logged again has changed."""
    assert last_match(r"^n = (\d+)$", "n = 1\nn = 2\nend") == "2"
    assert last_match(r"m = (\d+)", "n = 1") is None


def test_differences_are_sentences() -> None:
    """Knob, what was asked and what is in force stand in one sentence."""
    knob = Knob("flash", "restart", False, "command")

    assert difference(knob, True, True) is None
    assert difference(knob, True, "auto") == (
        "flash: asked for True, in force is auto (tier restart)"
    )
