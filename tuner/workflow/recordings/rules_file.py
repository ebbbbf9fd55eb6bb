"""The YAML file of rules: what is redacted, which kinds there are, what names a conversation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StrictStr, model_validator

from tuner.spec.errors import InputError
from tuner.spec.file.checked import validated
from tuner.spec.file.parts import Part, Word, nearest
from tuner.spec.file.reading import read_text, regex_problem
from tuner.spec.file.yaml_reading import parsed_yaml
from tuner.workflow.recordings.kinds import KindRule
from tuner.workflow.recordings.paths import Path as Steps
from tuner.workflow.recordings.paths import parsed
from tuner.workflow.recordings.patterns import SHIPPED, Pattern
from tuner.workflow.recordings.redaction import NAMES, Redaction, Rule, shipped

LEAVABLE = (*SHIPPED, NAMES)


def _regex(text: str) -> str:
    if problem := regex_problem(text):
        raise ValueError(problem)
    if re.search(text, "") is not None:
        raise ValueError("expected a pattern that does not match an empty text")
    return text


def _path(text: str) -> str:
    parsed(text)
    return text


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _leavable(name: str) -> str:
    if name not in LEAVABLE:
        raise ValueError(f"expected shipped rules: {', '.join(LEAVABLE)}{nearest(name, LEAVABLE)}")
    return name


Regex = Annotated[StrictStr, AfterValidator(_regex)]
Place = Annotated[StrictStr, AfterValidator(_path)]
Leavable = Annotated[StrictStr, AfterValidator(_leavable)]
Name = Annotated[StrictStr, Field(pattern=r"^[A-Za-z][A-Za-z0-9 _.-]{0,63}$")]


class PatternPart(Part):
    """A named pattern, and what is put in place of what it finds."""

    match: Regex
    by: StrictStr | None = None


class RedactPart(Part):
    """What is redacted beside what the shipped rules find, and which of these are left out."""

    patterns: dict[Name, PatternPart] = Field({})
    drop: tuple[Place, ...] = ()
    replace: dict[Place, StrictStr] = Field({})
    leave: tuple[Leavable, ...] = ()


class KindPart(Part):
    """What makes a request one of a kind: a pattern in its text, or a value at a path, or both."""

    match: Regex | None = None
    at: Place | None = None
    is_: Annotated[tuple[Word, ...], BeforeValidator(_listed)] = Field((), alias="is")

    @model_validator(mode="after")
    def _asks(self) -> KindPart:
        if self.match is None and self.at is None:
            raise ValueError("expected match, or at with is, or both")
        if (self.at is None) != (not self.is_):
            raise ValueError("expected at and is together: a path, and what stands there")
        return self


class RulesPart(Part):
    """The file of rules."""

    redact: RedactPart = RedactPart()
    kinds: dict[Name, KindPart] = Field({})
    conversation: Place | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """How a recording is read: what is taken out, its kinds, where a conversation has its name."""

    redaction: Redaction
    kinds: tuple[KindRule, ...] = ()
    conversation: Steps | None = None


def shipped_rules() -> Rules:
    """Return the rules that hold where no file names others."""
    return Rules(Redaction(shipped()))


def read_rules(path: Path) -> Rules:
    """Return the rules of a file; raise InputError with file and field for what is wrong."""
    try:
        content = parsed_yaml(read_text(path, "--rules"), path)
    except FileNotFoundError:
        raise InputError(f"--rules: no such file: {path}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a mapping with redact, kinds and conversation")
    return _rules(validated(RulesPart, content, str(path)))


def _rules(part: RulesPart) -> Rules:
    redact = part.redact
    own = tuple(
        Rule(name, _pattern(given.match), f"<{name}>" if given.by is None else given.by)
        for name, given in redact.patterns.items()
    )
    left = frozenset(redact.leave)
    redaction = Redaction(
        shipped(left),
        own,
        tuple(map(parsed, redact.drop)),
        tuple((parsed(path), by) for path, by in redact.replace.items()),
        NAMES not in left,
    )
    conversation = None if part.conversation is None else parsed(part.conversation)
    return Rules(redaction, _kinds(part.kinds), conversation)


def _kinds(parts: Mapping[str, KindPart]) -> tuple[KindRule, ...]:
    return tuple(
        KindRule(
            name,
            None if given.match is None else re.compile(given.match, re.IGNORECASE),
            None if given.at is None else parsed(given.at),
            given.is_,
        )
        for name, given in parts.items()
    )


def _pattern(match: str) -> Pattern:
    compiled = re.compile(match)
    return lambda text: (found.span() for found in compiled.finditer(text))
