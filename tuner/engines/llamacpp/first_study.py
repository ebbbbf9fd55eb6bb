"""A first study of a GGUF file: what its head tells, and the draft."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from tuner.engines import gguf, memory, models
from tuner.engines.first_study import Draft, Machine, Origin, Source, lines, too_large, unused
from tuner.engines.llamacpp.engine import KNOBS
from tuner.engines.ollama.first_study import parameter_space
from tuner.spec.engine_section import DEFAULT_MODEL
from tuner.spec.errors import InputError
from tuner.spec.model_name import is_gguf_path

_ABOUT = """\
What serves the model: the embedded llama.cpp with a GGUF file (`default` is the packaged one)."""


def origin(source: Source, folder: Path, engine: str) -> Origin:
    """Return what a GGUF file tells, or the packaged one.

    Raises InputError for a model that is no GGUF file, EngineMissing.
    """
    if source.model == DEFAULT_MODEL:
        packaged = replace(source, label="the packaged model", path=models.default_path())
        return replace(_of_file(packaged, folder, engine), model=DEFAULT_MODEL)
    if not is_gguf_path(source.model):
        raise InputError(
            f"{source.label}: engine {engine} serves GGUF files; name one, or leave --engine out"
        )
    return _of_file(source, folder, engine)


def _of_file(source: Source, folder: Path, engine: str) -> Origin:
    path = source.path or Path(source.model)
    facts = gguf.metadata(path)
    return Origin(
        label=source.label,
        model=_relative(path, folder),
        stem=path.stem,
        engine=engine,
        weights_bytes=sum(file.stat().st_size for file in gguf.parts(path, facts)),
        kv_bytes=memory.f16_bytes_per_token(facts),
        train_ctx=models.train_ctx(facts),
        modelfile=source.modelfile,
    )


def _relative(path: Path, folder: Path) -> str:
    """Return a path as the study writes it: relative where the file lies under its folder.

    Links are kept as they are: the engine knows a GGUF file by its name.
    """
    whole, base = (os.path.normpath(p.absolute()) for p in (path, folder))
    inside = Path(whole).is_relative_to(base)
    return str(Path(whole).relative_to(base)) if inside else whole


def draft(origin: Origin, machine: Machine) -> Draft:
    """Return what a first study says; the PARAMETERs are Ollama's, in its words.

    Raises InputError for one that no engine could run with.
    """
    values = parameter_space.baseline(origin, KNOBS)
    space = parameter_space.space(values, origin, machine)
    return Draft(
        baseline=parameter_space.baseline_lines(values, origin),
        space=lines(space, parameter_space.space_comments(origin, machine)),
        about=_ABOUT,
        unnamed="stands at the\nengine's default, which is Ollama's.",
        limit="num_predict",
        writes="a Modelfile",
        left_out=unused(
            origin.modelfile,
            parameter_space.numbers(KNOBS),
            "the chat template of the GGUF file is used",
        ),
        notes=too_large(origin, machine),
    )
