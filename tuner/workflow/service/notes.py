"""Lock a name in service, and note down what is about to be done to it.

Locks and notes lie in the user's state folder, one of each for every server and name. The note
`unchecked` is there while an `apply` measures in place: if it is killed, the next `tune` reads it.
The note `made` is there where `apply` made the first model of a name, so that `rollback` knows
that it may remove it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tuner.spec.errors import InputError
from tuner.store.run_folder import take, write_json, writing
from tuner.store.state_folder import state_folder

_LOOPBACK = ("localhost", "::1")


@dataclass(frozen=True, slots=True)
class Note:
    """One `apply`: the name that changes hands, the digest that it gets, and when.

    `kept` is the name that keeps the old model, None where there was none.
    """

    name: str
    digest: str
    kept: str | None
    at: str


@dataclass(frozen=True, slots=True)
class Notes:
    """The notes on one name of a server, in files that begin with `base`."""

    base: Path

    def unchecked(self) -> Note | None:
        """Return the `apply` whose check in place has not ended, None without one."""
        return _read(self._file("unchecked"))

    def first(self) -> Note | None:
        """Return the `apply` that made the first model of the name, None without one."""
        return _read(self._file("made"))

    def begin(self, note: Note) -> None:
        """Write an `apply` down before it changes anything; raise OutputError."""
        with writing(self.base.parent):
            write_json(self._file("unchecked"), asdict(note))

    def settle(self, note: Note) -> None:
        """Note that an `apply` stays in service; a full disk does not keep it from that."""
        with writing(self.base.parent):
            if note.kept is None:
                self._file("unchecked").replace(self._file("made"))
            self._file("unchecked").unlink(missing_ok=True)

    def forget(self, *, first: bool = False) -> None:
        """Remove the note of an `apply` that was taken back; with `first` that of the first too."""
        with writing(self.base.parent):
            for kind in ("unchecked", *(["made"] if first else [])):
                self._file(kind).unlink(missing_ok=True)

    def _file(self, kind: str) -> Path:
        return self.base.with_name(f"{self.base.name}.{kind}.json")


@contextlib.contextmanager
def locked(address: str, name: str) -> Iterator[Notes]:
    """Lock a name of a server for this process; yield the notes on it.

    Raises Locked while another process changes it, InputError where no state can be written.
    """
    base = state_folder() / _key(address, name)
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


def _key(address: str, name: str) -> str:
    """Return one key for all spellings of a name on a server."""
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
