"""A flag of the installed vLLM, and all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["switch", "integer", "size", "length", "number", "json", "text"]
"""What a value is: `size` may be written 1k (1000) or 1K (1024), `length` also `auto`."""

Takes = Literal["none", "one", "perhaps", "many"]
"""How many values follow: none, one, one or none, one or more."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag as the help tells it.

    `names` are all that it may be called, the negation of a switch among them, `choices` the only
    values it takes (none: any of its kind), `default` the text of its default, `deprecated` what
    the help says of a flag that is on its way out, `config` the class that its JSON becomes.
    """

    name: str
    names: tuple[str, ...]
    kind: Kind
    takes: Takes
    choices: tuple[str, ...] = ()
    default: str | None = None
    deprecated: str | None = None
    config: str | None = None


class Flags:
    """All flags of one installed version, found by name, and the keys of the configs behind them.

    `keys` are those of each class of config, with the class of a value that is a config itself.
    """

    def __init__(
        self,
        version: str,
        flags: tuple[Flag, ...],
        keys: Mapping[str, Mapping[str, str | None]] | None = None,
    ) -> None:
        self.version = version
        self.all = flags
        self.keys = keys or {}
        self._by_name = {name: flag for flag in flags for name in flag.names}

    def get(self, name: str) -> Flag | None:
        """Return the flag with a name, None without one."""
        return self._by_name.get(name)

    def beginning(self, start: str) -> tuple[str, ...]:
        """Return the names that begin so: argparse takes a beginning that fits one for it."""
        return tuple(name for name in self._by_name if name.startswith(start))

    @property
    def names(self) -> tuple[str, ...]:
        """Return every name."""
        return tuple(self._by_name)
