"""`tune notify`: whom a study tells, and a test message to all of them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tuner.cli.asked_study import read_study
from tuner.cli.options import study_argument
from tuner.cli.program import show

if TYPE_CHECKING:
    from tuner.telling.event import Delivery


@click.command(name="notify")
@study_argument
@click.option("--test", is_flag=True, help="Send each target an alarm and an all-clear.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(study_file: Path | None, test: bool, as_json: bool) -> int:
    """Show whom the study's section `notify` tells, and whether each target is understood.

    With --test each gets an alarm and an all-clear, which resolves an incident that the alarm opens
    (where apprise can). No URL is ever shown. The exit code is 1 where a target cannot be told.

    \b
    Example:  tune notify tune.yaml --test
    """  # noqa: D301
    from tuner.spec.errors import EngineMissing, InputError, NotTold
    from tuner.telling import tell

    notify = read_study(study_file).notify
    if notify is None or not notify.tells:
        raise InputError(
            "the study tells nobody; add notify: {urls_from: TUNE_NOTIFY_URLS}, the name of a "
            "variable that holds the URLs"
        )
    if problem := tell.missing():
        raise EngineMissing(problem)
    told = tell.tell_test(notify) if test else tell.look(notify)
    _show(told, as_json=as_json)
    if failed := [d for d in told if d.state == "failed"]:
        raise NotTold(f"{len(failed)} of {len(told)} targets cannot be told; mend their URLs")
    return 0


def _show(told: tuple[Delivery, ...], *, as_json: bool) -> None:
    from tuner import __version__

    if as_json:
        show({
            "schema": "tuner.notify/1", "tuner_version": __version__,
            "targets": [asdict(delivery) for delivery in told],
        })  # fmt: skip
        return
    for delivery in told:
        click.echo(str(delivery))
