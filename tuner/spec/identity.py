"""What a study says, as digests: two parts of a run, or two measurements, agree where these do.

Digests tell that something differs and give none of it away. What is new in a study counts from
the day on which it gets a field: only what is named here is left out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.spec.requests.workload import Workload
    from tuner.spec.study import Study

NOT_OF_THE_ENGINE = (
    "name", "workload", "slos", "guard", "baseline", "space", "budget_s", "sampler",
    "seed", "stop_when_met", "objective", "file", "beside", "notify", "deploy", "promote",
    "prompts", "error",
)  # fmt: skip
"""Fields of a study that are no part of what it declares about its engine."""

_SECRET = r"(?:^|.*[-_.\s])(?:key|token|secret|password|authorization|cookie)"
_SECRET_NAME = re.compile(_SECRET, re.IGNORECASE)
_SECRET_PART = re.compile(
    r"((?:key|token|secret|password|authorization|cookie)=)[^&\s]*|(?<=//)[^/@\s]*@", re.IGNORECASE
)
"""The value in `--api-key=VALUE` and `?token=VALUE`, and a user before the host of a URL."""


def declared(study: Study) -> dict[str, Any]:
    """Return what a study declares about its engine and its load; see `digests`."""
    names = [f.name for f in fields(study) if f.name not in NOT_OF_THE_ENGINE]
    engine = {n.removeprefix("engine_"): digests(getattr(study, n), n) for n in names}
    if study.model.endswith(".gguf"):
        engine["model"] = None  # a path, written in one way or another; the engine knows its digest
    return {"engine": engine, "load": asdict(study.workload.load)}


LATER_IN_LINES = ("output_tokens", "prompt_tokens", "counted_by")
"""Fields that lines got after runs had been written: unset they leave a digest as it was."""


def workload_digest(workload: Workload) -> str:
    """Return a digest of all that is sent and of what a right answer is; the load stands apart."""
    content = asdict(workload)
    del content["load"], content["hash"]
    for line in content["templates"]:
        for name in LATER_IN_LINES:
            if line[name] is None:
                del line[name]
    return digest(content)


def digests(value: Any, name: str = "") -> Any:
    """Return a digest for each value of a mapping and of those in it, None for None.

    Secrets are left out, so that a run goes on with a new key: they are what a name such as
    `api_key` or `Authorization` stands for.
    """
    if value is None:
        return None
    if _SECRET_NAME.fullmatch(name):
        return "left out"
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): digests(of, str(key)) for key, of in value.items()}
    return digest(_without_secrets(value))


def digest(value: Any) -> str:
    """Return 16 hexadecimal digits that differ where values differ as JSON."""
    return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()[:16]


def _without_secrets(value: Any) -> Any:
    """Return a text or a list of arguments without the values of its secrets."""
    if isinstance(value, str):
        return _SECRET_PART.sub(r"\1", value)
    if isinstance(value, Sequence):
        before = ("", *map(str, value))
        shown = zip(before, value, strict=False)
        return [_without_secrets(v) for named, v in shown if not _SECRET_NAME.fullmatch(named)]
    return value
