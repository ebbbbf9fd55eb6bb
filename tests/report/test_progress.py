"""Progress: plain lines where nobody watches, a bar with the time left on a terminal."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from rich.console import Console

from tests.search.test_trial import served, trial
from tuner.report.progress import Bar, Lines, describe


def written(console: Console) -> str:
    """Return what a console on a string has printed."""
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_lines_are_plain() -> None:
    """A trial, a phase and a note are a line each, without control characters."""
    console = Console(file=StringIO(), width=200)
    lines = Lines(console)
    lines.phase("search")
    lines.trial(trial([served(300)] * 20), 22, 90.0)
    lines.note("something")

    text = written(console)
    assert text.splitlines()[0] == "-- search"
    assert "about 22 planned, 1.5 min left" in text
    assert "\x1b" not in text


def test_quiet_says_nothing() -> None:
    """--quiet leaves standard error empty."""
    console = Console(file=StringIO())
    lines = Lines(console, quiet=True)
    lines.phase("search")
    lines.note("something")

    assert written(console) == ""


def test_a_terminal_gets_the_time_left() -> None:
    """On a terminal the phase and the minutes left are drawn, and removed at the end."""
    console = Console(file=StringIO(), force_terminal=True, width=100)
    bar = Bar(console, 600.0)
    bar.phase("confirmation")
    bar.trial(trial([served(300)] * 20), 22, 90.0)
    bar.close()

    assert "confirmation" in written(console)
    assert "min left" in written(console)


def test_a_trial_in_words() -> None:
    """Estimates are marked as such, and a pruned trial says why."""
    whole = trial([served(300)] * 20)

    assert "p99 ~  300 ms" in describe(whole)
    assert "valid 100%, correct 100%  meets all estimates" in describe(whole)
    assert "valid 100%  meets all estimates" in describe(whole, judged=False)
    assert "pruned: crashed" in describe(replace(whole, state="pruned", reason="crashed"))
