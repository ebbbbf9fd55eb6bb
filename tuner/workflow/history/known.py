"""What is kept of names in service, by the files of the state folder; nobody else is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tuner.spec.errors import InputError
from tuner.spec.model_name import whole
from tuner.spec.study import Study
from tuner.store.run_folder import is_taken
from tuner.store.state_folder import state_folder
from tuner.workflow.nightly.ledger import LOCK, NIGHTS, Ledger, Line, folder_at
from tuner.workflow.service.journal import Promotion, base_of, journal_at, lock_at
from tuner.workflow.service.places import place_named


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a name at one place: all that its journal and its ledger tell."""

    base: Path
    promotions: Sequence[Promotion]
    lines: Sequence[Line]

    @property
    def name(self) -> str | None:
        """Return the name, None where nothing tells it yet."""
        told = [made.name for made in self.promotions]
        told += [str(line["name"]) for line in self.lines if line.get("name")]
        return next(reversed(told), None)

    @property
    def place(self) -> str | None:
        """Return the folder that it serves from, None where an option names the server."""
        folders = [made.record.get("folder") for made in self.promotions]
        return next((str(folder) for folder in reversed(folders) if folder), None)

    def night_goes_on(self) -> bool:
        """Tell whether a night of the name goes on now, or watches by day."""
        return is_taken(folder_at(self.base) / LOCK)

    def is_changing(self) -> bool:
        """Tell whether what serves is being changed now."""
        return is_taken(lock_at(self.base))


def all_kept() -> tuple[list[Kept], list[str]]:
    """Return what is kept of all names, and a sentence for each file that cannot be read."""
    found, broken = [], []
    for base in _bases():
        try:
            found.append(_read(base))
        except InputError as unreadable:
            broken.append(str(unreadable))
    return found, broken


def kept_of(name: str, host: str | None, study: Study | None) -> Kept:
    """Return what is kept of a name where it serves; see `place_named`.

    The name alone is enough where it serves at one place. Raises InputError where nothing is known
    of it, where several places have it, and for a file that cannot be read.
    """
    if host is not None or study is not None:
        return _ensure_known(_read(base_of(place_named(name, host, study))), name)
    known, broken = all_kept()
    same = [kept for kept in known if kept.name and _same(kept.name, name)]
    if len(same) > 1:
        base = base_of(place_named(name, None, None))
        same = [kept for kept in same if kept.base == base]
        if not same:
            raise InputError(f"{name} serves at several places; say which with --attach URL, or "
                             "with --study FILE")  # fmt: skip
    if not same:
        raise InputError("; ".join([_unknown(name, known), *broken]))
    return same[0]


def _bases() -> list[Path]:
    """Return what the files about each name begin with."""
    folder = state_folder()
    names = {path.stem for path in folder.glob("*.jsonl")}
    names |= {path.name for path in (folder / NIGHTS).glob("*") if path.is_dir()}
    return [folder / name for name in sorted(names)]


def _read(base: Path) -> Kept:
    return Kept(base, journal_at(base).promotions(), Ledger(folder_at(base)).lines())


def _same(a: str, b: str) -> bool:
    return whole(a).casefold() == whole(b).casefold()


def _ensure_known(kept: Kept, name: str) -> Kept:
    if not kept.promotions and not kept.lines:
        raise InputError(f"nothing is known of {name} there: neither tune apply nor tune retune "
                         "did anything to it")  # fmt: skip
    return kept


def _unknown(name: str, known: Sequence[Kept]) -> str:
    names = ", ".join(sorted({kept.name for kept in known if kept.name})) or "none"
    return f"nothing is known of {name} in {state_folder()}; names that are known: {names}"
