"""A first study of a model of Ollama: what Ollama's folder tells of it, and the draft."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.engines import memory
from tuner.engines.first_space import joined
from tuner.engines.first_study import Draft, Line, Machine, Origin, Source, lines, too_large, unused
from tuner.engines.ollama import model_folder
from tuner.engines.ollama.first_study import parameter_space
from tuner.engines.ollama.knobs import KNOBS
from tuner.modelfile import parameters
from tuner.modelfile.document import Modelfile
from tuner.modelfile.window import served_window
from tuner.spec.engine_section import DEFAULT_MODEL
from tuner.spec.errors import InputError

_ALSO: Mapping[str, list[Any]] = {
    "repeat_penalty": [1.0, 1.1],
    "flash_attention": ["auto", "on"],
    "kv_cache_type": ["f16", "q8_0"],
}
"""What else is worth a look with one request at a time: a default that changed with 0.33, and
what a start of Ollama's server decides."""

_ABOUT = """\
What serves the model: an Ollama of its own, started beside the one in production over the same
models. `--attach` uses the running one instead."""

_OWN_TURNS = """\
The model's MESSAGE lines go before each request as they are. To search how many of them help,
start from its Modelfile, FROM the model that has none."""

_OLD_PENALTY = "1.1, Ollama's default before 0.33, spoils numbers and JSON"
_OF_A_START = """\
What a start of the server decides. num_parallel: [1, 2, 4] is worth it with a load above 1."""


def origin(source: Source) -> Origin:
    """Return what Ollama's folder tells of a model: its facts, and what its Modelfile says.

    Raises InputError for what is no model of Ollama's.
    """
    if source.model == DEFAULT_MODEL or source.path is not None:
        raise InputError(
            f"{source.label}: engine ollama serves models by name; name one that `ollama list` "
            "shows, or leave --engine out"
        )
    name, models = source.model, model_folder.folder()
    model = model_folder.model(name, models)
    values = model.cached_per_token
    return Origin(
        label=source.label,
        model=name,
        stem=name.rsplit("/", 1)[-1].removesuffix(":latest"),
        engine="ollama",
        weights_bytes=model.weights_bytes,
        kv_bytes=None if values is None else int(values * memory.BYTES_PER_VALUE["f16"]),
        train_ctx=model.train_ctx,
        modelfile=source.modelfile or _stored(name, models),
        inherits=source.modelfile is None,
    )


def _stored(name: str, models: Path) -> Modelfile:
    """Return the Modelfile that the layers of a model make."""
    return Modelfile(
        base=name,
        system=model_folder.layer(name, models, "system"),
        parameters=tuple(_flat(model_folder.parameters(name, models))),
        messages=tuple(model_folder.turns(name, models)),
    )


def _flat(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield parameters as a Modelfile writes them; a list is written once for each value."""
    for name, value in settings.items():
        for one in value if isinstance(value, list) else [value]:
            yield name, parameters.written(name, one)


def draft(origin: Origin, machine: Machine) -> Draft:
    """Return what a first study says; beside a GPU Ollama itself decides what fits into memory.

    Raises InputError for a PARAMETER that no engine could run with.
    """
    machine = replace(machine, memory_bytes=None) if machine.gpu else machine
    values = parameter_space.baseline(origin, KNOBS)
    values["num_ctx"] = served_window(int(values["num_ctx"]), origin.train_ctx)
    turns = origin.modelfile.messages if origin.modelfile else ()
    return Draft(
        baseline=parameter_space.baseline_lines(values, origin),
        space=lines(space(values, origin, machine), _comments(origin, machine)),
        about=_ABOUT,
        unnamed="stands at the\nmodel's own setting, or else at Ollama's default.",
        above_space=_OWN_TURNS if origin.inherits and turns else "",
        beside_system="add another text; `none` would leave the model's own in force",
        limit="num_predict",
        writes="a Modelfile",
        left_out=unused(
            origin.modelfile, parameter_space.numbers(KNOBS), f"{origin.model}'s is used"
        ),
        notes=too_large(origin, machine),
    )


def space(values: Mapping[str, int | float], origin: Origin, machine: Machine) -> dict[str, Any]:
    """Return what the search may set: PARAMETERs, and what a start of the server decides."""
    penalties = joined(_ALSO["repeat_penalty"], values.get("repeat_penalty"))
    found = parameter_space.space(values, origin, machine, free_threads=True)
    return {**found, **_ALSO, "repeat_penalty": penalties}


def _comments(origin: Origin, machine: Machine) -> dict[str, Line]:
    found = parameter_space.space_comments(origin, machine)
    threads = found["num_thread"]
    return {
        **found,
        "num_thread": replace(threads, beside=f"{threads.beside}; 0: Ollama's own choice"),
        "repeat_penalty": Line(None, beside=_OLD_PENALTY),
        "flash_attention": Line(None, _OF_A_START),
    }
