"""A vLLM server as it was measured: its options, its environment, and how it is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tuner.engines.vllm.settings.arguments import FlagValue, arguments

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
