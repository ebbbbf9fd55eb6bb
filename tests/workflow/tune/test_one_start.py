"""A server that cannot be started again is tuned: what is proven holds for its one start."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workflow.tune.test_resume import Killed, Killer
from tests.workflow.worlds import Recorder, study
from tuner.evaluate.lateness import by_block
from tuner.evaluate.scope import ONE_START
from tuner.load.wire import Exchange, Request, Transport
from tuner.report.documents import plan_document
from tuner.report.plan import show_plan
from tuner.report.result import as_text, show_result
from tuner.search.budget import Pace, plan
from tuner.search.result import Result
from tuner.spec.address import Address, Url
from tuner.spec.space import Range
from tuner.spec.values import Candidate, Effective, Load, Slo
from tuner.testing.simulated import Answered, SimulatedEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.tune.proving.proof import terms_of
from tuner.workflow.tune.run import run


def world(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
    """Hot answers are wrong more often, and longer."""
    hot, number = float(settings["temperature"]), int(text.split()[-1])
    wrong = rng.random() < 0.6 * hot
    needed = 10 + round(20 * hot)
    tokens = min(needed, int(settings["num_predict"]))
    answer = json.dumps({"n": number + 1 if wrong else number})
    ttft = 0.05 * float(rng.lognormal(0.0, 0.05))
    return Answered(ttft, 0.01, answer, tokens, "length" if tokens < needed else "stop")


@dataclass
class Counting:
    """A transport that counts what is in flight, and knows the most at once."""

    inner: Transport
    engine: Attached

    async def send(self, request: Request, timeout_s: float) -> Exchange:
        self.engine.flying += 1
        self.engine.most = max(self.engine.most, self.engine.flying)
        try:
            return await self.inner.send(request, timeout_s)
        finally:
            self.engine.flying -= 1

    async def aclose(self) -> None:
        await self.inner.aclose()


@dataclass
class Attached(SimulatedEngine):
    """A world that somebody else started: no candidate and no wish starts it again."""

    flying: int = 0
    most: int = 0
    parallel: int = 100
    memory: Callable[[Candidate], int] = lambda candidate: None  # type: ignore[assignment,return-value]
    left_out: dict[str, str] = field(default_factory=lambda: {"num_batch": "only a start sets it"})

    async def apply(self, candidate: Candidate, *, fresh: bool = False) -> Effective:
        self._starts, self._running = 1, True
        self._in_force = {name: candidate[name] for name in self.knobs}
        return self._effective(candidate, "nothing")

    def transport(self) -> Any:
        return Counting(super().transport(), self)


STUDY = study(
    engine="openai",
    url=Url(Address("127.0.0.1", 1)),
    baseline={"num_batch": 32, "temperature": 0.7, "num_predict": 64},
    space={"temperature": Range(0.0, 1.0), "num_predict": Range(4, 64, step=4)},
    slos=(Slo("e2e", 0.99, 0.25),),
    budget_s=600.0,
)


def tuned(out: Path, recorder: Recorder, engine: Attached, **how: Any) -> Result:
    """Tune the study in virtual time."""
    return virtually(run(STUDY, out, recorder, engine, **how))


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Recorder]:
    """Give a finished run."""
    recorder = Recorder()
    return tuned(tmp_path_factory.mktemp("run") / "o", recorder, Attached(world)), recorder


def test_it_is_proven_on_the_one_start_in_blocks_that_take_turns(
    proven: tuple[Result, Recorder],
) -> None:
    """No start is made up: both sides have blocks of one and the same start, in turn."""
    result, _ = proven
    assert result.verdict == "PASS", result.reasons
    assert result.best is not None
    assert result.baseline is not None
    ours, theirs = by_block(result.best.samples), by_block(result.baseline.samples)

    assert (result.best.starts, result.baseline.starts) == (1, 1)
    assert len(ours) >= 4
    assert len(theirs) >= 4
    assert ours[0][0].sent_ns < theirs[1][0].sent_ns < ours[-1][0].sent_ns
    assert result.spent["restarts"] == 0


def test_noise_and_gain_come_from_blocks_of_the_one_start(
    proven: tuple[Result, Recorder],
) -> None:
    """Without several starts there are several times, and a gain is claimed against those."""
    result, _ = proven

    assert result.noise_floor is not None
    assert result.mean_gain is not None
    assert result.mean_gain.ratio.high < 1  # type: ignore[operator]


def test_the_result_says_what_it_holds_for(proven: tuple[Result, Recorder]) -> None:
    """For people and in the document: one start, and what that leaves unproven."""
    result, _ = proven
    said = " ".join(as_text(show_result(result, verbose=True)).split())
    document = json.loads((result.out / "result.json").read_text())

    assert tuple(document["scope"]) == ONE_START
    for words in ("one start of the server", "updates behind the same name"):
        assert words in said
    assert "engine starts" not in said
    assert "1 engine start;" in said
    assert "least memory" not in said
    assert "ollama" not in said.lower()


def test_what_only_a_start_sets_is_left_out_and_named(proven: tuple[Result, Recorder]) -> None:
    """The study's own knob is named with the reason; the run goes on without it."""
    result, recorder = proven

    assert "num_batch is left out: only a start sets it" in recorder.notes
    assert "num_batch" not in result.study.baseline


def test_a_continued_run_has_no_further_start(tmp_path: Path) -> None:
    """Whether the server was started again meanwhile cannot be seen, so no start is counted."""
    with pytest.raises(Killed):
        tuned(tmp_path / "o", Killer(note="e2e p99"), Attached(world))
    result = tuned(tmp_path / "o", Recorder(), Attached(world), resume=True)
    assert result.best is not None

    assert {s.engine_start for s in result.best.samples} == {1}
    assert len({s.block for s in result.best.samples}) >= 4


def test_no_more_is_in_flight_than_the_study_says(tmp_path: Path) -> None:
    """A server of others is asked by so many at once, warm-up included."""
    load = Load(concurrency=3)
    crowd = replace(STUDY, workload=replace(STUDY.workload, load=load), budget_s=60.0)
    engine = Attached(world)
    virtually(run(crowd, tmp_path / "o", Recorder(), engine))

    assert engine.most == 3


def test_the_plan_counts_requests_and_no_start(proven: tuple[Result, Recorder]) -> None:
    """Requests may cost money, so they are said before, and again at the pace that showed."""
    _, recorder = proven
    planned = plan(STUDY, Pace(0.5, 0.0))
    said = str(show_plan(planned, STUDY))

    assert (planned.restarts, planned.requests) == (0, 1200)
    assert "about 1200 requests in all at that pace" in said
    assert "engine starts" not in said
    assert plan_document(planned, STUDY)["requests"] == 1200
    assert any("requests in all" in note for note in recorder.notes)


def test_a_server_that_refuses_at_once_can_be_planned_for() -> None:
    """No time for a request and none for a start is no division by zero."""
    planned = plan(STUDY, Pace(0.0, 0.0))

    assert planned.trials > 0
    assert planned.requests > 0


def test_a_proof_on_several_starts_needs_them_all_the_same() -> None:
    """What a server of ours has to show is not softened."""

    def starts(engine: str) -> int:
        made = replace(STUDY, engine=engine, url=STUDY.url if engine == "openai" else None)
        return terms_of(made, 0, plan(made).rhythm).starts

    assert starts("simulated") == 4
    assert starts("openai") == 1
