"""The options that only a search has: of `tune run`, and of what says what that would do."""

from __future__ import annotations

from pathlib import Path

import click

from tuner.cli.options import F, option, with_options

OBJECTIVES = ("correct", "throughput", "e2e_p99", "ttft_p99", "memory")

_SEARCHING = (
    option("--sampler", type=click.Choice(["tpe", "random"]), help="How candidates are proposed."),
    option("--objective", type=click.Choice(OBJECTIVES),
           help="What to make best among candidates that meet the target."),
    click.option("--stop-when-met", is_flag=True, default=None,
                 help="Prove the first promising candidate and stop when it is proven."),
)  # fmt: skip

resume_option = click.option(
    "--resume", is_flag=True, help="Continue the run in --out, or the latest one of the study."
)

pause_option = click.option(
    "--pause-production",
    is_flag=True,
    help="Stop production with the study's beside.pause, and start it again afterwards.",
)


def searching(command: F) -> F:
    """Add the options that say how a search goes."""
    return with_options(_SEARCHING, command)


def folder_of(name: str, out: Path | None, *, resume: bool) -> Path:
    """Return the folder of a run: the one that was named, else the study's next or latest one."""
    from tuner.store.default_folder import default_out, latest_out

    return out or (latest_out if resume else default_out)(name)
