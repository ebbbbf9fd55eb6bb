"""From a study to an engine over vLLM."""

from __future__ import annotations

from pathlib import Path

from tuner.engines.base import Preview
from tuner.engines.vllm.attached import KNOBS_OF_REQUESTS, LEFT_OUT, VllmAttached
from tuner.engines.vllm.engine import Vllm
from tuner.engines.vllm.installed.program import find
from tuner.engines.vllm.knobs import knobs
from tuner.engines.vllm.section import Fixed
from tuner.spec.errors import EngineMissing
from tuner.spec.study import Study
from tuner.spec.values import Model

CACHE = "vllm-cache"
"""The folder beside a run's engine logs that keeps what vLLM compiled."""


def create(study: Study, logs: Path) -> Vllm | VllmAttached:
    """Return the engine for the model of a study; raise EngineMissing.

    With a url it is the running server there, else one of our own.
    """
    told = study.engine_settings or Fixed()
    if study.url is not None:
        return VllmAttached(study.url, study.model, told.served_name)
    model = Model(study.model, str(Path(study.model).absolute()))
    return Vllm(model, find(told.python), told, logs, (logs / CACHE).absolute())


def preview(study: Study) -> Preview:
    """Return what shows without starting a server."""
    told = study.engine_settings or Fixed()
    if study.url is not None:
        return Preview(KNOBS_OF_REQUESTS, left_out=LEFT_OUT)
    try:
        find(told.python)
    except EngineMissing as error:
        return Preview(knobs(study.model), (str(error),))
    return Preview(knobs(study.model))
