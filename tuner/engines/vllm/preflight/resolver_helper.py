"""Say what vLLM makes of settings, without loading a model.

    PYTHON resolver_helper.py

Runs in the Python that has vLLM, not in that of `tune`: it imports nothing but the standard
library and vLLM. The first line on standard output is a greeting: {"version": TEXT}, or
{"unusable": WHY}. Then each line on standard input is a question, {"words": [...], "env": {...}},
with the arguments of `vllm serve`; a line on standard output answers it:

    {"values": {"scheduler.max_num_seqs": 8, ...}, "hash": TEXT, "notes": [...], "gpu": false}
    {"refused": TEXT, "notes": [...], "gpu": false}

`hash` names what is compiled: starts that share it find what an earlier one compiled
(compilation/backends.py: the hash of the environment and VllmConfig.compute_hash). `notes` are
vLLM's own warnings. `gpu` says that this process holds memory of a GPU.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import enum
import hashlib
import importlib
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn, TextIO

PLACES = {
    "make_arg_parser": ("vllm.entrypoints.launchers.cli_args", "vllm.entrypoints.openai.cli_args"),
    "validate_parsed_serve_args": (
        "vllm.entrypoints.launchers.cli_args",
        "vllm.entrypoints.openai.cli_args",
    ),
    "FlexibleArgumentParser": ("vllm.utils.argparse_utils", "vllm.utils"),
    "AsyncEngineArgs": ("vllm.engine.arg_utils",),
    "UsageContext": ("vllm.usage.usage_lib",),
    "__version__": ("vllm",),
}
"""Where versions of vLLM keep what is needed, the newest first."""

MOST_CHARACTERS = 20_000
"""The longest text that a value may have as JSON: configurations of models can be larger."""


class Refused(Exception):
    """vLLM does not take the settings."""


class Notes(logging.Handler):
    """Keeps the warnings that vLLM logs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.texts.append(record.getMessage())


def main() -> None:
    """Greet, then answer until standard input closes."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what vLLM prints is no answer
    try:
        found = {name: look_up(name) for name in PLACES}
    except Exception as broken:  # noqa: BLE001 - whatever a broken installation raises is worth telling
        tell(answers, unusable=f"{type(broken).__name__}: {broken}")
        return
    tell(answers, version=str(found["__version__"]))
    for line in sys.stdin:
        question = json.loads(line)
        with environment(question["env"]):
            answer, notes = resolve_noting(found, question["words"])
        tell(answers, notes=notes, gpu=holds_gpu(), **answer)


def resolve_noting(
    found: Mapping[str, Any], words: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """Return what vLLM makes of arguments, and what it warned of on the way.

    What it says only once in a process it is made to say again. The first configuration sets up
    logging, and removes who listens: then it is asked once more.
    """
    forget_what_was_said()
    notes, logger = Notes(), logging.getLogger("vllm")
    logger.addHandler(notes)
    answer = resolve(found, words)
    if notes not in logger.handlers:
        return resolve_noting(found, words)
    logger.removeHandler(notes)
    return answer, list(dict.fromkeys(notes.texts))


def forget_what_was_said() -> None:
    """Make vLLM say again what it says only once in a process."""
    import vllm.logger

    for name in ("_print_warning_once", "_print_info_once"):
        clear = getattr(getattr(vllm.logger, name, None), "cache_clear", None)
        if clear is not None:
            clear()


def look_up(name: str) -> Any:
    """Return what vLLM calls `name`, from the newest place that has it."""
    for place in PLACES[name]:
        with contextlib.suppress(ModuleNotFoundError, AttributeError):
            return getattr(importlib.import_module(place), name)
    raise ImportError(f"this vLLM has no {name} in {' or '.join(PLACES[name])}")


def resolve(found: Mapping[str, Any], words: Sequence[str]) -> dict[str, Any]:
    """Return what vLLM makes of arguments."""
    try:
        arguments = parsed(found, words)
        found["validate_parsed_serve_args"](arguments)
        engine = found["AsyncEngineArgs"].from_cli_args(arguments)
        config = engine.create_engine_config(usage_context=found["UsageContext"].OPENAI_API_SERVER)
    except Exception as refused:  # noqa: BLE001 - whatever its libraries raise is a refusal
        return {"refused": f"{type(refused).__name__}: {refused}"}
    return {"values": dict(values(config)), "hash": compiled_as(config)}


def parsed(found: Mapping[str, Any], words: Sequence[str]) -> argparse.Namespace:
    """Return arguments as vLLM parses them; raise Refused."""
    parser = found["make_arg_parser"](found["FlexibleArgumentParser"](prog="vllm serve"))
    parser.error = refuse
    arguments: argparse.Namespace = parser.parse_args(words)
    if arguments.model_tag is not None:
        arguments.model = arguments.model_tag
    return arguments


def refuse(text: str) -> NoReturn:
    """Raise Refused in place of ending the process."""
    raise Refused(text)


def values(config: Any) -> Iterator[tuple[str, Any]]:
    """Yield (section.name, value) of a configuration, as far as JSON can say it."""
    for section in dataclasses.fields(config):
        part = getattr(config, section.name, None)
        if not dataclasses.is_dataclass(part):
            continue
        for field in dataclasses.fields(part):
            held = getattr(part, field.name, None)
            value = plain(held)
            if held is None or value is not None:
                yield f"{section.name.removesuffix('_config')}.{field.name}", value


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it, None where it is too much to tell."""
    if isinstance(value, enum.Enum):
        return value.name.lower()
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple, dict)):
        with contextlib.suppress(TypeError, ValueError):
            if len(json.dumps(value)) < MOST_CHARACTERS:
                return value
        return None
    return str(value) if type(value).__module__ == "torch" else None


def compiled_as(config: Any) -> str:
    """Return a name of what is compiled for a configuration in this environment."""
    import vllm.envs

    factors: Mapping[str, Any] = getattr(vllm.envs, "compile_factors", dict)()
    text = json.dumps(factors, sort_keys=True, default=str) + config.compute_hash()
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def holds_gpu() -> bool:
    """Tell whether this process has a context on a GPU, which takes memory there."""
    torch = sys.modules.get("torch")
    return bool(torch is not None and torch.cuda.is_initialized())


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for a while."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def tell(answers: TextIO, **facts: Any) -> None:
    """Write one line."""
    print(json.dumps(facts, default=str), file=answers, flush=True)


if __name__ == "__main__":
    main()
