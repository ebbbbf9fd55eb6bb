"""What a command does as a program: its event loop, signals, what it prints."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from tuner.report.progress import Lines
    from tuner.spec.study import Study

T = TypeVar("T")


@contextlib.contextmanager
def ending_cleanly() -> Iterator[None]:
    """Let a signal that ends the program be an Exit, so that the block can clean up."""
    from tuner.machine.interrupts import deafen, handled

    def end(number: int, frame: object) -> None:
        deafen()
        raise click.exceptions.Exit(128 + number)

    with handled(end):
        yield


def run_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a workflow; a signal ends it cleanly, SIGINT with exit code 130, SIGTERM with 143.

    Raises EngineMissing on an operating system that cannot measure.
    """
    from tuner.machine.interrupts import deafen, ending, restored
    from tuner.machine.system import ensure_can_measure

    ensure_can_measure()

    async def main() -> T:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        assert task is not None
        caught: list[int] = []

        def end(number: int) -> None:
            caught.append(number)
            task.cancel()

        for number in ending():
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, end, number)
        try:
            return await work()
        except asyncio.CancelledError:
            for number in ending():
                loop.remove_signal_handler(number)
            deafen()
            code = 128 + (caught[0] if caught else signal.SIGINT)
            raise click.exceptions.Exit(int(code)) from None

    with restored():
        return asyncio.run(main())


def show(what: Any) -> None:
    """Print a result on standard output: a document as JSON, all else for people."""
    import json

    from tuner.report.terminal import console

    if isinstance(what, dict):
        click.echo(json.dumps(what, indent=2, ensure_ascii=False))
    else:
        console().print(what)


def progress(quiet: bool, study: Study) -> Lines:
    """Return what shows how a run goes: a bar on a terminal, lines elsewhere."""
    from tuner.report.progress import Bar, Lines
    from tuner.report.terminal import console

    errors, judged, target = console(stderr=True), study.workload.judged, study.slos[:1]
    if errors.is_terminal and not quiet:
        return Bar(errors, study.budget_s, judged, *target)
    return Lines(errors, quiet, judged, *target)
