"""`tune schedule`: files that let a scheduler of the system run `tune retune` every night."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tuner.cli.option_types import Duration, DurationOrZero, window_of
from tuner.cli.options import study_argument
from tuner.cli.program import show

if TYPE_CHECKING:
    from tuner.spec.window import Window
    from tuner.workflow.schedule.job import Job, Plan


_KINDS = ("systemd", "cron", "launchd", "k8s", "alerts")


@click.command(name="schedule")
@study_argument
@click.option("--name", help="The name in service, as `tune apply --name` gave it.")
@click.option("--systemd", is_flag=True, help="A timer and a service.")
@click.option("--cron", is_flag=True, help="A line of a crontab.")
@click.option("--launchd", is_flag=True, help="A property list for macOS.")
@click.option("--k8s", is_flag=True, help="A CronJob of Kubernetes; needs --image.")
@click.option("--alerts", is_flag=True, help="Alert rules of Prometheus for the nights' metrics.")
@click.option(
    "--window",
    default="01:00-05:00",
    show_default=True,
    metavar="HH:MM-HH:MM",
    help="When nights may work: they start with it, and end with it at the latest.",
)
@click.option("--time-zone", metavar="ZONE", help="The window's; the machine's by default.")
@click.option("--budget", type=Duration(), help="Time of a night, such as 2h; else the study's.")
@click.option(
    "--watch",
    type=DurationOrZero(),
    default="8h",
    show_default=True,
    help="How long to watch what a night promoted, which goes back where a target is lost; 0 for "
    "none.",
)
@click.option(
    "--pause-production",
    "pause",
    is_flag=True,
    help="Stop production with the study's beside.pause while it is measured.",
)
@click.option("--image", help="With --k8s: an image that has `tune` and the engine.")
@click.option("--gpus", type=click.IntRange(min=0), default=0, help="With --k8s: GPUs of a night.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="out/schedule",
    show_default=True,
    help="Where to write the files.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    study_file: Path | None,
    name: str | None,
    window: str,
    time_zone: str | None,
    budget: float | None,
    watch: float,
    pause: bool,
    image: str | None,
    gpus: int,
    out: Path,
    as_json: bool,
    **kinds: bool,
) -> int:
    """Write what a scheduler needs to run `tune retune` every night, and how to install it.

    Nothing is installed. The files hold absolute paths, the folder that this is run in, and the
    window. A night outside of its window is skipped, and a second one at once exits with 75.

    \b
    Example:  tune schedule tune.yaml --name my-assistant --systemd --window 01:00-05:00
              tune schedule --alerts
    """  # noqa: D301
    kind = _one_of(kinds)
    if image is None and kind == "k8s":
        raise click.UsageError("--k8s needs --image IMAGE, which has `tune` and the engine")
    if kind != "k8s" and (image is not None or gpus):
        raise click.UsageError("--image and --gpus are only for --k8s")
    if kind == "alerts":
        from tuner.workflow.schedule import alerts

        plan = alerts.plan()
    else:
        job = _job(study_file, name, window_of(window, time_zone), budget, watch, pause=pause)
        plan = _plan(kind, job, image, gpus)
    _written(plan, out, as_json=as_json)
    return 0


def _one_of(kinds: dict[str, bool]) -> str:
    chosen = [kind for kind in _KINDS if kinds[kind]]
    if len(chosen) != 1:
        raise click.UsageError(f"say one of {', '.join(f'--{kind}' for kind in _KINDS)}")
    return chosen[0]


def _job(
    study_file: Path | None,
    name: str | None,
    window: Window,
    budget: float | None,
    watch: float,
    *,
    pause: bool,
) -> Job:
    """Return the job; the study is read now, so that what is wrong with it shows by day."""
    from tuner.cli.asked_study import read_study
    from tuner.workflow.beside.pausing import to_pause
    from tuner.workflow.schedule.job import Job
    from tuner.workflow.schedule.remarks import remarks

    if not name:
        raise click.UsageError("say --name NAME, the name in service")
    study = read_study(study_file)
    if pause:
        to_pause(study)
    packaged = study_file is None and not Path("tune.yaml").exists()
    job = Job(name, window, None if packaged else Path(study.file), budget, watch, pause)
    for remark in remarks(job, study):
        click.echo(f"note: {remark}", err=True)
    return job


def _plan(kind: str, job: Job, image: str | None, gpus: int) -> Plan:
    from tuner.workflow.schedule import cron, kubernetes, launchd, systemd

    if kind == "k8s":
        assert image is not None
        return kubernetes.plan(job, kubernetes.Pod(image, gpus))
    return {"systemd": systemd.plan, "cron": cron.plan, "launchd": launchd.plan}[kind](job)


def _written(plan: Plan, out: Path, *, as_json: bool) -> None:
    """Write the files, and say what to do with them."""
    from tuner import __version__
    from tuner.store.run_folder import write_files, writing

    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        paths = write_files(out, plan.files)
    steps = [step.replace("{folder}", shlex.quote(str(out))) for step in plan.steps]
    for remark in plan.remarks:
        click.echo(f"note: {remark}", err=True)
    if as_json:
        show({
            "schema": "tuner.schedule/1", "tuner_version": __version__,
            "files": list(map(str, paths.values())), "steps": steps,
        })  # fmt: skip
        return
    click.echo(f"wrote {', '.join(map(str, paths.values()))}\nnext:")
    click.echo("\n".join(f"  {step}" for step in steps))
