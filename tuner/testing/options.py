"""Options of test servers: a field of a dataclass is a command-line option."""

from __future__ import annotations

import argparse
from dataclasses import field, fields
from typing import Any, TypeVar

T = TypeVar("T")


def option(default: T, text: str, **how: Any) -> T:
    """Declare a field; `text` is its help, `how` is for argparse where the type is not enough."""
    declared: T = field(default=default, metadata={"help": text, "how": how})
    return declared


def add_options(parser: argparse.ArgumentParser, options: type) -> None:
    """Give the parser an option for each field of a dataclass."""
    for known in fields(options):
        default = known.default
        how: dict[str, Any] = {"type": type(default), "default": default}
        if default is False:
            how = {"action": "store_true"}
        elif isinstance(default, tuple):
            how = {"default": list(default)}
        flag = "--" + known.name.replace("_", "-")
        parser.add_argument(flag, help=known.metadata["help"], **how, **known.metadata["how"])
