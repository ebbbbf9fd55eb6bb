"""A CronJob of Kubernetes, with the claim that keeps its state (batch/v1)."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import PurePosixPath

from tuner.engines.quoting import for_compose, for_yaml
from tuner.spec.errors import InputError
from tuner.spec.file_name import for_kubernetes
from tuner.spec.templates import fill
from tuner.store.state_folder import STATE_VARIABLE
from tuner.workflow.schedule.job import STOP_S, Job, Plan, ensure_writable

_LONGEST_NAME = 52
"""Characters of a CronJob's name: those of its jobs are eleven longer, and at most 63."""

_KEPT = PurePosixPath("/var/lib/modelfile-tuner")
_STUDY = PurePosixPath("/study")


@dataclass(frozen=True, slots=True)
class Pod:
    """What a night runs in: an image that has `tune` and the engine, and how many GPUs."""

    image: str
    gpus: int = 0


def plan(job: Job, pod: Pod) -> Plan:
    """Return the manifest and its steps; raise InputError where the window's zone has no name."""
    if job.window.zone_name is None:
        raise InputError("a CronJob needs the name of a time zone; say --time-zone Europe/Berlin")
    name = for_kubernetes(f"tune-retune-{job.name}", _LONGEST_NAME)
    file = f"{name}.yaml"
    manifest = fill("schedule/cronjob.yaml.j2", _values(job, pod, name))
    return Plan(
        {file: manifest},
        (*_study_step(job, name), f"kubectl apply -f {{folder}}/{file}"),
        (
            "the ConfigMap holds the files of the study's folder and not its subfolders; a study "
            f"that has some belongs into the image, at {_STUDY}",
            f"secrets, such as the URLs of notify.urls_from, go into the Secret {name}, whose keys "
            "become variables of the pod",
        ),
    )


def _values(job: Job, pod: Pod, name: str) -> dict[str, object]:
    study = None if job.study is None else str(_STUDY / job.study.name)
    words = ("tune", *job.words(study))
    for text in (*words, pod.image):
        ensure_writable(text)
    opens = job.window.opens
    return {
        "name": name,
        "schedule": for_yaml(f"{opens.minute} {opens.hour} * * *"),
        "zone": for_yaml(job.window.zone_name),
        "start_within_s": int(job.window.length.total_seconds()),
        "longest_s": job.longest_s,
        "stop_s": STOP_S,
        "image": for_yaml(pod.image),
        "words": [for_compose(word) for word in words],
        "kept": str(_KEPT),
        "state": {"variable": STATE_VARIABLE, "folder": str(_KEPT / "state")},
        "study": None if study is None else str(_STUDY),
        "gpus": pod.gpus,
        "shm_gib": 2 * max(1, pod.gpus),
    }


def _study_step(job: Job, name: str) -> list[str]:
    """Return the command that brings the study's folder into the cluster."""
    if job.study is None:
        return []
    folder = shlex.quote(str(job.study.absolute().parent))
    return [
        f"kubectl create configmap {name} --from-file={folder} --dry-run=client -o yaml | "
        "kubectl apply -f -"
    ]
