"""A vLLM server as it was measured: its options, its environment, and how it is started.

Options are said as the installed vLLM reads them from a file (FlexibleArgumentParser,
vllm/utils/argparse_utils.py), so that the file and the command line say the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tuner.spec.errors import InputError

FlagValue: TypeAlias = bool | int | float | str | Sequence[Any] | Mapping[str, Any]
"""What an option is set to: true and false are --NAME and --no-NAME, several words follow one
name, and a mapping is written as JSON."""

SERVE = ("vllm", "serve")
"""The program in vLLM's images."""


@dataclass(frozen=True, slots=True)
class Service:
    """A server as it was measured, with what there is to know for who starts it elsewhere.

    `program` is `vllm serve`, or a Python with `-m` and the module. `flags` have long names of
    options without the hyphens before them; `words` is what of the command line no name can hold,
    such as an option that is there twice. `secrets` are variables that the user's environment
    holds and no file may; `mounts` the files and folders of this machine that options name.
    `start_s` is how long a start took, `memory_bytes` the most that it held in the machine's
    memory, both None where nobody measured it; `image` None means vLLM's own.
    """

    program: tuple[str, ...]
    version: str
    model: str
    flags: Mapping[str, FlagValue] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    start_s: float | None = None
    memory_bytes: int | None = None
    gpus: int = 0
    image: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000

    def options(self) -> dict[str, FlagValue]:
        """Return what the file of options holds: all but the words that have no name."""
        return {"model": self.model, **self.flags, "host": self.host, "port": self.port}

    def command(self, program: tuple[str, ...] | None = None, host: str | None = None) -> list[str]:
        """Return the words that start it, by another program or on another host where told.

        `vllm serve` takes the model as its first word, the module only as an option.
        """
        start = self.program if program is None else program
        positional = start[-1:] == SERVE[-1:]
        options = self.options() | {"host": self.host if host is None else host}
        named = {n: v for n, v in options.items() if not (positional and n == "model")}
        first = (self.model,) if positional else ()
        return [*start, *first, *arguments(named), *self.words]


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
