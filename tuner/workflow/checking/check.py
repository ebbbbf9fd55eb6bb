"""Check once whether what serves still meets its targets and floors, in as few requests as can be.

Nothing of the server is changed, and requests are those that clients send.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tuner.evaluate.lateness import Terms
from tuner.evaluate.measurement import Measurement
from tuner.guard.verdict import floors
from tuner.report.check import check_document
from tuner.spec.requests.workload import Supply, visits
from tuner.spec.study import Study
from tuner.spec.values import Prompt, Sample, Verdict
from tuner.store.run_folder import claimed, write_json
from tuner.store.trial_folder import Place
from tuner.workflow.checking.serving import Serving
from tuner.workflow.measuring.environment import environment
from tuner.workflow.measuring.measure import EVERY, UNBOUNDED, evaluated
from tuner.workflow.measuring.session import Session
from tuner.workflow.measuring.trial_spec import StopRule, TrialSpec
from tuner.workflow.measuring.verdict_so_far import VerdictSoFar

DOCUMENT = "check.json"

SELDOM = 20
"""Answers are judged again when their number has grown by 1 in SELDOM."""


async def check(
    serves: Serving, out: Path, progress: Callable[[str], None] = lambda line: None
) -> tuple[Measurement, dict[str, Any]]:
    """Return the measurement with which the check was decided, or its time used up; its document.

    Raises EngineError where nothing answers, or no request is served.
    """
    study = serves.study
    with claimed(out):
        session = Session(study, serves.engine, out, study.budget_s)
        stop = Deciding(study, Terms()).stop(session, progress)
        spec = TrialSpec(
            "0000", Place("check"), fresh_prompts(study), UNBOUNDED, stop,
            stop_reads_answers=study.guard.asks,
        )  # fmt: skip
        try:
            measured = await session.measure(serves.sent, spec)
        finally:
            await session.aclose(progress)
    found = evaluated(study, serves.sent, measured, Terms())
    facts = environment(serves.engine, measured.effective.version if measured.effective else None)
    document = check_document(found, study, facts)
    write_json(out / DOCUMENT, document)
    return found, document


def fresh_prompts(study: Study) -> Iterator[Prompt]:
    """Yield prompts whose slots are filled anew each time.

    A server that finds last night's texts in its cache looks faster than clients see it.
    """
    supply = Supply(study.workload, held_out=study.workload.held_out, seed=study.seed)
    return supply.prompts(time.time_ns() // 10**9)


class Deciding:
    """Tells when a check is decided.

    It is lost with the first target or floor that is missed, and met with the last that is shown
    to hold. It also ends where more requests tell nothing more: targets hold, and each template
    has been asked as often as its answers count.
    """

    def __init__(self, study: Study, terms: Terms) -> None:
        self._study, self._terms = study, terms
        self._so_far = VerdictSoFar(study, terms)
        part = study.workload.part(held_out=study.workload.held_out)
        self._round = sum(visits(part).values())
        self._targets: list[Verdict] = ["UNDECIDED"] * len(study.slos)
        self._answers: dict[str, Verdict] = {}
        self._next = 0

    def stop(self, session: Session, progress: Callable[[str], None]) -> StopRule:
        """Return the stop rule; it ends a trial when the session's budget is used up as well."""

        def stop(sample: Sample) -> bool:
            if self.decided(sample):
                return True
            if len(self._so_far.seen) % EVERY == 0:
                progress(f"{len(self._so_far.seen)} requests: undecided")
            return session.left_s() <= 0

        return stop

    def decided(self, sample: Sample) -> bool:
        """Take in a sample, and tell whether to send no more."""
        self._so_far.add(sample)
        self._look_at_answers()
        if self._so_far.failed() or "FAIL" in self._answers.values():
            return True
        found = self._so_far.verdicts()
        self._targets = self._targets if found is None else found
        if any(v != "PASS" for v in self._targets):
            return False
        whole = len(self._so_far.seen) >= self._round
        return whole or all(v == "PASS" for v in self._answers.values())

    def _look_at_answers(self) -> None:
        """Judge the answers so far, seldom enough: it takes the client's time."""
        seen, study = self._so_far.seen, self._study
        if not study.guard.asks or len(seen) < self._next:
            return
        self._next, alpha = len(seen) + 1 + len(seen) // SELDOM, self._terms.alpha
        self._answers = floors(seen, study.guard, alpha=alpha, visits=study.workload.visits)
