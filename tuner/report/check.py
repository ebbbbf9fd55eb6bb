"""Show what a check found: as JSON, as a table, and as a summary in Markdown."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.text import Text

from tuner import __version__
from tuner.evaluate.checked import state_of, why
from tuner.evaluate.measurement import Measurement
from tuner.evaluate.unjudged import not_judged
from tuner.report.closing.rows import rows
from tuner.report.documents import measurement_document
from tuner.report.measurement import figures
from tuner.spec.study import Study

STYLES = {"met": "bold green", "lost": "bold red", "undecided": "bold yellow"}


def check_document(m: Measurement, study: Study, environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return a check as JSON, `tuner.check/1`; seconds throughout."""
    return {
        "schema": "tuner.check/1",
        "tuner_version": __version__,
        "study": study.name,
        "url": str(study.url) if study.url else None,
        "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "state": state_of(m),
        "why": why(m, study),
        "n": m.n,
        "not_judged": list(not_judged(study, m)),
        "measurement": measurement_document(m, study, environment),
    }


def show_check(m: Measurement, study: Study) -> Group:
    """Return a check for people: the line that says why, the figures, what was not judged."""
    line = Text(why(m, study), style=STYLES[state_of(m)])
    left = [Text(f"Not judged: {said}.", style="yellow") for said in not_judged(study, m)]
    return Group(line, *figures(m, study, verbose=True), *left)


def check_summary(m: Measurement, study: Study) -> str:
    """Return a check in Markdown, for the summary of a job."""
    cells = [(label, found[0]) for label, found in rows(study, (m,)) if found[0] != "-"]
    table = "".join(f"| {cell(label)} | {cell(found)} |\n" for label, found in cells)
    left = "".join(f"- not judged: {cell(said)}\n" for said in not_judged(study, m))
    where = f" at {cell(str(study.url))}" if study.url else ""
    return (
        f"### {cell(study.name)}{where}\n\n**{cell(why(m, study))}**\n\n"
        f"| | value [interval] |\n| --- | ---: |\n{table}\n{left}\n"
    )


def cell(text: str) -> str:
    """Return text that Markdown shows as it is, on one line and inside of a table."""
    line = " ".join(text.split())
    for sign in "\\`*_{}[]<>#|~":
        line = line.replace(sign, f"\\{sign}" if sign not in "<>" else f"&{_NAMES[sign]};")
    return line.replace("://", "&#58;//")


_NAMES = {"<": "lt", ">": "gt"}
