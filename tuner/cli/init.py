"""`tune init`: a first study from a Modelfile or a model."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tuner.workflow.start.init import Started


@click.command(name="init")
@click.argument("source", metavar="[SOURCE]", required=False)
@click.option(
    "--out",
    type=click.Path(path_type=Path, allow_dash=True),
    default="tune.yaml",
    show_default=True,
    metavar="FILE",
    help="Where to write the study; `-` prints it and writes no file.",
)
@click.option(
    "--engine",
    type=click.Choice(["openai"]),
    help="A running server with the OpenAI API, in place of SOURCE; needs --url and --model.",
)
@click.option("--url", help="Where it runs: http://HOST:PORT, with its path if that is not /v1.")
@click.option("--model", metavar="NAME", help="The model, as that server calls it.")
@click.option("--force", is_flag=True, help="Overwrite what is there (never prompts.jsonl).")
def command(
    source: str | None,
    out: Path,
    engine: str | None,
    url: str | None,
    model: str | None,
    force: bool,
) -> int:
    """Write a commented study to start from.

    SOURCE is a Modelfile, the path of a GGUF file, or `default` for the packaged model (which
    it is without SOURCE). What the Modelfile sets becomes the baseline, its SYSTEM and MESSAGE
    lines become files beside the study, and the space fits this machine. Of a running server
    only what a request can carry is searched.

    \b
    Example:  tune init Modelfile
              tune init --engine openai --url https://api.example.com/v1 --model NAME
    """  # noqa: D301
    from tuner.workflow.start.init import hosted, init

    to_stdout = str(out) == "-"
    asked = _hosted(source, engine, url, model)
    start = hosted(*asked) if asked else source
    started = init(start, None if to_stdout else out, force=force)
    if to_stdout:
        click.echo(started.study, nl=False)
    for line in _said(started, out):
        click.echo(line, err=True)
    return 0


def _hosted(
    source: str | None, engine: str | None, url: str | None, model: str | None
) -> tuple[str, str] | None:
    """Return URL and model of the server that is asked for, None where none is."""
    from tuner.spec.errors import InputError

    if (engine, url, model) == (None, None, None):
        return None
    if source is not None:
        raise InputError(f"{source}: a study starts from SOURCE or from a server (--url), not both")
    if not url or not model:
        raise InputError("a running server needs both: --url URL and --model NAME")
    return url, model


def _said(started: Started, out: Path) -> list[str]:
    lines = [f"note: {note}" for note in started.notes]
    if started.missing:
        return [*lines, f"not written, but named in it: {', '.join(started.missing)} (say --out)"]
    lines.append(f"wrote {', '.join(map(str, started.written))}")
    if started.kept:
        lines.append(f"kept as they were: {', '.join(map(str, started.kept))}")
    file = shlex.quote(str(out))
    return [
        *lines,
        "next: put requests of yours into prompts.jsonl, then",
        f"  tune study check {file}",
        f"  tune {file} --target-p99 MS",
    ]
