"""The conformance suite of `tuner.engines.deployment.Deployment`: subclass it, run it with pytest.

    class TestMyDeployment(DeploymentContract):
        @pytest.fixture
        def deployment(self, tmp_path): return MyDeployment("api", tmp_path)
        def release(self, folder, text): ...

Where a deployment cannot have a property by its nature, override that test with a
`pytest.skip` that says why.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import pytest

from tuner.engines.deployment import TARGETS, Deployment, Release, Version
from tuner.spec.errors import EngineError, InputError
from tuner.spec.shipped import studies
from tuner.spec.study import load
from tuner.spec.values import Sample
from tuner.testing.engine_contract import send

FIRST, SECOND = datetime(2026, 1, 2, 3), datetime(2026, 1, 2, 4)


class DeploymentContract:
    """Every property that `tune apply` and `tune rollback` rely on."""

    bad_names: ClassVar[Sequence[str]] = ("", "bad name!", "a/b/c/d/e", "x\n")
    """Names that nothing can have."""

    @pytest.fixture
    def deployment(self) -> Deployment:
        """Return a name in service, which nothing has yet."""
        raise NotImplementedError

    def again(self, deployment: Deployment, name: str | None = None) -> Deployment:
        """Return another deployment of the same place, of the same name or of another one."""
        raise NotImplementedError

    def release(self, folder: Path, text: str) -> Release:
        """Write the files of a run into a folder, with a text that tells it apart."""
        raise NotImplementedError

    def broken(self, folder: Path) -> Release:
        """Write the files of a run that cannot be deployed here."""
        raise NotImplementedError

    def put(
        self, deployment: Deployment, folder: Path, text: str, now: datetime = FIRST
    ) -> tuple[Version, Version | None]:
        """Put a release into service; return its version, and the one that is kept."""
        folder.mkdir()
        staged, kept = deployment.stage(self.release(folder, text), now), deployment.keeping(now)
        deployment.promote(staged, kept)
        return staged, kept

    def test_a_name_at_a_place_has_one_key(self, deployment: Deployment) -> None:
        """Locks and journals are found by it, and what is written down is JSON."""
        assert self.again(deployment).key == deployment.key
        assert self.again(deployment).name == deployment.name
        assert json.loads(json.dumps(deployment.record())) == deployment.record()

    def test_what_nothing_has_serves_nothing(self, deployment: Deployment) -> None:
        """Unknown is None, and what cannot be done is refused with one of our errors."""
        assert deployment.current() is None
        assert deployment.keeping(FIRST) is None
        assert list(deployment.kept()) == []
        with pytest.raises(InputError):
            deployment.text()
        with pytest.raises(EngineError):
            deployment.check()

    def test_what_is_staged_serves_nobody(self, deployment: Deployment, tmp_path: Path) -> None:
        """Neither for us nor for anybody else, until it is promoted."""
        staged = deployment.stage(self.release(tmp_path, "first"), FIRST)
        before = self.again(deployment).current()
        deployment.promote(staged, None)
        there = self.again(deployment)
        now = there.current()

        assert before is None
        assert now is not None and now.id == staged.id
        assert "first" in there.text()

    def test_what_is_promoted_keeps_what_served(
        self, deployment: Deployment, tmp_path: Path
    ) -> None:
        """It is kept as was said before, and comes back whole."""
        first, _ = self.put(deployment, tmp_path / "a", "first")
        second, kept = self.put(deployment, tmp_path / "b", "second", SECOND)
        assert kept is not None and kept.id == first.id
        assert self.again(deployment).kept()[-1] == kept
        assert "second" in deployment.text()
        deployment.restore(kept)
        there = self.again(deployment)
        now = there.current()

        assert now is not None and now.id == first.id != second.id
        assert "first" in there.text()
        assert list(there.kept()) == []

    def test_versions_come_back_in_turn(self, deployment: Deployment, tmp_path: Path) -> None:
        """After a way back, the next version keeps what came back."""
        self.put(deployment, tmp_path / "a", "first")
        _, kept = self.put(deployment, tmp_path / "b", "second", SECOND)
        deployment.restore(kept)
        self.put(deployment, tmp_path / "c", "third", datetime(2026, 1, 2, 5))
        deployment.restore(self.again(deployment).kept()[-1])

        assert "first" in deployment.text()

    def test_a_way_back_may_be_gone_again(self, deployment: Deployment, tmp_path: Path) -> None:
        """Also where the name never changed hands: whoever repairs knows only what was begun."""
        first, _ = self.put(deployment, tmp_path / "a", "first")
        deployment.restore(deployment.keeping(SECOND))
        _, kept = self.put(deployment, tmp_path / "b", "second", SECOND)
        deployment.restore(kept)
        deployment.restore(kept)
        now = deployment.current()

        assert now is not None and now.id == first.id

    def test_a_name_that_served_nothing_is_removed(
        self, deployment: Deployment, tmp_path: Path
    ) -> None:
        """So it was before, however often."""
        self.put(deployment, tmp_path / "a", "first")
        deployment.restore(None)
        deployment.restore(None)

        assert self.again(deployment).current() is None

    def test_what_serves_is_not_discarded(self, deployment: Deployment, tmp_path: Path) -> None:
        """What serves nobody is, be it there or not; and a staged one is gone then."""
        self.put(deployment, tmp_path / "a", "first")
        serves = deployment.current()
        assert serves is not None
        (tmp_path / "b").mkdir()
        staged = deployment.stage(self.release(tmp_path / "b", "second"), SECOND)
        deployment.discard(serves)
        deployment.discard(staged)
        deployment.discard(staged)

        assert deployment.current() == serves
        with pytest.raises(EngineError):
            deployment.promote(staged, None)

    def test_what_is_left_staged_goes(self, deployment: Deployment, tmp_path: Path) -> None:
        """With the next that is staged; what serves and what is kept stays."""
        self.put(deployment, tmp_path / "a", "first")
        second, kept = self.put(deployment, tmp_path / "b", "second", SECOND)
        (tmp_path / "c").mkdir()
        release = self.release(tmp_path / "c", "third")
        staged = deployment.stage(release, datetime(2026, 1, 2, 5))
        there = self.again(deployment)
        there.stage(release, datetime(2026, 1, 2, 6))
        now = there.current()

        assert now is not None and now.id == second.id
        assert list(there.kept()) == [kept]
        with pytest.raises(EngineError):
            there.promote(staged, None)

    def test_nobody_edited_what_serves(self, deployment: Deployment, tmp_path: Path) -> None:
        """As it went into service so it is, also after a while in which it was kept."""
        self.put(deployment, tmp_path / "a", "first")
        _, kept = self.put(deployment, tmp_path / "b", "second", SECOND)
        serves = deployment.current()

        assert serves is not None and kept is not None
        assert (deployment.edited(serves), deployment.edited(kept)) == ((), ())

    def test_a_name_that_nothing_can_have_is_refused(
        self, deployment: Deployment, tmp_path: Path
    ) -> None:
        """When its changes are asked for; a good one is not."""
        release = self.release(tmp_path, "first")
        for name in self.bad_names:
            with pytest.raises(InputError):
                self.again(deployment, name).changes(release)
        assert deployment.changes(release) is None

    def test_changes_are_those_from_what_serves(
        self, deployment: Deployment, tmp_path: Path
    ) -> None:
        """None for a new name, nothing for what serves already, something for another result."""
        new = deployment.changes(self.release(tmp_path, "first"))
        self.put(deployment, tmp_path / "a", "first")
        same = deployment.changes(self.release(tmp_path, "first"))
        other = deployment.changes(self.release(tmp_path, "second"))

        assert new is None
        assert same == ()
        assert other
        assert all(change.a != change.b for change in other)

    def test_a_broken_result_leaves_nothing(self, deployment: Deployment, tmp_path: Path) -> None:
        """It is refused when its changes are asked for, and again when it is staged."""
        release = self.broken(tmp_path)
        with pytest.raises(InputError):
            deployment.changes(release)
        with pytest.raises((InputError, EngineError)):
            deployment.stage(release, FIRST)

        assert self.again(deployment).current() is None

    def test_the_server_s_file_lies_with_the_result(
        self, deployment: Deployment, tmp_path: Path
    ) -> None:
        """Nothing is written before somebody agrees, and the steps name what would be."""
        release = self.release(tmp_path, "first")
        for target in TARGETS:
            setup = deployment.setup(release, target)
            if setup is not None:
                assert setup.file.is_relative_to(release.folder)
                assert not setup.file.exists()
                assert any(str(setup.file) in step for step in setup.steps)
                assert all(name in setup.text for name in setup.environment)

    def test_a_place_says_whether_a_reload_starts_the_server(self, deployment: Deployment) -> None:
        """Where it does not, what only a start sets is not for us to change."""
        assert deployment.starts_server in (True, False)
        assert self.again(deployment).starts_server is deployment.starts_server

    def test_what_answers_after_a_reload_is_new(
        self, deployment: Deployment, tmp_path: Path
    ) -> None:
        """Or out of sight; and what answers before it is not what a promotion is judged by.

        A server that is started by a reload answers with the old version until then.
        """
        before = deployment.is_new()
        self.put(deployment, tmp_path / "a", "first")
        deployment.reload()
        first = deployment.is_new()
        self.put(deployment, tmp_path / "b", "second", SECOND)
        promoted = deployment.is_new()
        deployment.reload()

        assert first in (True, None)
        assert deployment.is_new() in (True, None)
        if deployment.starts_server:
            assert before is not True
            assert promoted is not True

    def test_what_serves_can_be_measured(self, deployment: Deployment, tmp_path: Path) -> None:
        """Once it is reloaded it answers, and measuring changes nothing."""
        self.put(deployment, tmp_path / "a", "first")
        deployment.reload()
        deployment.check()
        before = deployment.current()

        async def work() -> Sample:
            engine = deployment.engine(load(studies() / "task-api.yaml"))
            try:
                await engine.apply({})
                return (await send(engine, {}, "Delete task 4"))[0]
            finally:
                await engine.aclose()

        sample = asyncio.run(work())

        assert sample.outcome == "ok", sample.error
        assert deployment.current() == before
