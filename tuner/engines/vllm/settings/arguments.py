"""Options of vLLM as words of a command line, and as its file holds them.

They are said as the installed vLLM reads them from a file (FlexibleArgumentParser,
vllm/utils/argparse_utils.py), so that the file and the command line say the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from tuner.spec.errors import InputError

FlagValue: TypeAlias = bool | int | float | str | Sequence[Any] | Mapping[str, Any]
"""What an option is set to: true and false are --NAME and --no-NAME, several words follow one
name, and a mapping is written as JSON."""


def arguments(options: Mapping[str, FlagValue]) -> list[str]:
    """Return options as words of a command line, as vLLM makes them from its file."""
    return [word for name, value in options.items() for word in _words(*in_file(name, value))]


def _words(name: str, said: FlagValue) -> Iterator[str]:
    if said is True:
        yield f"--{name}"
    elif isinstance(said, Mapping):
        yield from (f"--{name}", json.dumps(said))
    elif isinstance(said, list):
        yield from (f"--{name}", *map(str, said)) if said else ()
    else:
        yield from (f"--{name}", str(said))


def in_file(name: str, value: FlagValue) -> tuple[str, FlagValue]:
    """Return an option as vLLM's file has to hold it.

    `vllm serve` drops NAME: false unsaid, so that it has to be no-NAME: true. A name with a dot is
    a part of an option and takes JSON; a list holds words, and Python would write a mapping in it
    its own way. Raises InputError for a word that begins with a hyphen, as vLLM takes it for an
    option.
    """
    if "." in name and not isinstance(value, str):
        value = json.dumps(value)
    if value is False:
        return f"no-{name}", True
    if isinstance(value, list | tuple):
        value = [json.dumps(v) if isinstance(v, Mapping | list | tuple) else v for v in value]
    for word in value if isinstance(value, list) else [value]:
        if re.match(r"-(?!\d+$)", str(word)):
            raise InputError(
                f"--{name}: vllm.yaml cannot hold {word!r}: vLLM takes a word that begins with - "
                f"for an option; leave --{name} out, or give a value that begins otherwise"
            )
    return name, value
