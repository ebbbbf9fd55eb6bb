"""`tune workload`: make a workload out of a recording, and tell how far production has moved."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.asked_study import read_study
from tuner.cli.groups import Group
from tuner.cli.option_types import Duration
from tuner.cli.options import option
from tuner.cli.program import ending_cleanly, run_loop, show

if TYPE_CHECKING:
    from tuner.workflow.recordings.drift import Apart, Drift
    from tuner.workflow.recordings.import_requests import ImportedRequests
    from tuner.workflow.traces.import_trace import Imported

_COUNT = click.IntRange(min=1)

_LENGTHS = ("azure", "mooncake", "jsonl")
_TEXTS = ("chat", "openai-batch", "ollama-requests", "litellm", "vllm-log")

_ONLY = {
    **dict.fromkeys(("model", "study_file", "max_input", "shorten"), _LENGTHS),
    **dict.fromkeys(("rules", "window", "most"), _TEXTS),
    "answers": ("openai-batch",),
}
"""Options that have a meaning for some formats only."""

_CODES = {"same": 0, "undecided": 3, "drifted": 4}


@click.group(name="workload", cls=Group)
def command() -> None:
    """Make a workload out of a recording, and tell how far production has moved."""


@command.command(name="import")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_",
    required=True,
    type=click.Choice([*_LENGTHS, *_TEXTS]),
    help="How FILE is written.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Where to write the prompts; default trace.jsonl, or requests.jsonl where FILE has texts.",
    metavar="FILE",
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
@click.option(
    "--rules",
    type=click.Path(path_type=Path),
    metavar="RULES",
    help="A YAML file that says what else is redacted, and which kinds there are.",
)
@click.option(
    "--answers",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The output file of an OpenAI batch, for the times and lengths of answers.",
)
@click.option(
    "--window", type=Duration(), metavar="TIME", help="The end of FILE that the mix is of: 24h."
)
@click.option(
    "--most", type=_COUNT, metavar="N", help="The most prompts that are kept; default 10,000."
)
@click.option(
    "--held-out",
    is_flag=True,
    help="Keep half back for the proof: the later one, or of texts half of the conversations.",
)
@option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of words, and of what is held out.",
)
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def import_(file: Path, format_: str, **options: Any) -> int:
    """Make prompts of a recording: of its lengths and times, or of its texts.

    FILE without texts: azure is CSV with TIMESTAMP, ContextTokens and GeneratedTokens; mooncake is
    JSON lines with timestamp (ms), input_length, output_length and hash_ids; jsonl is JSON lines
    with at_s, at_ms or at (ISO), prompt_tokens, output_tokens and, if known, hash_ids. Prompts are
    words at random; they begin alike only where hash_ids do. Without --model and --study lengths
    are estimated.

    FILE with texts: chat is a body of a chat request on each line; openai-batch is a batch's input;
    ollama-requests is the folder of OLLAMA_DEBUG_LOG_REQUESTS; litellm is StandardLoggingPayload;
    vllm-log is vLLM's log at DEBUG with --enable-log-requests. Texts are redacted, requests that
    are alike become one prompt with a weight, and the mix is written beside.

    \b
    Example:  tune workload import requests.csv --format azure --model default --first 200
              tune workload import requests.jsonl --format chat --rules rules.yaml --held-out
    """  # noqa: D301
    _ensure_meaning(click.get_current_context(), format_)
    told = _import_lengths if format_ in _LENGTHS else _import_texts
    for line in told(file, format_, **options):
        click.echo(line, err=True)
    return 0


def _ensure_meaning(ctx: click.Context, format_: str) -> None:
    """Raise InputError for an option on the command line that has no meaning for a format."""
    from tuner.spec.errors import InputError

    for name, formats in _ONLY.items():
        given = ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if given and format_ not in formats:
            said = "--" + name.removesuffix("_file").replace("_", "-")
            raise InputError(
                f"{said} has no meaning for --format {format_}, only for: {', '.join(formats)}"
            )


def _import_lengths(
    file: Path, format_: str, *, model: str | None, study_file: Path | None, **options: Any
) -> Iterator[str]:
    from tuner.workflow.traces.import_trace import Asked, counting, import_trace

    asked = Asked(
        file, format_,  # type: ignore[arg-type]
        options["out"] or Path("trace.jsonl"), options["first"], options["max_input"],
        options["shorten"], options["held_out"], options["seed"], options["force"],
    )  # fmt: skip
    plain = study_file is None
    folder = Path(model) if plain and model and Path(model).is_dir() else None
    named = folder is None and (study_file, model) != (None, None)
    study = read_study(study_file, model=model) if named else None
    done = run_loop(lambda: import_trace(asked, counting(study, folder, plain=plain)))
    return _said(done)


def _import_texts(file: Path, format_: str, **options: Any) -> Iterator[str]:
    from tuner.workflow.recordings.import_requests import (
        MOST_PROMPTS,
        AskedRequests,
        import_requests,
    )

    asked = AskedRequests(
        file, format_, options["out"] or Path("requests.jsonl"), options["rules"],
        options["answers"], options["first"], options["most"] or MOST_PROMPTS, options["window"],
        options["held_out"], options["seed"], options["force"],
    )  # fmt: skip
    with ending_cleanly():
        return _said_of_texts(import_requests(asked))


def _said(done: Imported) -> Iterator[str]:
    yield from (f"note: {note}" for note in done.notes)
    yield (
        f"wrote {done.out}: {done.requests:,} requests over {done.seconds:,.1f} s "
        f"({done.rate:.3g} requests/s), prompts of {_span(done.prompts)} tokens, answers of "
        f"{_span(done.answers)}"
    )
    yield f"lengths are {done.how}"
    yield (
        f"next: in the study put workload.prompts: {shlex.quote(str(done.out))} and workload.load: "
        f"{{arrivals: trace}}, and a limit of answers (num_predict) of {done.answers[1]} or more "
        "into the baseline"
    )


def _said_of_texts(done: ImportedRequests) -> Iterator[str]:
    yield from (f"note: {note}" for note in done.notes)
    held_out = f", {done.held_out:,} of them held out" if done.held_out else ""
    yield (
        f"wrote {done.out}: {done.prompts:,} prompts{held_out}, out of {done.requests:,} requests "
        f"in {done.conversations:,} conversations"
    )
    over = "" if done.mix.seconds is None else f" over {done.mix.seconds / 3600:,.1f} h"
    yield f"wrote {done.mix_out}: the mix of {done.mix.requests:,} requests{over}"
    yield f"next: in the study put workload.prompts: {shlex.quote(str(done.out))}"


def _span(of: tuple[int, int]) -> str:
    low, high = of
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


@command.command()
@click.argument("old", metavar="OLD", type=click.Path(path_type=Path))
@click.argument("new", metavar="NEW", type=click.Path(path_type=Path))
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.1,
    show_default=True,
    metavar="SHARE",
    help="The share of requests that may be of another kind, or moved over some length.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
def drift(old: Path, new: Path, threshold: float, as_json: bool) -> int:
    """Tell whether what production asks has moved away from a mix, with the evidence.

    OLD and NEW are files NAME.mix.json that `tune workload import` writes. Exit code 0: surely
    within the threshold; 4: surely beyond it; 3: too few requests to tell.

    \b
    Example:  tune workload drift proven.mix.json today.mix.json
    """  # noqa: D301
    from tuner.workflow.recordings import drift as moved
    from tuner.workflow.recordings.mix_file import read_mix

    found = moved.drift(read_mix(old), read_mix(new), threshold)
    if as_json:
        show(moved.document(found))
    else:
        for line in _told(found):
            click.echo(line)
    return _CODES[found.verdict]


_ASPECTS = {
    "kinds": "kinds: {} of the requests are of another kind",
    "prompt_chars": "prompts: {} of the requests moved over some length",
    "answer_tokens": "answers: {} of the requests moved over some length",
}


def _told(found: Drift) -> Iterator[str]:
    yield from (_aspect(one, found.threshold) for one in found.apart)
    for kind, before, after in found.changes:
        yield f"  {kind}: {before:.1%}, now {after:.1%}"
    verdict = {
        "same": f"not drifted: all of it is within {found.threshold:.0%}",
        "drifted": f"drifted: beyond {found.threshold:.0%}",
        "undecided": f"undecided: more requests are needed to tell it from {found.threshold:.0%}",
    }
    yield verdict[found.verdict]


def _aspect(one: Apart, threshold: float) -> str:
    said = _ASPECTS[one.aspect].format(f"{one.distance.found:.1%}")
    (a, b), (c, d) = one.requests, one.conversations
    return (
        f"{said} (interval {one.distance.low:.1%} to {one.distance.high:.1%}; {a:,} and {b:,} "
        f"requests in {c:,} and {d:,} conversations): {one.verdict(threshold)}"
    )
