"""Results in service as files in a folder, which a command of the user's has the server read."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.engines.deployment import Release, ServerSetup, Target, Version
from tuner.engines.files import command, reload
from tuner.engines.files.changes import changes
from tuner.engines.files.versions import Versions, text_of
from tuner.modelfile.diff import Change
from tuner.spec.address import Url
from tuner.spec.deploy import Deploy
from tuner.spec.errors import InputError, StartFailed

if TYPE_CHECKING:
    from tuner.engines.base import Engine
    from tuner.engines.kind import EngineKind
    from tuner.spec.study import Study

LOG = "reload.log"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


class FilesDeployment:
    """The `Deployment` of a folder, whose files start a server of one kind of engine."""

    noun, starts_server = "version", True
    option = ""

    def __init__(self, name: str, deploy: Deploy, kind: EngineKind) -> None:
        self.name, self.deploy, self.kind = name, deploy, kind
        self._versions = Versions(deploy.folder)
        self._log = deploy.folder / LOG
        self._before: reload.Seen = None

    @property
    def key(self) -> str:
        """Return the folder, whatever links lead to it: it has one name."""
        return os.path.realpath(self.deploy.folder)

    @property
    def holds_prompt(self) -> bool:
        """Tell whether the files of this kind hold the prompt for the server."""
        return self.kind.prompt_where == "modelfile"

    def record(self) -> Mapping[str, Any]:
        """Return all that makes this deployment again."""
        return {"kind": self.kind.name, **self.deploy.document()}

    def current(self) -> Version | None:
        """Return what the link names."""
        return self._versions.current()

    def kept(self) -> Sequence[Version]:
        """Return what the link named before."""
        return self._versions.kept()

    def edited(self, version: Version) -> tuple[str, ...]:
        """Return the files that somebody changed, added or removed."""
        return self._versions.edited(version)

    def text(self) -> str:
        """Return the texts of the files that serve, each below its name."""
        texts = self._texts()
        if texts is None:
            raise InputError(f"nothing serves as {self.name} in {self.deploy.folder}")
        return "\n".join(f"# {name}\n{text}" for name, text in texts.items())

    def _texts(self) -> dict[str, str] | None:
        now = self.current()
        return None if now is None else self._versions.texts(now)

    def changes(self, release: Release) -> tuple[Change, ...] | None:
        """Return what changes in the files; raise InputError where some are missing.

        Raises InputError for what is no name, too.
        """
        if not _NAME.fullmatch(self.name):
            raise InputError(
                f"{self.name!r} is no name: expected at most 128 letters, digits, ., _, : and -; "
                "say another --name"
            )
        self._ensure_files(release)
        now = self._texts()
        coming = {name: text_of(release.folder / name) for name in release.files}
        return None if now is None else changes(now, coming)

    def _ensure_files(self, release: Release) -> None:
        """Raise InputError for a release without files, or one whose files are not all there."""
        if not release.files:
            raise InputError(f"{release.folder}: this run wrote no files that could serve")
        for name in release.files:
            if Path(name).name != name or not (release.folder / name).is_file():
                raise InputError(
                    f"{release.folder} has no file {name}, which the run wrote; run it again"
                )

    def setup(self, release: Release, target: Target) -> ServerSetup | None:
        """Return None: the files hold all that the server is started with."""
        return None

    def stage(self, release: Release, now: datetime) -> Version:
        """Copy the files into a folder of their own; whoever holds the lock is alone here."""
        self._ensure_files(release)
        for left in self._versions.staged():
            self._versions.discard(left)
        return self._versions.stage(release, now)

    def keeping(self, now: datetime) -> Version | None:
        """Return what the link names: it stays where it is."""
        return self.current()

    def promote(self, staged: Version, kept: Version | None) -> None:
        """Let the link name what is staged."""
        self._before = reload.seen(self.deploy.health)
        self._versions.promote(staged, kept)

    def restore(self, kept: Version | None) -> None:
        """Let the link name what it named before."""
        self._before = reload.seen(self.deploy.health)
        if kept is None:
            self._versions.unlink()
        else:
            self._versions.point(kept)

    def discard(self, version: Version) -> None:
        """Remove the folder of a version."""
        self._versions.discard(version)

    def reload(self) -> str | None:
        """Run the command, and wait until the server answers that it started.

        Where nothing has the name any more the server is not expected to come back.
        """
        deadline = time.monotonic() + self.deploy.within_s
        if self.current() is None:
            return self._stopped()
        command.run(self.deploy, self._log)
        return reload.wait(self.deploy, self._before, deadline, self._log)

    def _stopped(self) -> str | None:
        """Run the command without a version, which may fail; tell of what answers even so."""
        failed = ""
        try:
            command.run(self.deploy, self._log)
        except StartFailed as expected:
            failed = f" ({str(expected).splitlines()[0]})"
        if reload.unwell(self.deploy.health):
            return None
        return f"{self.deploy.health} still answers{failed}: stop that server yourself"

    def check(self) -> None:
        """Raise EngineDied where the server is not well."""
        reload.check(self.deploy)

    def is_new(self) -> bool | None:
        """Tell whether no process that was there before listens at the health URL."""
        now = reload.seen(self.deploy.health)
        return None if self._before is None or not now else not self._before & now

    def engine(self, study: Study) -> Engine:
        """Return an engine of the kind over the server that answers at the health URL."""
        health = self.deploy.health
        return self.kind.serving_at(Url(health.address, health.path.rpartition("/")[0]), study)
