"""`tune doctor`: which engines are usable here, and what disturbs measuring."""

from __future__ import annotations

import click

from tuner.cli.program import show


@click.command(name="doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(as_json: bool) -> int:
    """Say which engines are usable here and what disturbs measuring on this machine.

    Looks for about a second at other load, the CPU quota, throttling, swap, memory, the CPU
    governor, the clock and what a hypervisor takes. Nothing is changed. Exit code 0, whatever
    was found.

    \b
    Example:  tune doctor --json
    """  # noqa: D301
    from tuner.report.doctor import diagnosis_document, show_diagnosis
    from tuner.workflow.doctor import diagnose

    found = diagnose()
    if as_json:
        show(diagnosis_document(found))
    else:
        click.echo(show_diagnosis(found))
    return 0
