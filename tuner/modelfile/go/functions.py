"""Go's text/template: how values print, and the functions that a template can call.

Source: `text/template/funcs.go` and `fmt/print.go` of Go 1.26, and the functions that
`template/template.go` of Ollama 0.11.4 adds, with `yesterdayDate` of 0.33.3.
html, js, urlquery and call are known but cannot be run: no prompt needs them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeAlias

from tuner.modelfile.go.literals import shown_float, to_bytes, to_json, to_text
from tuner.spec.values import Message

Value: TypeAlias = bool | int | float | str | Message | tuple[Any, ...] | dict[str, Any] | None
"""None is Go's nil and its invalid value; a Message is a pointer to one; a tuple is a slice."""


class ExecutionError(Exception):
    """Go's error while a template runs; `execute` makes an InputError with the line of it."""


class Tools(tuple[()]):
    """The tools of a request that has none: an empty slice that prints as JSON."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Callee:
    """A function and the number of its arguments; `most` is None where there is no limit."""

    run: Callable[..., Value]
    least: int
    most: int | None


def message_fields(message: Message) -> dict[str, Value]:
    """Return the fields of Ollama's api.Message in order."""
    return {
        "Role": message.role,
        "Content": message.content,
        "Thinking": "",
        "Images": (),
        "ToolCalls": (),
        "ToolName": "",
    }


def shown(value: Value, nil: str = "<nil>") -> str:
    """Return a value as Go's %v writes it; `nil` is the text for nil."""
    match value:
        case None:
            return nil
        case bool():
            return str(value).lower()
        case float():
            return shown_float(value)
        case Message():
            return "{" + " ".join(shown(field) for field in message_fields(value).values()) + "}"
        case Tools():
            return "null"
        case tuple() if value:
            raise ExecutionError("a list of messages prints as memory addresses, not as text")
        case tuple():
            return "[]"
        case dict():
            return "map[" + " ".join(f"{k}:{shown(value[k])}" for k in sorted(value)) + "]"
    return str(value)


def type_name(value: Value) -> str:
    """Return the name of a value's type in Go."""
    if isinstance(value, Message):
        return "*api.Message"
    names = {bool: "bool", int: "int", float: "float64", str: "string", dict: "map", tuple: "slice"}
    return names.get(type(value), "<nil>" if value is None else "slice")


def _kind(value: Value) -> type | None:
    """Return the kind by which Go compares a basic value, None for any other value."""
    return type(value) if isinstance(value, bool | int | float | str) else None


def _unequal(one: Value, other: Value) -> NoReturn:
    raise ExecutionError(f"{type_name(one)} and {type_name(other)} cannot be compared")


def _same(one: Value, other: Value) -> bool:
    if _kind(one) is not _kind(other):
        if one is not None and other is not None:
            _unequal(one, other)
        return False
    if _kind(one) is not None:
        return one == other
    nils = [value is None or value == () for value in (one, other)]
    like = isinstance(one, Message) == isinstance(other, Message)
    if any(nils) and (like or None in (one, other)):
        return all(nils)
    if not (like and isinstance(one, Message)):
        _unequal(one, other)
    return one is other


def _eq(first: Value, *others: Value) -> bool:
    if not others:
        raise ExecutionError("eq has nothing to compare with")
    return any(_same(first, other) for other in others)


def _less(one: Any, other: Any) -> bool:
    if _kind(one) in (None, bool) or _kind(one) is not _kind(other):
        _unequal(one, other)
    return to_bytes(one) < to_bytes(other) if isinstance(one, str) else bool(one < other)


def _less_or_equal(one: Value, other: Value) -> bool:
    return _less(one, other) or _same(one, other)


def _sized(value: Value, what: str) -> bytes | tuple[Any, ...]:
    """Return the bytes of a string, and a slice unchanged."""
    if isinstance(value, str):
        return to_bytes(value)
    if isinstance(value, tuple):
        return value
    raise ExecutionError(f"{what} takes no {type_name(value)}")


def _len(value: Value) -> int:
    return len(value) if isinstance(value, dict) else len(_sized(value, "len"))


def _position(value: Value, most: int) -> int:
    if _kind(value) is not int or not isinstance(value, int):
        raise ExecutionError(f"{shown(value)} is no index: it has to be a whole number")
    if not 0 <= value <= most:
        raise ExecutionError(f"the index {value} is out of range: there are {most} elements")
    return value


def _index(item: Value, *places: Value) -> Value:
    if item is None:
        raise ExecutionError("index takes no nil")
    for place in places:
        if isinstance(item, dict):
            if not isinstance(place, str):
                raise ExecutionError(f"{shown(place)} is no key: it has to be a string")
            item = item.get(place)
        else:
            elements = _sized(item, "index")
            item = elements[_position(place, len(elements) - 1)]
    return item


def _slice(item: Value, *places: Value) -> Value:
    elements = _sized(item, "slice")
    if len(places) > (2 if isinstance(elements, bytes) else 3):
        raise ExecutionError("slice has too many indexes")
    at = [_position(place, len(elements)) for place in places]
    bounds = [*at, *[0, len(elements)][len(at) :]]
    if bounds != sorted(bounds):
        raise ExecutionError(f"slice has its indexes in the wrong order: {bounds}")
    if not elements:  # of the same type, which tells how it prints
        return item
    part = elements[bounds[0] : bounds[1]]
    return to_text(part) if isinstance(part, bytes) else part


def _operand(value: Value) -> str:
    """Return an argument as print writes it: a pointer as such, unlike in an action."""
    return "&" + shown(value) if isinstance(value, Message) else shown(value)


def _print(*values: Value) -> str:
    text = ""
    for number, value in enumerate(values):
        strings = isinstance(value, str) or isinstance(values[number - 1], str)
        text += ("" if strings or not number else " ") + _operand(value)
    return text


def _println(*values: Value) -> str:
    return " ".join(map(_operand, values)) + "\n"


def _printf(template: Value, *values: Value) -> str:
    if not isinstance(template, str):
        raise ExecutionError(f"printf takes a string first, not {type_name(template)}")
    rest = iter(values)
    text = re.sub(r"%(.|\n|\Z)", lambda match: _formatted(match[1], rest), template)
    extra = ", ".join(_typed(value) for value in rest)
    return f"{text}%!(EXTRA {extra})" if extra else text


def _formatted(verb: str, rest: Iterator[Value]) -> str:
    """Return the next value as a verb writes it, or Go's text for a value of the wrong kind."""
    if verb == "%":
        return "%"
    if not verb:
        return "%!(NOVERB)"
    if verb not in "vsdqt":
        raise ExecutionError(f"printf's %{verb} is not supported here, only %v, %s, %d, %q and %t")
    for value in rest:
        fits = {"v": True, "s": str, "q": str, "d": int, "t": bool}[verb]
        if verb != "v" and type(value) is not fits:
            return _misfit(verb, value)
        return _quoted(value) if verb == "q" else _operand(value)
    return f"%!{verb}(MISSING)"


def _misfit(verb: str, value: Value) -> str:
    if isinstance(value, Message | tuple | dict) or verb == "q":
        raise ExecutionError(f"printf's %{verb} of a {type_name(value)} is not supported here")
    return f"%!{verb}({_typed(value)})"


def _typed(value: Value) -> str:
    return "<nil>" if value is None else f"{type_name(value)}={_operand(value)}"


def _quoted(value: Any) -> str:
    """Return a string in Go's quotes, of which only the escapes of JSON are needed here."""
    if not all(c.isprintable() or c in "\n\t\r" for c in value):
        raise ExecutionError("printf's %q of unprintable characters is not supported here")
    names = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
    return '"' + "".join(names.get(c, c) for c in value) + '"'


def _json(value: Value) -> str:
    return to_json(_plain(value))


def _plain(value: Any) -> Any:
    """Return a value as Go's json.Marshal sees it; an empty slice is null, as nil is."""
    match value:
        case Message():
            return {"role": value.role, "content": value.content}
        case tuple():
            return [_plain(element) for element in value] or None
        case dict():
            return {key: _plain(value[key]) for key in sorted(value)}
        case float() if value.is_integer():
            return int(value)
    return value


def _day(back: int) -> Callable[..., str]:
    """Return a function that writes a date; it ignores its arguments, which are strings."""

    def run(*formats: Value) -> str:
        if not all(isinstance(given, str) for given in formats):
            raise ExecutionError("a date's format has to be a string")
        return (date.today() - timedelta(days=back)).isoformat()

    return run


def _left_out(*_: Value) -> NoReturn:
    raise ExecutionError("html, js, urlquery and call are not supported here")


BUILTINS: Final[Mapping[str, Callee]] = MappingProxyType(
    {
        "and": Callee(_left_out, 1, None),  # these two decide what is evaluated: see go.execute
        "or": Callee(_left_out, 1, None),
        "not": Callee(lambda value: not value, 1, 1),
        "eq": Callee(_eq, 1, None),
        "ne": Callee(lambda one, other: not _same(one, other), 2, 2),
        "lt": Callee(_less, 2, 2),
        "le": Callee(_less_or_equal, 2, 2),
        "gt": Callee(lambda one, other: not _less_or_equal(one, other), 2, 2),
        "ge": Callee(lambda one, other: not _less(one, other), 2, 2),
        "len": Callee(_len, 1, 1),
        "index": Callee(_index, 1, None),
        "slice": Callee(_slice, 1, None),
        "print": Callee(_print, 0, None),
        "printf": Callee(_printf, 1, None),
        "println": Callee(_println, 0, None),
        **{name: Callee(_left_out, 0, None) for name in ("html", "js", "urlquery", "call")},
    }
)
OLLAMA: Final[Mapping[str, Callee]] = MappingProxyType(
    {
        **BUILTINS,
        "json": Callee(_json, 1, 1),
        "currentDate": Callee(_day(0), 0, None),
        "yesterdayDate": Callee(_day(1), 0, None),
        "toTypeScriptType": Callee(lambda _: "any", 1, 1),  # of a tool's property, else any
    }
)
