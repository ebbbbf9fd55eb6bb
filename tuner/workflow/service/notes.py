"""A name in service: changed by one process at a time, which writes down what it does first.

Locks and notes lie in the user's state folder, for each server and name. A note is `unchecked`
while an `apply` measures in place, so that the next `tune` learns of one that was killed there,
and `made` where `apply` gave the name to its first model, which `rollback` can remove.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tuner.spec.errors import InputError
from tuner.store.run_folder import take, write_json, writing

_LOOPBACK = ("localhost", "::1")


@dataclass(frozen=True, slots=True)
class Note:
    """One `apply`: the digest that the name got, and what keeps the old model (None: nothing)."""

    name: str
    digest: str
    kept: str | None
    at: str


@dataclass(frozen=True, slots=True)
class Notes:
    """The notes on one name of a server, in files that begin with `base`."""

    base: Path

    def unchecked(self) -> Note | None:
        """Return the `apply` whose check in place has not ended."""
        return _read(self._file("unchecked"))

    def made(self) -> Note | None:
        """Return the `apply` that gave the name to its first model."""
        return _read(self._file("made"))

    def begin(self, note: Note) -> None:
        """Write down an `apply` before it changes anything; raise OutputError."""
        with writing(self.base.parent):
            write_json(self._file("unchecked"), asdict(note))

    def hold(self, note: Note) -> None:
        """Write down that it stays, which takes no room on a disk."""
        with writing(self.base.parent):
            if note.kept is None:
                self._file("unchecked").replace(self._file("made"))
            self._file("unchecked").unlink(missing_ok=True)

    def forget(self, *, made: bool = False) -> None:
        """Forget an `apply` that was taken back, and with `made` the first one as well."""
        with writing(self.base.parent):
            for kind in ("unchecked", *(["made"] if made else [])):
                self._file(kind).unlink(missing_ok=True)

    def _file(self, kind: str) -> Path:
        return self.base.with_name(f"{self.base.name}.{kind}.json")


@contextlib.contextmanager
def held(address: str, name: str) -> Iterator[Notes]:
    """Hold a name of a server for this process alone; yield the notes on it.

    Raises Locked while another process changes it, InputError where no state can be written.
    """
    base = _folder() / _key(address, name)
    try:
        base.parent.mkdir(parents=True, exist_ok=True)
        lock = base.with_name(f"{base.name}.lock").open("w")
    except OSError as error:
        raise InputError(
            f"cannot write to {base.parent} ({error.strerror}), where what is done to a name in "
            "service is written down; let XDG_STATE_HOME name a folder that can be written"
        ) from None
    with lock:
        take(
            lock,
            f"{name} at {address} is being changed by another tune apply or rollback; wait until "
            "it has ended",
        )
        yield Notes(base)


def _folder() -> Path:
    """Return our state folder, as the XDG Base Directory Specification has it."""
    told = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (told if told.is_absolute() else Path.home() / ".local" / "state") / "modelfile-tuner"


def _key(address: str, name: str) -> str:
    """Return the same for all that the server takes for one name, on one server."""
    parts = urlsplit(address)
    host = "127.0.0.1" if parts.hostname in _LOOPBACK else parts.hostname
    return hashlib.sha256(f"{host}:{parts.port} {name.casefold()}".encode()).hexdigest()[:20]


def _read(path: Path) -> Note | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        note = Note(**found)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as broken:
        raise InputError(f"{path} is no note of an apply ({broken}); remove it to go on") from None
    return note
