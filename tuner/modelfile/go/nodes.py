"""Go's text/template: the nodes of a parsed template.

Source: `text/template/parse/node.go` of Go 1.26, without positions except for lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Constant:
    """A string, number or boolean."""

    value: str | int | float | bool


@dataclass(frozen=True, slots=True)
class Nil:
    """The word nil."""


@dataclass(frozen=True, slots=True)
class Dot:
    """The value that `.` stands for."""


@dataclass(frozen=True, slots=True)
class Field:
    """Fields of dot: `.A.B`."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable, `$` included in its name, and fields of it: `$x.A.B`."""

    name: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """A function's name; its arguments stand after it in its command."""

    name: str


@dataclass(frozen=True, slots=True)
class Pipe:
    """Commands; each gets the value of the one before as its last argument.

    `declared` are the variables that get the value; `assigns` tells whether they exist already.
    """

    commands: tuple[tuple[Operand, ...], ...]
    declared: tuple[str, ...]
    assigns: bool
    line: int


@dataclass(frozen=True, slots=True)
class Chain:
    """Fields of a parenthesised pipeline or of a function's value."""

    start: Operand
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """Text outside of actions."""

    text: str


@dataclass(frozen=True, slots=True)
class Action:
    """A pipeline that is printed, unless it declares or assigns variables."""

    pipe: Pipe


@dataclass(frozen=True, slots=True)
class Branch:
    """An if, with or range; `otherwise` is None where there is no else."""

    word: Literal["if", "with", "range"]
    pipe: Pipe
    body: Nodes
    otherwise: Nodes | None


@dataclass(frozen=True, slots=True)
class Invoke:
    """A template action; `pipe` is None where no value is passed."""

    name: str
    pipe: Pipe | None
    line: int


@dataclass(frozen=True, slots=True)
class Jump:
    """A break or continue."""

    word: Literal["break", "continue"]


Operand: TypeAlias = Constant | Nil | Dot | Field | Variable | Function | Pipe | Chain
Node: TypeAlias = Text | Action | Branch | Invoke | Jump
Nodes: TypeAlias = tuple[Node, ...]
