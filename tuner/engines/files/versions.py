"""The versions of a name in a folder: `versions/STAMP/`, and the link `current` to one of them.

`versions/STAMP.json` says what a version was when it went into service, and what served before
it. It is written before the link names the version. `versions/.STAMP.staged` is there meanwhile: a
folder with it and without the other was only staged.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tuner.engines.deployment import STAMP, Release, Version
from tuner.machine import durable
from tuner.spec.errors import EngineError, InputError, OutputError

SCHEMA = "tuner.version/1"
_STAMPED = re.compile(r"\d{8}T\d{6}(-\d+)?")


@dataclass(frozen=True, slots=True)
class Served:
    """What is noted of a version: the digest of each file, and the version before it."""

    files: Mapping[str, str]
    before: str | None


class Versions:
    """The versions below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.current_link = folder / "current"
        self._versions = folder / "versions"

    def version(self, name: str) -> Version:
        """Return the version of a name: a stamp, or the folder that a user's own link names."""
        return Version(name, str(self.path(name)))

    def path(self, name: str) -> Path:
        """Return the folder of a version."""
        return self._versions / name if _STAMPED.fullmatch(name) else self.folder / name

    def current(self) -> Version | None:
        """Return what the link names, None without one; raise InputError for what is no link."""
        try:
            path = self._target()
        except OSError as error:
            raise InputError(
                f"{self.current_link} cannot be read ({error.strerror}); make it readable"
            ) from None
        if path is None:
            return None
        ours = _same((self.folder / path).parent, self._versions)
        return self.version(path.name if ours and _STAMPED.fullmatch(path.name) else str(path))

    def _target(self) -> Path | None:
        link = self.current_link
        if link.is_symlink():
            return link.readlink()
        if not link.exists():
            return None
        raise InputError(
            f"{link} is no link; expected a link to the folder that serves: move it to "
            f"{self._versions}/first and say `ln -s versions/first {link}`"
        )

    def kept(self) -> list[Version]:
        """Return what served before, one after the other, the last one last."""
        found: list[Version] = []
        now = self.current()
        while now is not None and (noted := self.noted(now)) and noted.before is not None:
            now = self.version(noted.before)
            if now in found or not self.path(now.id).is_dir():
                break
            found.append(now)
        return found[::-1]

    def noted(self, version: Version) -> Served | None:
        """Return what is noted of a version, None for one that `tune` did not make."""
        if not _STAMPED.fullmatch(version.id):
            return None
        note = self._note(version)
        try:
            told = json.loads(note.read_text(encoding="utf-8"))
            files, before = told["files"], told["before"]
            return Served({str(n): str(d) for n, d in files.items()}, before and str(before))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as broken:
            raise InputError(
                f"{note} is no note of a version ({broken}); move it away to go on"
            ) from None

    def stage(self, release: Release, now: datetime) -> Version:
        """Copy the files of a release into a folder of their own, onto the disk itself."""
        version = self.version(self._free(now.strftime(STAMP)))
        path = self.path(version.id)
        with contextlib.ExitStack() as undo, _writing(path):
            undo.callback(shutil.rmtree, path, ignore_errors=True)
            self._versions.mkdir(parents=True, exist_ok=True)
            undo.callback(self._mark(version).unlink, missing_ok=True)
            durable.create(self._mark(version), b"")
            path.mkdir()
            for name in release.files:
                _copy(release.folder / name, path / name)
            for folder in (path, self._versions, self.folder):
                durable.sync(folder)
            undo.pop_all()
        return version

    def promote(self, staged: Version, before: Version | None) -> None:
        """Note what a version is, and let the link name it; raise EngineError where it is gone."""
        self._ensure_there(staged)
        note = {"schema": SCHEMA, "before": before and before.id, "files": self.digests(staged)}
        text = json.dumps(note, indent=2, ensure_ascii=False) + "\n"
        with _writing(self._versions):
            durable.replace(self._note(staged), text.encode("utf-8", "backslashreplace"))
            self._mark(staged).unlink(missing_ok=True)
        self.point(staged)

    def point(self, version: Version) -> None:
        """Let the link name a version; raise EngineError where its folder is gone."""
        self._ensure_there(version)
        with _writing(self.current_link):
            target = f"versions/{version.id}" if _STAMPED.fullmatch(version.id) else version.id
            durable.link(self.current_link, target)

    def _ensure_there(self, version: Version) -> None:
        if not self.path(version.id).is_dir():
            raise EngineError(f"{version.label} is gone, which is to serve; put it back")

    def unlink(self) -> None:
        """Remove the link."""
        with _writing(self.current_link):
            self.current_link.unlink(missing_ok=True)
            durable.sync(self.folder)

    def discard(self, version: Version) -> None:
        """Remove a version of ours that the link does not name."""
        path = self.path(version.id)
        if _STAMPED.fullmatch(version.id) and not _same(self.current_link, path):
            with _writing(self._versions):
                shutil.rmtree(path, ignore_errors=True)
                durable.remove(self._note(version))
                durable.remove(self._mark(version))

    def staged(self) -> list[Version]:
        """Return the versions that never went into service."""
        marks = self._versions.glob(".*.staged")
        found = [self.version(mark.name[1:].removesuffix(".staged")) for mark in marks]
        return [version for version in found if not self._note(version).exists()]

    def edited(self, version: Version) -> tuple[str, ...]:
        """Return the files of a version that are not as they went into service."""
        noted = self.noted(version)
        if noted is None:
            return ()
        then, now = noted.files, self.digests(version)
        return tuple(sorted(n for n in {*then, *now} if then.get(n) != now.get(n)))

    def digests(self, version: Version) -> dict[str, str]:
        """Return the digest of each file of a version, with its right to be executed."""
        root = self.path(version.id)
        return {str(file.relative_to(root)): _digest(file) for file in _files(root)}

    def texts(self, version: Version) -> dict[str, str]:
        """Return the text of each file of a version."""
        root = self.path(version.id)
        return {str(file.relative_to(root)): text_of(file) for file in _files(root)}

    def _free(self, stamp: str) -> str:
        """Return a name that no version has: the clock may have been put back."""
        numbers = (f"{stamp}-{n}" for n in range(1, 10_000))
        return next(name for name in (stamp, *numbers) if not os.path.lexists(self.path(name)))

    def _mark(self, version: Version) -> Path:
        return self._versions / f".{version.id}.staged"

    def _note(self, version: Version) -> Path:
        return self._versions / f"{version.id}.json"


def _same(one: Path, other: Path) -> bool:
    """Tell whether two paths lead to one place, whatever links are on the way."""
    return os.path.realpath(one) == os.path.realpath(other)


def text_of(file: Path) -> str:
    """Return the text of a file; what is no text has its digest in its place."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return _digest(file)


def _files(folder: Path) -> Iterator[Path]:
    there = sorted(folder.rglob("*")) if folder.is_dir() else ()
    yield from (path for path in there if path.is_symlink() or path.is_file())


def _digest(file: Path) -> str:
    """Return the digest of a file; one that cannot be read is like no other."""
    try:
        mark = "x" if file.stat().st_mode & 0o100 else "-"
        return f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}:{mark}"
    except OSError as unreadable:
        return f"unreadable: {unreadable.strerror}"


def _copy(source: Path, destination: Path) -> None:
    """Copy a file onto the disk itself; raise InputError where the run's file is gone."""
    try:
        content, mode = source.read_bytes(), source.stat().st_mode & 0o777
    except OSError as gone:
        raise InputError(
            f"{source} cannot be read ({gone.strerror}), which the run wrote; run it again"
        ) from None
    durable.create(destination, content, mode)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn a failure to write into an OutputError that says how to go on."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}; make room, or make it writable, and "
            "do it again"
        ) from error
