"""The CronJob runs the job as it is meant, and fits the published schema."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.engines.vllm.emitted.test_containers import in_kubernetes
from tests.workflow.schedule.jobs import JOBS, ODD, USUAL, WATCHING
from tuner.spec.errors import InputError
from tuner.workflow.schedule.job import STOP_S, Job
from tuner.workflow.schedule.kubernetes import Pod, plan

POD = Pod("registry.example.com/tune:1 # latest", gpus=2)


def manifests(job: Job, pod: Pod = POD) -> list[Any]:
    """Return the claim and the CronJob."""
    [text] = plan(job, pod).files.values()
    return list(yaml.safe_load_all(text))


def cron_job(job: Job, pod: Pod = POD) -> Any:
    """Return what the CronJob says."""
    return manifests(job, pod)[1]["spec"]


def pod_of(job: Job, pod: Pod = POD) -> Any:
    """Return what its pods are."""
    return cron_job(job, pod)["jobTemplate"]["spec"]["template"]["spec"]


@pytest.mark.parametrize("version", ["1.37", "1.33"])
@pytest.mark.parametrize("pod", [POD, Pod("tune")])
@pytest.mark.parametrize("job", [*JOBS, replace(USUAL, study=None)])
def test_it_is_one_by_the_schema_of_kubernetes(job: Job, pod: Pod, version: str) -> None:
    """The published schema takes claim and CronJob, and knows each of their fields."""
    for manifest in manifests(job, pod):
        assert kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("job", JOBS)
def test_it_runs_the_command_with_its_words_as_they_are(job: Job) -> None:
    """Dollars begin no variables; the study lies where its folder is mounted."""
    [container] = pod_of(job)["containers"]

    words = [in_kubernetes(word) for word in container["command"]]
    assert words == ["tune", *job.words("/study/tune.yaml")]
    assert container["image"] == POD.image
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "2"}


def test_it_starts_with_the_window_and_ends_soon_after_it() -> None:
    """In its zone, one at a time, and never again after a failure."""
    spec = cron_job(USUAL)
    job = spec["jobTemplate"]["spec"]

    assert (spec["schedule"], spec["timeZone"]) == ("0 1 * * *", "Europe/Berlin")
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] == 4 * 3600
    assert job["backoffLimit"] == 0
    assert 5 * 3600 <= job["activeDeadlineSeconds"] < 6 * 3600
    watching = cron_job(WATCHING)["jobTemplate"]["spec"]["activeDeadlineSeconds"]
    assert watching == job["activeDeadlineSeconds"] + 8 * 3600


def test_its_pods_keep_their_state_and_have_no_token() -> None:
    """What served is known the next night; nothing in the cluster may be changed."""
    pod = pod_of(USUAL)
    [container] = pod["containers"]
    mounted = {m["mountPath"]: m["name"] for m in container["volumeMounts"]}
    [state] = [e["value"] for e in container["env"] if e["name"] == "XDG_STATE_HOME"]
    volumes = {v["name"]: v for v in pod["volumes"]}

    assert pod["restartPolicy"] == "Never"
    assert pod["automountServiceAccountToken"] is False
    assert pod["terminationGracePeriodSeconds"] == STOP_S
    assert volumes[mounted["/dev/shm"]]["emptyDir"]["medium"] == "Memory"
    assert "persistentVolumeClaim" in volumes[mounted["/var/lib/modelfile-tuner"]]
    assert state.startswith("/var/lib/modelfile-tuner/")


@pytest.mark.parametrize("job", JOBS)
def test_its_name_leaves_room_for_those_of_its_jobs(job: Job) -> None:
    """52 characters at most."""
    claim, found = manifests(replace(job, name=f"{job.name}{'x' * 60}"))

    assert len(found["metadata"]["name"]) <= 52
    assert claim["metadata"]["name"] == found["metadata"]["name"]


def test_a_zone_without_a_name_is_refused() -> None:
    """The cluster knows zones by their names."""
    nameless = replace(ODD, window=replace(ODD.window, zone_name=None))

    with pytest.raises(InputError, match="--time-zone"):
        plan(nameless, POD)
