"""`tune workload`: make a workload out of a recording."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tuner.cli.groups import Group
from tuner.cli.options import option, read_study, run_loop

if TYPE_CHECKING:
    from tuner.workflow.traces.import_trace import Imported

_COUNT = click.IntRange(min=1)


@click.group(name="workload", cls=Group)
def command() -> None:
    """Make a workload out of a recording."""


@command.command(name="import")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_",
    required=True,
    type=click.Choice(["azure", "mooncake", "jsonl"]),
    help="How FILE is written.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="trace.jsonl",
    show_default=True,
    metavar="FILE",
    help="Where to write the prompts.",
)
@option(
    "--model",
    metavar="MODEL",
    help="Count in the tokens of this model: a Hugging Face folder with tokenizer.json, or "
    "what `tune run --model` takes.",
)
@click.option(
    "--study",
    "study_file",
    type=click.Path(path_type=Path),
    metavar="STUDY",
    help="Count as the engine of this study does, its system text and shots included.",
)
@click.option("--first", type=_COUNT, metavar="N", help="Take the first N requests of FILE only.")
@click.option(
    "--max-input",
    type=_COUNT,
    metavar="N",
    help="The most tokens of a prompt; the model's context bounds it anyway.",
)
@click.option(
    "--shorten",
    is_flag=True,
    help="Shorten prompts that are too long, instead of leaving their requests out.",
)
@click.option("--held-out", is_flag=True, help="Keep the later half back for the proof.")
@option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the words."
)
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def import_(
    file: Path,
    format_: str,
    out: Path,
    model: str | None,
    study_file: Path | None,
    first: int | None,
    max_input: int | None,
    shorten: bool,
    held_out: bool,
    seed: int,
    force: bool,
) -> int:
    """Make prompts of the lengths and times that a recording tells.

    FILE holds no texts: azure is CSV with TIMESTAMP, ContextTokens and GeneratedTokens; mooncake is
    JSON lines with timestamp (ms), input_length, output_length and hash_ids; jsonl is JSON lines
    with at_s, at_ms or at (ISO), prompt_tokens, output_tokens and, if known, hash_ids. Prompts are
    words at random; they begin alike only where hash_ids do. Without --model and --study lengths
    are estimated.

    \b
    Example:  tune workload import requests.csv --format azure --model default --first 200
    """  # noqa: D301
    from tuner.workflow.traces.import_trace import Asked, counting, import_trace

    asked = Asked(file, format_, out, first, max_input, shorten, held_out, seed, force)  # type: ignore[arg-type]
    plain = study_file is None
    folder = Path(model) if plain and model and Path(model).is_dir() else None
    named = folder is None and (study_file, model) != (None, None)
    study = read_study(study_file, model=model) if named else None
    done = run_loop(lambda: import_trace(asked, counting(study, folder, plain=plain)))
    for line in _said(done):
        click.echo(line, err=True)
    return 0


def _said(done: Imported) -> list[str]:
    return [
        *(f"note: {note}" for note in done.notes),
        f"wrote {done.out}: {done.requests:,} requests over {done.seconds:,.1f} s "
        f"({done.rate:.3g} requests/s), prompts of {_span(done.prompts)} tokens, answers of "
        f"{_span(done.answers)}",
        f"lengths are {done.how}",
        f"next: in the study put workload.prompts: {shlex.quote(str(done.out))} and workload.load: "
        f"{{arrivals: trace}}, and a limit of answers (num_predict) of {done.answers[1]} or more "
        "into the baseline",
    ]


def _span(of: tuple[int, int]) -> str:
    low, high = of
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
