"""Hold what a file says against the model of it, and say in sentences what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError

from tuner.spec.errors import InputError
from tuner.spec.file.parts import Part, is_branch, nearest

_P = TypeVar("_P", bound=Part)

_WORDS = {
    "tuple_type": "expected a list",
    "dict_type": "expected a mapping",
    "model_type": "expected a mapping",
    "string_type": "expected text",
    "bool_type": "expected true or false",
    "finite_number": "expected a finite number",
    "too_short": "empty; expected at least one value",
}
"""pydantic's error types, in the words of a YAML file."""


def validated(
    model: type[_P],
    content: Mapping[Any, Any],
    file: str,
    *,
    whole: str = "the file",
    refused: Mapping[str, str] = MappingProxyType({}),
    secret: tuple[str, ...] = (),
) -> _P:
    """Return the part that a mapping describes; raise InputError with one sentence a problem.

    `whole` is what all of it is called; `refused` says of keys that belong elsewhere why they are
    refused. What stands at a `secret` place may be a key by mistake: no message repeats it.
    """
    try:
        return model.model_validate(dict(content))
    except ValidationError as invalid:
        # a list whose only values are wrong is not empty as well
        errors = (e for e in invalid.errors() if e["type"] != "too_short" or not e["input"])
        problems = dict.fromkeys(_sentence(e, model, whole, refused, secret) for e in errors)
        raise InputError("\n".join(f"{file}: {p}" for p in problems)) from None


def _sentence(
    error: Any, model: type[Part], whole: str, refused: Mapping[str, str], secret: tuple[str, ...]
) -> str:
    where = [str(p) for p in error["loc"] if not is_branch(p)]
    key = ".".join(where) or whole
    if error["type"] == "extra_forbidden":
        if key in refused:
            return f"{key}: {refused[key]}"
        allowed = _keys_at(error["loc"][:-1], model)
        return (
            f"{key}: unknown key {where[-1]!r}; allowed here: {', '.join(allowed)}"
            f"{nearest(where[-1], allowed)}"
        )
    if error["type"] == "missing":
        return f"{key}: missing; it is required"
    said = error["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    text = _WORDS.get(error["type"], said)
    unshown = isinstance(error["input"], Mapping) or key.startswith(secret)
    found = "" if unshown else f", found {error['input']!r}"
    return f"{key}: {text[0].lower() + text[1:]}{found}"


def _keys_at(steps: Sequence[Any], model: Any) -> list[str]:
    """Return the keys that are allowed where pydantic's steps lead in what `model` describes."""
    annotation, is_name = model, False  # a name is one that the user chose, not a key
    for step in steps:
        if is_branch(step):
            annotation = _branch_of(annotation, step)
            continue
        found = _model_in(annotation)
        field = None if found is None or is_name else _field(found, str(step))
        is_name = False
        if field:
            annotation = found.model_fields[field].annotation
            is_name = _is_mapping(annotation)
    found = _model_in(annotation)
    return [] if found is None else [f.alias or n for n, f in found.model_fields.items()]


def _branch_of(annotation: Any, step: str) -> Any:
    """Return the branch of a union that has a tag, the whole where none has it."""
    for part in get_args(annotation):
        if any(isinstance(m, Tag) and m.tag == step for m in get_args(part)[1:]):
            return part
        if (inside := _branch_of(part, step)) is not part:
            return inside
    return annotation


def _field(model: Any, key: str) -> str | None:
    return next((n for n, f in model.model_fields.items() if key in (n, f.alias)), None)


def _is_mapping(annotation: Any) -> bool:
    return get_origin(annotation) is dict or any(map(_is_mapping, get_args(annotation)))


def _model_in(annotation: Any) -> Any:
    """Return the pydantic model inside an annotation such as tuple[SloPart, ...]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _model_in(a))), None)
