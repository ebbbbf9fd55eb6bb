"""The lines of prompts.jsonl and shots.jsonl as they are written; unknown keys are refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StrictBool, model_validator

from tuner.spec.errors import InputError
from tuner.spec.file.checked import validated
from tuner.spec.file.parts import Number, Part
from tuner.spec.requests import expect
from tuner.spec.requests.workload import CountedBy, Shot, Template
from tuner.spec.values import Message, Role


def _name(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise ValueError("expected text or a whole number")
    return str(value)


def _said(value: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        raise ValueError("the text is empty; expected what is to be sent")
    return value


def _answer(value: Any) -> str:
    """Return the text of an answer, which may be written as JSON."""
    if value is None:
        raise ValueError("expected text, or JSON that becomes the text")
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _tokens(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
        raise ValueError("expected a whole number of tokens, 1 or more")
    return value


Tokens = Annotated[int, BeforeValidator(_tokens)]
Name = Annotated[str, BeforeValidator(_name)]
Said = Annotated[str, BeforeValidator(_said)]


class MessagePart(Part):
    """One turn of a conversation."""

    role: Role
    content: str


class LinePart(Part):
    """One line of prompts.jsonl."""

    template: Said = ""
    messages: tuple[MessagePart, ...] = ()
    expect: Any = None
    kind: str = "any"
    weight: Annotated[Number, Field(gt=0)] = 1
    held_out: StrictBool = False
    id: Name = ""
    at_s: Number | None = None
    output_tokens: Tokens | None = None
    prompt_tokens: Tokens | None = None
    counted_by: CountedBy | None = None

    @model_validator(mode="after")
    def _conversation(self) -> LinePart:
        given = self.model_fields_set
        if ("template" in given) == ("messages" in given):
            raise ValueError("expected an object with either template or messages")
        if "messages" in given and (not self.messages or self.messages[-1].role != "user"):
            raise ValueError("messages: the last message must be the user's")
        return self


class ShotPart(Part):
    """One line of shots.jsonl."""

    id: Name
    user: Said
    assistant: Annotated[str, BeforeValidator(_answer)]


def template_of(line: Any, place: str, schema: Mapping[str, Any] | None) -> Template:
    """Return the template of a line; raise InputError, with place and key, for what is wrong."""
    part = validated(LinePart, _object(line, place), place, whole="the line")
    if part.expect is not None and (wrong := expect.problem(part.expect, schema)):
        raise InputError(f"{place}: {wrong}")
    messages = tuple(Message(m.role, m.content) for m in part.messages)
    return Template(
        id=part.id or place.rsplit("/", 1)[-1],
        messages=messages or (Message("user", part.template),),
        expect=part.expect,
        kind=part.kind,
        weight=float(part.weight),
        held_out=part.held_out,
        at_s=None if part.at_s is None else float(part.at_s),
        output_tokens=part.output_tokens,
        prompt_tokens=part.prompt_tokens,
        counted_by=part.counted_by,
    )


def shot_of(line: Any, place: str) -> Shot:
    """Return the shot of a line; raise InputError, with place and key, for what is wrong."""
    part = validated(ShotPart, _object(line, place), place, whole="the line")
    return Shot(part.id, part.user, part.assistant)


def _object(line: Any, place: str) -> Mapping[str, Any]:
    if isinstance(line, list):
        raise InputError(f"{place}: found an array; expected one object a line, without [ ] around")
    if not isinstance(line, dict):
        raise InputError(f"{place}: expected one object a line, found {line!r}")
    return line
