"""`tune diff`: what changes between two Modelfiles or in service, and what that costs there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tuner.cli.program import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuner.modelfile.diff import Change


@click.command(name="diff")
@click.argument("a")
@click.argument("b")
@click.option(
    "--attach",
    "host",
    metavar="URL",
    help="The Ollama that is asked for models that are no files; OLLAMA_HOST by default.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(a: str, b: str, host: str | None, as_json: bool) -> int:
    """Show what changes from A to B, and what each change costs a running server.

    A and B are Modelfiles, or names of models that an Ollama has. Where B is the folder of a run,
    A is a name in service, be it a model or what serves from a folder. A change costs nothing, or a
    reload: with Ollama one of the weights at the next request. (A restart costs only the
    environment, which no Modelfile holds.)

    \b
    Example:  tune diff Modelfile task-api
              tune diff my-vllm out/my-vllm/latest
    """  # noqa: D301
    from tuner.report.diff import diff_document, show_diff

    found = _in_service(a, Path(b), host) if Path(b).is_dir() else _modelfiles(a, b, host)
    show(diff_document(a, b, found) if as_json else show_diff(a, b, found))
    return 0


def _in_service(name: str, result: Path, host: str | None) -> Sequence[Change]:
    from tuner.workflow.service.places import place_named
    from tuner.workflow.service.proposal import changes_in_service

    return changes_in_service(place_named(name, host, None), result)


def _modelfiles(a: str, b: str, host: str | None) -> Sequence[Change]:
    from tuner.workflow.modelfiles.diff import diff

    return diff(a, b, host)
