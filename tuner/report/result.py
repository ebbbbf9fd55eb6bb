"""Show the result of a run on the terminal: first what a user asked, then the figures."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from typing import cast

from rich.console import Console, Group, RenderableType
from rich.text import Text

from tuner.report.closing.answers import answers_in_words
from tuner.report.closing.into_service import into_service
from tuner.report.closing.lines import Line, bullets, listed, sentences
from tuner.report.closing.notes import notes, terms, warnings
from tuner.report.closing.rows import table
from tuner.report.closing.sent import sent_in_words
from tuner.report.closing.verdict import (
    STYLE,
    answers_against_verdict,
    proven,
    targets_in_words,
)
from tuner.report.file_contents import holds
from tuner.report.gain_lines import better_in_words
from tuner.search.result import Result

REPORT = "report.txt"
"""The file of a run that holds what is shown with `verbose`."""


def show_result(result: Result, *, verbose: bool = False) -> Group:
    """Return a result for people; with `verbose` also the terms that its verdicts hold on.

    First comes what was asked: was the target met, how much better is it than the baseline, are
    the answers as good, where are the files, and how do they go into service and back. Then comes
    the baseline beside the best, and what a reader needs in order to doubt the numbers.
    """
    parts: list[RenderableType] = [_headline(result), *_lead(result)]
    parts += bullets(warnings(result))
    parts += _files(result)
    if result.best is not None:
        columns = {"baseline": result.baseline, "best": result.best}
        parts += [Text(""), table(result.study, columns, verbose=verbose), Text("")]
    parts += sentences(notes(result))
    if verbose:
        parts += sentences(terms(result))
    else:
        more = f"More, as --verbose prints it: {result.out / REPORT}"
        parts.append(Line("", more, whole=True))
    return Group(*parts)


def _headline(result: Result) -> Line:
    best, verdict = result.best, result.verdict
    words = f"{proven(verdict)}: "
    if best is None:
        return Line("", words + "no candidate could be measured.", STYLE[verdict])
    words += targets_in_words(result.study, best)
    if result.keeps_baseline:
        words += " The baseline meets this, and no finalist is better beyond noise: keep it."
    elif verdict != "PASS":
        against = answers_against_verdict(best)
        words += f"{' ' if against else ''}{against} The best candidate is written, unproven."
    return Line("", words, STYLE[verdict])


def _lead(result: Result) -> Iterator[Line]:
    """Yield how much better it is, whether the answers stayed as good, and what it holds for."""
    study, best = result.study, result.best
    if best is None:
        return
    yield Line("Gain", better_in_words(result))
    yield Line("Answers", f"{answers_in_words(study, best)}.")
    yield Line("Holds for", sent_in_words(study, best))
    yield Line("Model", str(result.environment.get("model")))
    changed = [f"{knob}: {was} -> {now}" for knob, (was, now) in result.changed.items()]
    yield Line("Changed", "; ".join(changed) or "nothing; the baseline stays")


def _files(result: Result) -> Iterator[Line]:
    """Yield where the files are, and the commands that put them into service and back."""
    files = [f"{path}{holds(name, result)}" for name, path in result.artifacts.items()]
    yield from listed("Files", [*files, f"{result.out} (all numbers and samples)"])
    way = into_service(result)
    if way is None:
        return
    if way.there is not None:
        yield Line("Into service", way.there, "bold", whole=True)
    if way.back is not None:
        yield Line("And back", way.back, "bold", whole=True)
    if way.remark:
        yield Line(" " if way.there else "Into service", way.remark)


def as_text(shown: RenderableType) -> str:
    """Return what is shown as plain text, for a file."""
    plain = Console(file=StringIO(), width=120, color_system=None)
    plain.print(shown, crop=False)
    return cast(StringIO, plain.file).getvalue()
