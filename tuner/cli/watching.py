"""Print what is seen of a server until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tuner.report.terminal import console
from tuner.report.watch import Lines, LiveTable, summary, watched_document
from tuner.spec.errors import InputError
from tuner.store.run_folder import claimed, writing
from tuner.workflow.checking.sources import SAMPLES
from tuner.workflow.checking.watch import watch

if TYPE_CHECKING:
    from tuner.evaluate.watched import State, Watched
    from tuner.workflow.checking.sources import Source
    from tuner.workflow.checking.watch import WatchPlan

LOOKS = "watched.jsonl"


@dataclass(frozen=True, slots=True)
class Shown:
    """How looks are printed: as JSON lines, or for people; `quiet` leaves out all else."""

    as_json: bool
    quiet: bool


async def follow(source: Source, plan: WatchPlan, out: Path, shown: Shown) -> tuple[State, str]:
    """Print what is seen until the plan or a signal ends it; return the last state and why.

    Each look is also kept in `out`, as samples are.
    """
    last: Watched | None = None
    printer, adds = _printer(shown), source.adds()
    with claimed(out), contextlib.closing(printer):
        _ensure_unused(out)
        _note(shown, f"{adds}; samples: {out}")
        try:
            async with contextlib.aclosing(watch(source, plan)) as looks:
                async for seen in looks:
                    last = seen
                    _keep(out, seen)
                    printer.show(seen)
        except asyncio.CancelledError:
            pass  # a signal ends a watch, which is how most of them end
    lines = summary(last, adds)
    for line in lines:
        _note(shown, line)
    return (last.state if last else "undecided"), lines[0]


class _JsonLines:
    """Prints each look as a line of JSON."""

    def show(self, seen: Watched) -> None:
        click.echo(json.dumps(watched_document(seen), ensure_ascii=False))

    def close(self) -> None:
        """Do nothing: lines need no end."""


def _printer(shown: Shown) -> Lines | LiveTable | _JsonLines:
    if shown.as_json:
        return _JsonLines()
    screen = console()
    return LiveTable(screen) if screen.is_terminal and not shown.quiet else Lines(screen)


def _note(shown: Shown, text: str) -> None:
    if not shown.quiet:
        click.echo(text, err=True)


def _ensure_unused(out: Path) -> None:
    """Raise InputError for a folder that has another watch's samples: they would be mixed."""
    if any((out / name).exists() for name in (LOOKS, SAMPLES)):
        raise InputError(f"{out} already holds a watch, which is never mixed; name another --out")


def _keep(out: Path, seen: Watched) -> None:
    path = out / LOOKS
    with writing(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(watched_document(seen), ensure_ascii=False) + "\n")
