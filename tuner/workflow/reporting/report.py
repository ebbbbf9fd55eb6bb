"""Write the report of a folder: `report.html`, or the same in short as Markdown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from tuner.report.markdown import markdown
from tuner.report.page.page import page
from tuner.spec.errors import TunerError
from tuner.store.run_folder import writing
from tuner.workflow.reporting.island import island
from tuner.workflow.reporting.read import read

FILE = "report.html"

MISTAKES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a mistake of the report's own raises."""


def data(folder: Path) -> dict[str, Any]:
    """Return all that the report of a folder shows, `tuner.report/1`; see `read` for errors."""
    return island(read(folder))


def write_report(folder: Path) -> Path:
    """Write the report of a folder into it, and return its path.

    Raises InputError for a folder that holds no finished run, OutputError where it cannot be
    written.
    """
    text, file = page(data(folder)), folder / FILE
    partial = file.with_name(f".{FILE}.partial")
    with writing(file):
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")
        partial.replace(file)
    return file


def in_markdown(folder: Path) -> str:
    """Return the report of a folder in short, as Markdown; errors as `read`."""
    return markdown(data(folder))


def write_at_the_end(folder: Path, note: Callable[[str], None]) -> None:
    """Write the report of a run that has ended and say where; a failure spoils nothing."""
    try:
        note(f"a page to show: {write_report(folder)}")
    except TunerError as error:
        note(f"{FILE} was not written: {error}")
    except (*MISTAKES, TemplateError, OSError) as error:
        # the result was written already, and must not be taken along
        note(f"{FILE} was not written ({type(error).__name__}: {error}); "
             f"please report it with {folder / 'result.json'}")  # fmt: skip
