"""`tune config`: what is configured, and where that was said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from tuner.cli.asked_study import read_study
from tuner.cli.groups import Group
from tuner.cli.options import of_study
from tuner.cli.program import show
from tuner.cli.run_options import searching

if TYPE_CHECKING:
    from tuner.workflow.start.configuration import Given


@click.group(name="config", cls=Group)
def command() -> None:
    """Show what is configured, and where that was said."""


@command.command(name="show")
@of_study
@searching
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def show_command(
    ctx: click.Context, /, study_file: Path | None, as_json: bool, **overrides: Any
) -> int:
    """Show each value that `tune run` with these options would use, and its origin.

    That is the line of the study file, the variable or the option that says it, or `default`.
    Keys are those of the study file; the baseline has every knob of the engine. Without STUDY it
    is ./tune.yaml, else the packaged study. What may be a secret is not shown.

    \b
    Example:  tune config show tune.yaml --target-p99 300
    """  # noqa: D301
    study = read_study(study_file, **overrides)  # before what is slow to import

    from tuner.report.configuration import configuration_document, show_configuration
    from tuner.workflow.start.configuration import configuration

    found = configuration(study, _given(ctx, overrides))
    written = configuration_document if as_json else show_configuration
    show(written(study.file, found.values))
    if found.remark:
        click.echo(f"the engine's defaults are unknown: {found.remark}", err=True)
    return 0


def _given(ctx: click.Context, overrides: dict[str, Any]) -> dict[str, Given]:
    """Return the options that were given, on the command line or by a variable."""
    from tuner.spec.origin import Origin

    found: dict[str, Given] = {}
    for option in ctx.command.params:
        name = option.name or ""
        source = ctx.get_parameter_source(name)
        if name in overrides and source is ParameterSource.COMMANDLINE:
            found[name] = (overrides[name], Origin("option", option.opts[0]))
        elif name in overrides and source is ParameterSource.ENVIRONMENT:
            found[name] = (overrides[name], Origin("variable", str(option.envvar)))
    return found
