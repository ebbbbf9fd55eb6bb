"""From the study's engine to one that can serve; every engine is imported only when asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

from tuner.engines.base import Engine, Preview
from tuner.spec.study import Study

FACTORIES = {
    "llamacpp": "tuner.engines.llamacpp.engine:create",
    "ollama": "tuner.engines.ollama.engine:create",
    "openai": "tuner.engines.openai.engine:create",
    "command": "tuner.engines.command.engine:create",
    "fake": "tuner.testing.fake_engine:create",
}
"""Kind -> "module:function"; the function takes (study, folder for logs) and gives an Engine."""


def create(study: Study, logs: Path) -> Engine:
    """Return the study's engine, not started; raise EngineMissing, InputError."""
    module, name = FACTORIES[study.engine].split(":")
    factory = cast(Callable[[Study, Path], Engine], getattr(import_module(module), name))
    return factory(study, logs)


def preview(study: Study) -> Preview:
    """Return what can be said of the study's engine without starting it.

    An engine's module may have a function `preview` of its own, where making an engine is dear
    or needs what may be missing. Raises EngineMissing, InputError.
    """
    module = import_module(FACTORIES[study.engine].split(":")[0])
    own = cast(Callable[[Study], Preview] | None, getattr(module, "preview", None))
    if own:
        return own(study)
    engine = create(study, Path())
    return Preview(engine.knobs, left_out=getattr(engine, "left_out", {}))
