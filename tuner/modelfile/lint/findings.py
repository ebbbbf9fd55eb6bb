"""The values of the linter: a draft, which its rules look at, and their findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from tuner.modelfile import grammar
from tuner.modelfile.parameters import complaint
from tuner.modelfile.window import served_window
from tuner.spec.model_name import is_gguf_path
from tuner.spec.values import Model

Severity: TypeAlias = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding; an `error` keeps `ollama create` from working, a `note` is worth knowing."""

    line: int
    severity: Severity
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Linted:
    """A Modelfile and its findings, in the order of their lines."""

    file: str
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """Return the number of errors."""
        return sum(f.severity == "error" for f in self.findings)


@dataclass(frozen=True)
class Draft:
    """A Modelfile as written: its instructions with their lines, and what is known of the base.

    `base` is None where FROM names no model that can be read here. `parallel` is the number of
    requests that the server takes at once, `available` its memory in bytes (0: unknown), and
    `bound` says in words what limits that. `present` are the values of FROM, ADAPTER and DRAFT
    that are files or folders here, `bare` the values of FROM that are folders without weights.
    `weights` is the value of FROM that brings the weights.
    """

    instructions: tuple[grammar.Instruction, ...]
    base: Model | None = None
    parallel: int = 1
    available: int = 0
    bound: str = ""
    present: frozenset[str] = frozenset()
    bare: frozenset[str] = frozenset()
    weights: str | None = None

    def all(self, word: str) -> list[grammar.Instruction]:
        """Return the instructions of one word in order."""
        return [i for i in self.instructions if i.word == word]

    def last(self, word: str) -> grammar.Instruction | None:
        """Return the last instruction of a word, which alone counts; None without one."""
        return next(reversed(self.all(word)), None)

    @property
    def stops(self) -> list[grammar.Instruction]:
        """Return all stop texts."""
        return [i for i in self.all("PARAMETER") if i.name == "stop"]

    @property
    def templated(self) -> grammar.Instruction | None:
        """Return the TEMPLATE in force, None where there is none or a blank one."""
        found = self.last("TEMPLATE")
        return found if found and found.value.strip() else None

    @property
    def prompting(self) -> grammar.Instruction | None:
        """Return the TEMPLATE that makes the prompts, None where a RENDERER makes them.

        Source: `server/prompt.go`, renderPrompt.
        """
        return None if self.all("RENDERER") else self.templated

    @property
    def origin(self) -> grammar.Instruction | None:
        """Return the FROM that brings the weights, None without one."""
        bearing = (i for i in self.all("FROM") if i.value == self.weights)
        return next(bearing, self.last("FROM"))

    @property
    def gguf(self) -> str | None:
        """Return the GGUF file that FROM names, None where it names none."""
        origin = self.origin
        return origin.value if origin and is_gguf_path(origin.value) else None

    @cached_property
    def parameters(self) -> dict[str, grammar.Instruction]:
        """Return the parameters in force by name; of several `stop` the last."""
        return {i.name: i for i in self.all("PARAMETER")}

    @property
    def window(self) -> int | None:
        """Return the window that Ollama serves for num_ctx, None where num_ctx is no number."""
        asked = self.number("num_ctx")
        return None if asked is None else served_window(int(asked), self.trained)

    @property
    def trained(self) -> int | None:
        """Return the window in tokens that the base was trained with, None if unknown."""
        return self.base.train_ctx if self.base else None

    def number(self, name: str) -> float | None:
        """Return a parameter as a number, None where it is not set or no number."""
        found = self.parameters.get(name)
        if found is None or complaint(name, found.value):
            return None
        return float(found.value)


Rule: TypeAlias = Callable[[Draft], Iterable[Finding]]


def error(at: grammar.Instruction, rule: str, message: str) -> Finding:
    """Return an error in an instruction."""
    return Finding(at.line, "error", rule, message)


def warn(at: grammar.Instruction, rule: str, message: str) -> Finding:
    """Return a warning about an instruction."""
    return Finding(at.line, "warning", rule, message)


def note(at: grammar.Instruction, rule: str, message: str) -> Finding:
    """Return a note on an instruction."""
    return Finding(at.line, "note", rule, message)
