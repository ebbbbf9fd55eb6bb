"""The vLLM that serves a study: where it is, what is the same for all starts, what can be set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tuner.engines.vllm.installed.program import Installation
from tuner.engines.vllm.settings.arguments import FlagValue
from tuner.engines.vllm.settings.section import Fixed
from tuner.spec.knobs import Knob


@dataclass(frozen=True, slots=True)
class Using:
    """An installed vLLM, and how a study uses it.

    `knobs` are those of its version; `left_out` says of others why it lacks them. `telling` are
    flags with which a server tells of each request. `manifests` are the digests of the models that
    a candidate may name.
    """

    installation: Installation
    fixed: Fixed
    knobs: Mapping[str, Knob]
    left_out: Mapping[str, str] = field(default_factory=dict)
    telling: Mapping[str, FlagValue] = field(default_factory=dict)
    manifests: Mapping[str, str | None] = field(default_factory=dict)
