"""What nights and people leave in the state folder, written through journal and ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tuner.engines.deployment import Version
from tuner.evaluate.night import Outcome
from tuner.report.night import night_document
from tuner.store.state_folder import state_folder
from tuner.workflow.nightly.asked import BY
from tuner.workflow.nightly.ledger import Ledger, folder_at
from tuner.workflow.service.journal import Journal, Promotion, Step, journal_at

DONE: tuple[Step, ...] = ("keeping", "swapped", "reloaded", "checked", "settled")


@dataclass(slots=True)
class Written:
    """A name in service at one place, of which things are written down, a minute for each line."""

    name: str = "api"
    place: str = "/srv/api"
    stem: str = "0123456789abcdef0123"
    serves: Version | None = None
    clock: datetime = datetime(2030, 1, 1, tzinfo=UTC)

    @property
    def base(self) -> Path:
        """Return what its files begin with; the folder is made."""
        state_folder().mkdir(parents=True, exist_ok=True)
        return state_folder() / self.stem

    @property
    def journal(self) -> Journal:
        """Return its journal."""
        return journal_at(self.base)

    @property
    def ledger(self) -> Ledger:
        """Return its ledger."""
        folder_at(self.base).mkdir(parents=True, exist_ok=True)
        return Ledger(folder_at(self.base))

    def put(
        self, version: str, *steps: Step, by: str = "tune apply", result: str | None = None,
        **settings: Any,
    ) -> None:  # fmt: skip
        """Write that a version goes into service, as far as some steps, else to its end."""
        coming, steps = Version(version, f"versions/{version}"), steps or DONE
        self._begin("staged", Promotion(
            self.name, coming, self.serves, "x", record={"folder": self.place}, by=by,
            candidate=settings, result=result,
        ))  # fmt: skip
        for step in steps:
            self._step(step)
        self.serves = coming if steps[-1] == "settled" else self.serves

    def back(self, to: Version | None, by: str = "tune rollback") -> None:
        """Write that somebody goes back."""
        assert self.serves is not None
        self._begin("returning", Promotion(self.name, self.serves, to, "x", by=by))
        self._step("restored")
        self.serves = to

    def _begin(self, step: Step, promotion: Promotion) -> None:
        record = {} if not self.place else {"folder": self.place}
        with self._a_minute_later():
            self.journal.begin(step, replace(promotion, record=record))

    def _step(self, step: Step) -> None:
        with self._a_minute_later():
            self.journal.write(step)

    def begin(self, out: str) -> None:
        """Write that a night begins."""
        with self._a_minute_later():
            self.ledger.write("begun", name=self.name, out=out)

    def end(self, out: str, decision: Any, why: str = "w", result: Path | None = None) -> None:
        """Write what a night came to."""
        document = night_document(Outcome(decision, why, result=result), self.name)
        with self._a_minute_later():
            self.ledger.write("night", out=out, **document)

    def night(self, out: str, decision: Any, why: str = "w", result: Path | None = None) -> None:
        """Write a whole night that changes nothing."""
        self.begin(out)
        self.end(out, decision, why, result)

    def promoting(self, out: str, version: str, **settings: Any) -> None:
        """Write a whole night that puts a version into service."""
        self.begin(out)
        self.put(version, by=BY, result=out, **settings)
        self.end(out, "promoted", "shown to be better", Path(out))

    @contextmanager
    def _a_minute_later(self) -> Iterator[None]:
        self.clock += timedelta(minutes=1)
        told = self.clock.isoformat(" ", "seconds")
        with pytest.MonkeyPatch.context() as changed:
            for module in ("service.journal", "nightly.ledger"):
                changed.setattr(f"tuner.workflow.{module}.now", lambda: told)
            yield
