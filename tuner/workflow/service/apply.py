"""Put a result into service under the name that clients use.

The name changes hands in one call. The old model serves until then. Afterwards it stays under a
dated name, and it serves again where the check in place fails or does not end.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import psutil

from tuner.engines.deployment import Deployment, ServerSetup
from tuner.evaluate.measurement import Measurement
from tuner.report.apply import busy_in_place
from tuner.spec.errors import EngineError, TunerError
from tuner.store.run_folder import writing
from tuner.workflow.service.interrupts import put_off
from tuner.workflow.service.notes import Note, Notes
from tuner.workflow.service.proposal import Proposal
from tuner.workflow.service.way_back import STAMP, dated, take_back

STAGED = "modelfile-tuner-next"
_OURS = re.compile(STAGED + r":\d{8}T\d{6}-(?P<machine>[0-9a-f]{8})-(?P<pid>\d+)")


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done.

    `kept` is the name that keeps what served before, None where nothing did. `measured` is the
    check in place, None without one.
    """

    kept: str | None
    measured: Measurement | None

    @property
    def failed(self) -> bool:
        """Tell whether a target failed in place, so that everything was taken back.

        A client that could not keep up decides nothing, unless requests failed as well: requests
        to a dead server fail at once, and so keep any client busy.
        """
        m = self.measured
        if m is None or (m.saturated and not any(m.failures.values())):
            return False
        return m.verdict == "FAIL" or any(c.verdict == "FAIL" for c in m.certificates.values())


def apply(
    proposal: Proposal,
    deployment: Deployment,
    notes: Notes,
    now: datetime,
    say: Callable[[str], None],
    check: Callable[[], Measurement] | None = None,
) -> Applied:
    """Put a proposal into service, and take it back unless the check in place ends without failure.

    Taking back is told through `say`. Raises what the check raises, and EngineError where the
    deployment refuses.
    """
    if proposal.setup:
        _write(proposal.setup)
    _remove_left_behind(deployment)
    with contextlib.ExitStack() as undo:
        with _staged(proposal, deployment, now) as (staged, digest):
            note = _note(proposal.name, digest, now, deployment)
            notes.begin(note)
            undo.callback(_undo, note, deployment, notes, say)
            _change_hands(note, staged, deployment)
        done = Applied(note.kept, check() if check else None)
        with put_off():
            undo.pop_all()
            if done.failed:
                say(take_back(note, deployment, notes) + busy_in_place(done.measured))
            else:
                notes.settle(note)
    return done


def _undo(note: Note, deployment: Deployment, notes: Notes, say: Callable[[str], None]) -> None:
    """Take back what was done and say so; a signal that comes meanwhile waits until then."""
    with put_off():
        try:
            say(take_back(note, deployment, notes))
        except TunerError as error:
            say(str(error))


def _remove_left_behind(deployment: Deployment) -> None:
    """Remove what processes of this machine had staged before they were killed."""
    for name in deployment.names():
        found = _OURS.fullmatch(name)
        if found is None or found["machine"] != _machine():
            continue
        pid = int(found["pid"])
        if pid == os.getpid() or not psutil.pid_exists(pid):
            deployment.delete(name)


def _machine() -> str:
    """Return what tells this machine, or container, from others that use the same server."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


@contextlib.contextmanager
def _staged(proposal: Proposal, deployment: Deployment, now: datetime) -> Iterator[tuple[str, str]]:
    """Stage a result under a name of this process alone; yield the name and the digest.

    The name is removed at the end. Where that fails, the next `apply` removes it.
    """
    name = f"{STAGED}:{now.strftime(STAMP)}-{_machine()}-{os.getpid()}"
    try:
        yield name, deployment.stage(name, proposal.folder)
    finally:
        with contextlib.suppress(EngineError):
            deployment.delete(name)


def _note(name: str, digest: str, now: datetime, deployment: Deployment) -> Note:
    """Return what is about to be done."""
    kept = dated(name, now) if deployment.digest(name) is not None else None
    return Note(name, digest, kept, now.isoformat(" ", "minutes"))


def _change_hands(note: Note, staged: str, deployment: Deployment) -> None:
    """Keep the old model under its dated name, and give the name to what is staged."""
    if note.kept is not None:
        deployment.copy(note.name, note.kept)
    deployment.copy(staged, note.name)


def _write(setup: ServerSetup) -> None:
    with writing(setup.file):
        setup.file.parent.mkdir(exist_ok=True)
        setup.file.write_text(setup.text, encoding="utf-8")
