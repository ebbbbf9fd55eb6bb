"""`tune diagnose`: where the time goes, what the figures leave open, and what would help."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.asked_study import read_study
from tuner.cli.program import run_loop, show

if TYPE_CHECKING:
    from tuner.advice.diagnosis.figures import Figures
    from tuner.workflow.advising.measured_figures import Told

_MILLISECONDS = (
    ("--p50", "p50", "The latency that half of the requests exceed."),
    ("--p99", "p99", "The latency that 1 request in 100 exceeds."),
    ("--ttft-p50", "ttft_p50", "The time to the first text of a usual request."),
    ("--target-p99", "target_p99", "What p99 should be."),
    ("--queue-p50", "queue", "How long a usual request waits for a slot."),
    ("--queue-p99", "queue_p99", "How long 1 request in 100 waits for a slot at least."),
    ("--network", "network", "The way to the server and back."),
)
_NUMBERS = (
    ("--input-tokens", "input_tokens", "N", "Tokens of a usual prompt."),
    ("--cached-tokens", "cached_tokens", "N", "How many of those a prompt cache keeps."),
    ("--output-tokens", "output_tokens", "N", "Tokens of a usual answer."),
    ("--output-tokens-p99", "output_p99", "N", "The length that 1 answer in 100 exceeds."),
    ("--rate", "rate", "R", "Requests that come in a second."),
    ("--prefill-rate", "prefill_rate", "R", "Tokens of a prompt that are computed in a second."),
    ("--decode-rate", "decode_rate", "R", "Tokens a second of one answer."),
    ("--temperature", "temperature", "T", "The temperature that answers are sampled at."),
)
_WHOLE = (
    ("--num-ctx", "context", "The window of a request, in tokens."),
    ("--output-limit", "limit", "The most tokens that an answer may have."),
    ("--parallel", "slots", "Requests that are served at once; default 1."),
    ("--num-batch", "batch", "Tokens of a prompt that are computed at once."),
)
_PERCENT = (
    ("--gpu-util", "gpu_util", "Share of the time with a kernel on the GPU."),
    ("--memory", "memory", "Share of the memory that is in use."),
)


def _figures(command: Any) -> Any:
    """Add an option for each figure."""
    options = [
        *(click.option(o, n, type=float, metavar="MS", help=h) for o, n, h in _MILLISECONDS),
        *(click.option(o, n, type=float, metavar=m, help=h) for o, n, m, h in _NUMBERS),
        *(click.option(o, n, type=int, metavar="N", help=h) for o, n, h in _WHOLE),
        *(click.option(o, n, type=float, metavar="PERCENT", help=h) for o, n, h in _PERCENT),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command(name="diagnose")
@click.argument("result", required=False, type=click.Path(path_type=Path), metavar="[RESULT]")
@_figures
@click.option("--url", metavar="URL", help="Ask the server that runs there.")
@click.option("--study", type=click.Path(path_type=Path), metavar="FILE",
              help="With --url: the study whose requests are sent; default tune.yaml.")  # fmt: skip
@click.option("--engine", metavar="KIND", help="With --url: kind of that server.")
@click.option("--model", metavar="MODEL", help="With --url: the model's name there.")
@click.option("--requests", type=click.IntRange(1, 10_000), default=30, show_default=True,
              metavar="N", help="With --url: how many requests are sent.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, file_okay=False),
              help="With --url: folder for the samples.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
def command(
    result: Path | None,
    url: str | None,
    study: Path | None,
    engine: str | None,
    model: str | None,
    requests: int,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    **given: float | None,
) -> int:
    """Say where the time of requests goes, what is open, and what would help.

    It reasons from figures, which RESULT (a measurement or the best of a run), a server at --url,
    or the options give; options win. Each cause comes with what speaks for it and against it, each
    change with a range and the command that tests it. What the figures cannot say is unknown.

    \b
    Example:  tune diagnose --p50 450 --p99 1200 --input-tokens 150 --output-tokens 40 \\
                --gpu-util 35 --num-ctx 4096 --temperature 0.7 --target-p99 500
              tune diagnose out/task-api/latest
              tune diagnose --url http://127.0.0.1:8000 --study tune.yaml --model my-model
    """  # noqa: D301
    from dataclasses import replace

    from tuner.advice.diagnosis.changes.proposal import Names
    from tuner.advice.diagnosis.diagnose import diagnose
    from tuner.report.diagnosis import diagnosis_document, show_diagnosis

    said, names, remarks = _in_seconds(given), Names(), tuple[str, ...]()
    if result is not None and url is not None:
        raise click.UsageError("say RESULT or --url, not both")
    if url is None and (study or engine or model or out):
        raise click.UsageError("--study, --engine, --model and --out are for --url; add it")
    if result is not None:
        from tuner.workflow.advising.measured_figures import from_result

        told = from_result(result)
        said, names, remarks = replace(told.figures, **_given(said)), told.names, told.remarks
    elif url is not None:
        told = _asked(
            url, study, requests, out, quiet, engine=engine, model=model,
            target_p99=given["target_p99"],
        )  # fmt: skip
        said, names, remarks = replace(told.figures, **_given(said)), told.names, told.remarks
    found = diagnose(said, names, remarks)
    show(diagnosis_document(found) if as_json else show_diagnosis(found))
    return 0


def _in_seconds(given: dict[str, float | None]) -> Figures:
    """Return the figures that options give: milliseconds as seconds, percent as shares."""
    from tuner.advice.diagnosis.figures import Figures

    scales = {name: 1000.0 for _, name, _ in _MILLISECONDS} | {n: 100.0 for _, n, _ in _PERCENT}
    told: dict[str, Any] = {
        name: value if value is None or name not in scales else value / scales[name]
        for name, value in given.items()
    }
    return Figures(**told)


def _given(found: Figures) -> dict[str, Any]:
    from dataclasses import asdict

    told = {name: value for name, value in asdict(found).items() if value is not None}
    return told if found.p99 is None else told | {"p99_low": None, "p99_high": None}


def _asked(
    url: str, study: Path | None, requests: int, out: Path | None, quiet: bool, **overrides: Any
) -> Told:
    """Return what a server that runs tells."""
    from dataclasses import replace

    from tuner.report.progress import Lines
    from tuner.report.terminal import console
    from tuner.store.default_folder import default_out
    from tuner.workflow.advising.server_figures import from_server
    from tuner.workflow.checking.serving import serving

    read = read_study(study, url=url, **overrides)
    lines = Lines(console(stderr=True), quiet)
    folder = out or default_out(f"{read.name}-diagnose")
    told = run_loop(lambda: from_server(serving(read), folder, requests, lines.note))
    return replace(told, names=replace(told.names, study=str(study or told.names.study)))
