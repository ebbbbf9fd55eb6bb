"""Fetch the models of a study that Ollama does not have, when that is asked for."""

from __future__ import annotations

from collections.abc import Callable

from tuner.engines.ollama import model_folder as ollama_store
from tuner.engines.ollama.attached import address_of
from tuner.engines.ollama.engine import tags
from tuner.engines.ollama.models import OllamaModels
from tuner.spec.model_name import shown
from tuner.spec.study import Study


def pull(study: Study, note: Callable[[str], None]) -> None:
    """Fetch what is not there through the server that runs; raise EngineMissing without one."""
    wanted = [shown(name) for name in dict.fromkeys((study.model, *tags(study)))]
    server = OllamaModels(str(study.url or address_of(None)))
    there = server.names() if study.url else ollama_store.names(ollama_store.folder())
    for name in (n for n in wanted if n not in there):
        note(f"fetching {name}")
        server.pull(name)
