"""The conformance suite of `tuner.engines.deployment.Deployment`: subclass it, run it with pytest.

    class TestMyDeployment(DeploymentContract):
        @pytest.fixture
        def deployment(self, tmp_path): return MyDeployment(tmp_path)
        def result(self, folder, text): ...

Where a deployment cannot have a property by its nature, override that test with a
`pytest.skip` that says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import pytest

from tuner.engines.deployment import TARGETS, Deployment
from tuner.spec.errors import EngineError, InputError
from tuner.spec.values import Sample
from tuner.testing.engine_contract import send
from tuner.workflow.service.way_back import dated, kept_before


class DeploymentContract:
    """Every property that `tune apply` and `tune rollback` rely on."""

    bad_names: ClassVar[Sequence[str]] = ("", "bad name!", "a/b/c/d/e", "x\n")
    """Names that nothing can have."""

    @pytest.fixture
    def deployment(self) -> Deployment:
        """Return a deployment in which nothing is in service."""
        raise NotImplementedError

    def again(self, deployment: Deployment) -> Deployment:
        """Return another deployment of the same place."""
        raise NotImplementedError

    def result(self, folder: Path, text: str) -> Path:
        """Write the files of a run into a folder, with a text that tells it apart; return it."""
        raise NotImplementedError

    def broken(self, folder: Path) -> Path:
        """Write the files of a run that cannot be deployed here; return the folder."""
        raise NotImplementedError

    def served(self, deployment: Deployment, folder: Path, name: str, text: str) -> str:
        """Put a result under a name; return the name as it is listed."""
        folder.mkdir()
        whole = deployment.listed(name)
        deployment.stage(whole, self.result(folder, text))
        return whole

    def test_the_address_is_that_of_the_place(self, deployment: Deployment) -> None:
        """Locks and notes are found by it."""
        assert self.again(deployment).address == deployment.address

    def test_what_is_staged_is_there_for_everybody(
        self, deployment: Deployment, tmp_path: Path
    ) -> None:
        """It is listed, with the digest that was told, and its text holds what was written."""
        name, folder = deployment.listed("coming"), self.result(tmp_path, "first")
        before = deployment.digest(name)
        told = deployment.stage(name, folder)
        there = self.again(deployment)

        assert before is None
        assert name in there.names()
        assert there.digest(name) == told
        assert "first" in there.text(name)

    def test_a_name_is_listed_in_one_way(self, deployment: Deployment, tmp_path: Path) -> None:
        """Before something has the name and after, and its listed form stands for itself."""
        name = self.served(deployment, tmp_path / "a", "coming", "first")

        assert deployment.listed("coming") == name == deployment.listed(name)

    def test_a_name_that_nothing_can_have_is_refused(self, deployment: Deployment) -> None:
        """A good one is not, nor the name that keeps what it served."""
        for name in self.bad_names:
            with pytest.raises(InputError):
                deployment.ensure_name(name)
        deployment.ensure_name("good")
        deployment.ensure_name(dated(deployment.listed("good"), datetime(2026, 1, 2)))

    def test_other_contents_have_other_digests(
        self, deployment: Deployment, tmp_path: Path
    ) -> None:
        """So what somebody else makes of a name is told from what it was given."""
        one = self.served(deployment, tmp_path / "a", "one", "first")
        other = self.served(deployment, tmp_path / "b", "other", "second")

        assert deployment.digest(one) != deployment.digest(other)

    def test_a_copy_replaces_what_served(self, deployment: Deployment, tmp_path: Path) -> None:
        """The name has all of the source, which stays."""
        one = self.served(deployment, tmp_path / "a", "one", "first")
        two = self.served(deployment, tmp_path / "b", "two", "second")
        deployment.copy(one, two)

        assert deployment.digest(one) == deployment.digest(two)
        assert "second" not in deployment.text(two)
        assert {one, two} <= set(deployment.names())

    def test_what_is_kept_is_found_and_comes_back(
        self, deployment: Deployment, tmp_path: Path
    ) -> None:
        """Under the dated name, whatever the name serves meanwhile."""
        one = self.served(deployment, tmp_path / "a", "one", "first")
        two = self.served(deployment, tmp_path / "b", "two", "second")
        before, kept = deployment.digest(one), dated(one, datetime(2026, 1, 2))
        deployment.copy(one, kept)
        deployment.copy(two, one)
        found = kept_before(one, deployment)
        deployment.copy(kept, one)

        assert found == kept
        assert deployment.digest(one) == before

    def test_a_removed_name_leaves_its_copies(self, deployment: Deployment, tmp_path: Path) -> None:
        """One name goes, and what another one serves does not."""
        one = self.served(deployment, tmp_path / "a", "one", "first")
        copy = deployment.listed("copy")
        deployment.copy(one, copy)
        deployment.delete(one)

        assert deployment.digest(one) is None
        assert one not in deployment.names()
        assert "first" in deployment.text(copy)

    def test_an_unknown_name_is_refused(self, deployment: Deployment) -> None:
        """With one of our errors, whatever it was asked for."""
        name = deployment.listed("nowhere")
        with pytest.raises(InputError):
            deployment.text(name)
        with pytest.raises(EngineError):
            deployment.delete(name)
        with pytest.raises(EngineError):
            deployment.copy(name, deployment.listed("one"))

    def test_changes_are_those_from_what_serves(
        self, deployment: Deployment, tmp_path: Path
    ) -> None:
        """None for a new name, nothing for what serves already, something for another result."""
        new = deployment.changes(deployment.listed("one"), self.result(tmp_path, "first"))
        one = self.served(deployment, tmp_path / "a", "one", "first")
        same = deployment.changes(one, tmp_path / "a")
        other = deployment.changes(one, self.result(tmp_path, "second"))

        assert new is None
        assert same == ()
        assert other
        assert all(change.a != change.b for change in other)

    def test_a_broken_result_leaves_nothing(self, deployment: Deployment, tmp_path: Path) -> None:
        """It is refused when its changes are asked for, and again when it is staged."""
        folder, before = self.broken(tmp_path), deployment.names()
        with pytest.raises(InputError):
            deployment.changes(deployment.listed("one"), folder)
        with pytest.raises((InputError, EngineError)):
            deployment.stage(deployment.listed("one"), folder)

        assert deployment.names() == before

    def test_the_server_s_file_lies_with_the_result(
        self, deployment: Deployment, tmp_path: Path
    ) -> None:
        """Nothing is written before somebody agrees, and the steps name what would be."""
        folder = self.result(tmp_path, "first")
        for target in TARGETS:
            setup = deployment.setup("one", folder, {}, target)
            if setup is not None:
                assert setup.file.is_relative_to(folder)
                assert not setup.file.exists()
                assert any(str(setup.file) in step for step in setup.steps)
                assert all(name in setup.text for name in setup.environment)

    def test_what_serves_can_be_measured(self, deployment: Deployment, tmp_path: Path) -> None:
        """The engine of a name answers, and measuring changes nothing."""
        one = self.served(deployment, tmp_path / "a", "one", "first")
        before = deployment.digest(one)

        async def work() -> Sample:
            engine = deployment.engine(one)
            try:
                await engine.apply({})
                return (await send(engine, {}, "Delete task 4"))[0]
            finally:
                await engine.aclose()

        sample = asyncio.run(work())

        assert sample.outcome == "ok", sample.error
        assert deployment.digest(one) == before
