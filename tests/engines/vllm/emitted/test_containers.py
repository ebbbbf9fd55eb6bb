"""A server in containers: files that their readers take, with what was measured."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.engines.vllm.emitted.services import ON_CPUS, ON_GPUS, written
from tuner.engines.vllm.emitted.secrets import without_secrets
from tuner.engines.vllm.emitted.service import SERVE, Service

ODD = replace(
    ON_CPUS,
    model="/a b/it's $HOME",
    flags={"chat-template": '$(HF_TOKEN) ${X} "quoted": {#} é \U0001f600\u2028', "seed": "on"},
    env={"ODD": "$(A) $$ ${B:?c} %d\n", "NO": "0123"},
    mounts=("/a b/it's $HOME", "/on #off"),
)
SERVICES = [ON_CPUS, ON_GPUS, ODD]


def compose(service: Service) -> Any:
    """Return the service of the compose file."""
    return yaml.safe_load(written(service)["compose.yaml"])["services"]["vllm"]


def deployment(service: Service) -> Any:
    """Return the manifest."""
    return yaml.safe_load(written(service)["deployment.yaml"])


def container(service: Service) -> Any:
    """Return the container of the manifest's pod."""
    return deployment(service)["spec"]["template"]["spec"]["containers"][0]


def in_kubernetes(text: str) -> str:
    """Return a text as Kubernetes expands it where no variable has a value."""
    return re.sub(r"\$(\$|\([^)]*\))?", lambda m: "$" if m[1] == "$" else f"<{m[0]}>", text)


@pytest.mark.parametrize("version", ["1.37", "1.33"])
@pytest.mark.parametrize("service", SERVICES)
def test_a_deployment_is_one_by_the_schema_of_kubernetes(service: Service, version: str) -> None:
    """The published schema takes it, and knows each of its fields."""
    assert kubernetes_validate.validate(deployment(service), version, strict=True)


@pytest.mark.parametrize("service", SERVICES)
def test_both_start_vllm_with_the_words_that_were_measured(service: Service) -> None:
    """Dollars are no variables; the server listens on all interfaces of its container."""
    words = without_secrets(service).command(SERVE, "0.0.0.0")
    kube, composed = container(service), compose(service)

    assert [*kube["command"], *map(in_kubernetes, kube["args"])] == words
    told = [*composed["entrypoint"], *(w.replace("$$", "$") for w in composed["command"])]
    assert told == words


def test_both_set_the_environment() -> None:
    """A value with dollars arrives as it is, under a name that YAML could take for a switch."""
    told = {e["name"]: in_kubernetes(e["value"]) for e in container(ODD)["env"]}

    assert told == ODD.env
    environment = compose(ODD)["environment"]
    assert {n: v.replace("$$", "$") for n, v in environment.items()} == ODD.env


def test_a_file_is_mounted_once() -> None:
    """Kubernetes refuses one path twice."""
    twice = replace(ON_CPUS, mounts=("/models/smol", "/models/smol"))

    assert written(twice) == written(ON_CPUS)


def test_files_of_this_machine_are_where_the_options_name_them() -> None:
    """Each is mounted at its own path, to be read only."""
    volumes = deployment(ODD)["spec"]["template"]["spec"]["volumes"]
    paths = [v["hostPath"]["path"] for v in volumes if "hostPath" in v]
    mounts = [m["mountPath"] for m in container(ODD)["volumeMounts"] if m.get("readOnly")]
    bound = [v for v in compose(ODD)["volumes"] if isinstance(v, dict)]

    assert paths == mounts == list(ODD.mounts)
    told = [(v["source"].replace("$$", "$"), v["target"], v["read_only"]) for v in bound]
    assert told == [(path, path.replace("$", "$$"), True) for path in paths]


@pytest.mark.parametrize(
    ("start_s", "allowed_s"), [(None, 1800), (5.0, 600), (300.0, 900), (301.0, 910)]
)
def test_a_start_may_take_three_times_what_was_measured(
    start_s: float | None, allowed_s: int
) -> None:
    """At least ten minutes, and half an hour where nobody measured one."""
    service = replace(ON_CPUS, start_s=start_s)
    probe = container(service)["startupProbe"]

    assert probe["periodSeconds"] * probe["failureThreshold"] == allowed_s
    assert compose(service)["healthcheck"]["start_period"] == f"{allowed_s}s"


def test_resources_are_those_that_were_measured() -> None:
    """Memory is rounded up to whole MiB; what nobody measured is not asked for."""
    unknown = replace(ON_CPUS, memory_bytes=None)

    assert container(ON_CPUS)["resources"] == {"requests": {"memory": "3073Mi"}}
    assert container(ON_GPUS)["resources"] == {"limits": {"nvidia.com/gpu": "2"}}
    assert "resources" not in container(unknown)
    assert "deploy" not in compose(unknown)
    devices = compose(ON_GPUS)["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": 2, "capabilities": ["gpu"]}]


def test_the_processes_of_a_model_have_memory_to_share() -> None:
    """As much for each GPU."""
    volumes = deployment(ON_GPUS)["spec"]["template"]["spec"]["volumes"]

    assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "4Gi"}} in volumes
    assert {"name": "shm", "mountPath": "/dev/shm"} in container(ON_GPUS)["volumeMounts"]
    assert compose(ON_GPUS)["shm_size"] == "4gb"


def test_the_image_is_that_of_the_version_unless_another_is_named() -> None:
    """A version's own build is no part of a tag."""
    assert container(ON_GPUS)["image"] == "vllm/vllm-openai:v0.33.0"
    assert container(ON_CPUS)["image"].endswith("-cpu-release-repo:v0.32.0")
    assert container(replace(ON_CPUS, image="mine:1"))["image"] == "mine:1"
