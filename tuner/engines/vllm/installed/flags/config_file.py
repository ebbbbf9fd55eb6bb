"""The file of `--config`, put in place of the flag as words, so that what it says is what is run.

vLLM reads it itself, and leaves out in silence what is written a little differently: the whole
file as `--config=FILE`, `enable_prefix_caching: false` for its underscores, `seed: false`. Source:
`FlexibleArgumentParser.load_config_file` in vllm/utils/argparse_utils.py, version 0.32.0.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuner.engines.vllm.installed.flags.flag import Flags
from tuner.spec.errors import InputError
from tuner.spec.file.reading import read_text
from tuner.spec.file.yaml_reading import parsed_yaml

_NAME = "--config"


def expanded(words: Sequence[str], flags: Flags, folder: Path) -> tuple[list[str], list[str]]:
    """Return words without --config, what its file says first, and notes on what was changed.

    Paths are relative to `folder`. Raises InputError for a file that cannot be read or used.
    """
    rest, files, notes = list[str](), list[str](), list[str]()
    left = iter(words)
    for word in left:
        if word == _NAME:
            files.append(next(left, ""))
        elif word.startswith(f"{_NAME}="):
            files.append(word.removeprefix(f"{_NAME}="))
            notes.append(f"{word}: read here, since vLLM reads a file only after {_NAME} alone")
        else:
            rest.append(word)
    if not files:
        return rest, notes
    if len(files) > 1:
        raise InputError(f"{_NAME} stands {len(files)} times; vLLM reads one file: keep one")
    path = folder / files[0]
    said, more = _words(_read(path), path, flags)
    return said + rest, [*notes, *more]


def _read(path: Path) -> dict[str, Any]:
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(f"{_NAME}: found {str(path)!r}; expected a file named .yaml or .yml")
    try:
        read = parsed_yaml(read_text(path, _NAME), path)
    except FileNotFoundError:
        raise InputError(f"{_NAME}: there is no file {path}") from None
    if not isinstance(read, dict) or not all(isinstance(key, str) for key in read):
        raise InputError(f"{path}: expected flags of vLLM without their dashes, such as port: 8000")
    if "config" in read:
        raise InputError(f"{path}: config: vLLM reads no file from a file; write its flags here")
    return read


def _words(read: dict[str, Any], path: Path, flags: Flags) -> tuple[list[str], list[str]]:
    words, notes = list[str](), list[str]()
    for key, value in read.items():
        if isinstance(value, bool):
            switched = [f"--{key}"] if value else _switched_off(key, path, flags)
            words += switched
            if not value and switched != [f"--no-{key}"]:
                instead = switched[0] if switched else "nothing"
                notes.append(f"{path}: {key}: false is written as {instead}, or vLLM ignores it")
        elif isinstance(value, list):
            words += [f"--{key}", *map(str, value)] if value else []
        else:
            shown = json.dumps(value) if isinstance(value, dict) else str(value)
            words.append(f"--{key}={shown}")
    return words, notes


def _switched_off(key: str, path: Path, flags: Flags) -> list[str]:
    """Return the words for `key: false`, none where the switch is off by itself."""
    dashed = key.replace("_", "-")
    if flags.get(f"--no-{dashed}"):
        return [f"--no-{dashed}"]
    flag = flags.get(f"--{dashed}")
    if flag is None:
        return [f"--{key}"]  # which nobody knows, as its check says
    if flag.takes == "none":
        return []
    raise InputError(f"{path}: {key}: found false, which vLLM leaves out; expected a value")
