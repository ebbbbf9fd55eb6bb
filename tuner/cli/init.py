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
    metavar="KIND",
    help="Kind of engine, where SOURCE or --url does not tell; `tune doctor` lists them.",
)
@click.option(
    "--url",
    help="In place of SOURCE a server that runs at http://HOST:PORT, with its "
    "path if that is not /v1; needs --model.",
)
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
    from tuner.workflow.start.init import init
    from tuner.workflow.start.sources import Asked

    to_stdout = str(out) == "-"
    asked = Asked(source, engine, url, model)
    started = init(asked, None if to_stdout else out, force=force)
    if to_stdout:
        click.echo(started.study, nl=False)
    for line in _said(started, out):
        click.echo(line, err=True)
    return 0


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
