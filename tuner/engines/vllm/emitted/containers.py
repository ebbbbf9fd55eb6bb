"""A vLLM server in a container: the values of a compose file and of a Deployment."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from tuner.engines.quoting import for_compose, for_yaml, yaml_name
from tuner.engines.vllm.emitted.service import SERVE, Service
from tuner.spec.templates import fill

_ANY_HOST = "0.0.0.0"
"""Inside a container: what may reach it is said outside of it."""

_PERIOD_S = 10
_SHM_GIB = 2
_START_FACTOR = 3
_LEAST_START_S = 600
"""As long as vLLM itself waits for its engine (VLLM_ENGINE_READY_TIMEOUT_S)."""

_UNKNOWN_START_S = 1800


def compose_file(service: Service, header: tuple[str, ...]) -> str:
    """Return the text of compose.yaml, in all of whose values a $ begins a variable."""
    return fill("vllm/compose.yaml.j2", _said(service, for_compose) | {"header": header})


def deployment_file(service: Service, header: tuple[str, ...]) -> str:
    """Return the text of deployment.yaml: a $ begins a variable in words and in the environment."""
    return fill("vllm/deployment.yaml.j2", _said(service, for_yaml) | {"header": header})


def _said(service: Service, quoted: Callable[[str], str]) -> dict[str, object]:
    """Return the values of both; `quoted` writes those that are no words and no environment."""
    words = service.command(SERVE, _ANY_HOST)[len(SERVE) :]
    return {
        "image": quoted(service.image or _image(service)),
        "program": SERVE,
        "words": [for_compose(word) for word in words],
        "settings": [(yaml_name(n), for_compose(v)) for n, v in service.env.items()],
        "mounts": [quoted(path) for path in dict.fromkeys(service.mounts)],
        "host": quoted(service.host),
        "secrets": service.secrets,
        **_sized(service),
    }


def _sized(service: Service) -> Mapping[str, object]:
    """Return numbers, and where that of the start is from."""
    held = service.memory_bytes
    return {
        "port": service.port,
        "gpus": service.gpus,
        "shm_gib": _SHM_GIB * max(1, service.gpus),
        "memory_mib": None if held is None else math.ceil(held / 2**20),
        "period_s": _PERIOD_S,
        "may_start_s": _may_start_s(service.start_s),
        "started": _started(service.start_s),
    }


def _image(service: Service) -> str:
    """Return vLLM's own image of a version (docs.vllm.ai, "Using Docker" and "CPU")."""
    version = service.version.partition("+")[0]
    name = "vllm/vllm-openai" if service.gpus else "public.ecr.aws/q9t5s3a7/vllm-cpu-release-repo"
    return f"{name}:v{version}"


def _may_start_s(measured_s: float | None) -> int:
    """Return how long a start may take, in whole periods.

    A first one takes longer than a measured one: weights are fetched, code is compiled.
    """
    if measured_s is None:
        return _UNKNOWN_START_S
    longest = max(_LEAST_START_S, _START_FACTOR * measured_s)
    return math.ceil(longest / _PERIOD_S) * _PERIOD_S


def _started(measured_s: float | None) -> str:
    if measured_s is None:
        return "no start was measured"
    return f"a start took {measured_s:.0f} s; a first one fetches weights and compiles too"
