"""Start a study from what there is: a Modelfile, a model, a GGUF file, or a running server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tuner.engines import gguf, memory, models
from tuner.engines.llamacpp import engine as llamacpp
from tuner.engines.ollama import store as ollama_store
from tuner.machine.gpus import has_gpu
from tuner.modelfile import document as modelfile
from tuner.modelfile import parameters
from tuner.spec.address import url
from tuner.spec.errors import InputError
from tuner.spec.model_name import is_gguf_path, is_path
from tuner.workflow.modelfiles.named import path_of, weights
from tuner.workflow.start.starter import PROMPTS, Starter, starter
from tuner.workflow.start.starter_space import Machine, Origin

DEFAULT = "default"
FILE = "tune.yaml"


@dataclass(frozen=True, slots=True)
class Started:
    """What `init` did: the study's text, and which files were written or left as they were."""

    study: str
    written: tuple[Path, ...] = ()
    kept: tuple[Path, ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def init(source: str | Origin | None, out: Path | None, *, force: bool = False) -> Started:
    """Write a study into `out` and the files that it names beside it; None writes nothing.

    Prompts that are there already are kept; any other file is replaced only with `force`.
    Raises InputError for what cannot be read, used or written, EngineMissing where the
    packaged model is asked for and not there.
    """
    folder = out.parent if out else Path()
    origin = source if isinstance(source, Origin) else read(source, folder)
    made = starter(origin, machine(), out.name if out else FILE)
    if out is None:
        return Started(made.study, missing=tuple(made.files), notes=made.notes)
    return _write(made, out, force)


def hosted(where: str, model: str) -> Origin:
    """Return what a study of a running server is started from, which is not asked for anything.

    Raises InputError where the URL is none.
    """
    try:
        found = url(where)
    except ValueError as wrong:
        raise InputError(f"--url: {wrong}") from None
    stem = model.rsplit("/", 1)[-1]
    return Origin(str(found), model, stem, engine="openai", url=str(found))


def machine() -> Machine:
    """Return the cores and the memory that an engine started here may use."""
    threads, free = int(llamacpp.KNOBS["num_thread"].default), memory.room()
    return Machine(threads, free.bytes, has_gpu(), free.bound)


# reading
def read(source: str | None, folder: Path) -> Origin:
    """Return what a source tells; the model's path is made relative to `folder` where it can be.

    Raises InputError, EngineMissing.
    """
    if source is None or source == DEFAULT:
        found = _from_gguf(models.default_path(), "the packaged model", folder)
        return replace(found, model=DEFAULT)
    path = Path(source)
    if is_gguf_path(source):
        return _from_gguf(path, source, folder)
    if path.is_file():
        return _from_modelfile(path, folder)
    if path.is_dir() or "modelfile" in path.name.lower():
        raise InputError(_no_source(source, path))
    return _from_ollama(source)


def _from_ollama(name: str) -> Origin:
    """Return what Ollama's folder tells of a model: its facts, and what its Modelfile says."""
    store = ollama_store.folder()
    model = ollama_store.model(name, store)
    values = model.cached_per_token
    return Origin(
        label=name,
        model=name,
        stem=name.rsplit("/", 1)[-1].removesuffix(":latest"),
        weights_bytes=model.weights_bytes or 0,
        kv_bytes=None if values is None else int(values * memory.BYTES_PER_VALUE["f16"]),
        train_ctx=model.train_ctx,
        modelfile=_stored(name, store),
        engine="ollama",
    )


def _stored(name: str, store: Path) -> modelfile.Modelfile:
    """Return the Modelfile that the layers of a model make."""
    return modelfile.Modelfile(
        base=name,
        system=ollama_store.layer(name, store, "system"),
        parameters=tuple(_flat(ollama_store.parameters(name, store))),
        messages=tuple(ollama_store.turns(name, store)),
    )


def _flat(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield parameters as a Modelfile writes them; a list is written once for each value."""
    for name, value in settings.items():
        for one in value if isinstance(value, list) else [value]:
            yield name, parameters.written(name, one)


def _from_gguf(path: Path, label: str, folder: Path) -> Origin:
    facts = gguf.metadata(path)
    return Origin(
        label=label,
        model=_relative(path, folder),
        stem=path.stem,
        weights_bytes=path.stat().st_size,
        kv_bytes=memory.f16_bytes_per_token(facts),
        train_ctx=models.train_ctx(facts),
    )


def _from_modelfile(path: Path, folder: Path) -> Origin:
    """Return what a Modelfile tells; its FROM is relative to itself, as Ollama reads it."""
    if _starts_like_gguf(path):
        raise InputError(f"{path} is a GGUF file by another name: {_link(path)}")
    found = modelfile.load(path)
    base = weights(path, (found.base, *found.layers)) or found.base
    model = path_of(path, base)
    if found.adapters:
        raise InputError(
            f"{path}: ADAPTER {found.adapters[0]}: engine llamacpp does not take adapters yet; "
            "merge it into the GGUF file and take the line out"
        )
    if model is None and not is_path(base):
        return replace(_from_ollama(base), label=str(path), modelfile=found)
    if model is None or not is_gguf_path(base):
        raise InputError(f"{path}: {_no_gguf(base, model)}")
    return replace(_from_gguf(model, str(path), folder), modelfile=found)


def _starts_like_gguf(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == gguf.MAGIC
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the path") from error


def _relative(path: Path, folder: Path) -> str:
    """Return a path as the study writes it: relative where the file lies under its folder.

    Links are kept as they are: the engine knows a GGUF file by its name.
    """
    whole, base = (os.path.normpath(p.absolute()) for p in (path, folder))
    inside = Path(whole).is_relative_to(base)
    return str(Path(whole).relative_to(base)) if inside else whole


def _no_gguf(base: str, model: Path | None) -> str:
    if model is None:
        return f"FROM {base}: no such file; the path is relative to the Modelfile"
    if model.is_dir():
        return (
            f"FROM {base} is a folder: engine vllm, which serves those, is not built yet; convert "
            "it with llama.cpp's convert_hf_to_gguf.py and name the GGUF file in FROM"
        )
    return f"FROM {base} is a file whose name does not end in .gguf: {_link(model)}"


def _no_source(source: str, path: Path) -> str:
    if path.is_dir():
        return f"{source} is a folder; name the Modelfile or the GGUF file in it"
    return f"{source}: no such file; expected a Modelfile, a GGUF file or a model of Ollama"


def _link(path: Path) -> str:
    return f"the engine wants a name that ends in .gguf; link it: ln -s {path} model.gguf"


# writing
def _write(made: Starter, out: Path, force: bool) -> Started:
    beside = {out.parent / name: text for name, text in made.files.items()}
    kept = tuple(p for p, text in beside.items() if _stays(p, text))
    texts = {p: text for p, text in {**beside, out: made.study}.items() if p not in kept}
    _ensure_free(out, beside, texts, force)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8", newline="")
    except (OSError, UnicodeEncodeError) as error:
        raise InputError(f"cannot write {out}: {error}; name another file with --out") from None
    return Started(made.study, tuple(reversed(texts)), kept, notes=made.notes)


def _stays(path: Path, text: str) -> bool:
    """Tell whether a file beside the study is left alone: the user's prompts, or the same text."""
    if not path.is_file():
        return False
    return path.name == PROMPTS or path.read_bytes() == text.encode()


def _ensure_free(out: Path, beside: dict[Path, str], texts: dict[Path, str], force: bool) -> None:
    if out in beside:
        raise InputError(f"{out} is what the study's own {out.name} is called; name another --out")
    if out.is_dir():
        raise InputError(f"{out} is a folder; name a file with --out, such as {out / FILE}")
    for path in reversed(texts):
        if path.exists() and not force:
            raise InputError(
                f"{path} is there already and is not overwritten; name another --out, or "
                "say --force"
            )
