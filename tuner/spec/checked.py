"""Hold what a file says against the model of it, and say in sentences what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from tuner.spec.errors import InputError
from tuner.spec.parts import BRANCHES, Part, nearest

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
    later: Mapping[str, str] = MappingProxyType({}),
    secret: tuple[str, ...] = (),
) -> _P:
    """Return the part that a mapping describes; raise InputError with one sentence a problem.

    `whole` is what all of it is called; `later` says why keys of later versions are refused. What
    stands at a `secret` place may be a key by mistake: no message repeats it.
    """
    try:
        return model.model_validate(dict(content))
    except ValidationError as invalid:
        # a list whose only values are wrong is not empty as well
        errors = (e for e in invalid.errors() if e["type"] != "too_short" or not e["input"])
        problems = dict.fromkeys(_sentence(e, model, whole, later, secret) for e in errors)
        raise InputError("\n".join(f"{file}: {p}" for p in problems)) from None


def _sentence(
    error: Any, model: type[Part], whole: str, later: Mapping[str, str], secret: tuple[str, ...]
) -> str:
    where = [str(p) for p in error["loc"] if not _is_branch(p)]
    key = ".".join(where) or whole
    if error["type"] == "extra_forbidden":
        if key in later:
            return f"{key}: {later[key]}"
        allowed = _keys_at(where[:-1], model)
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


def _is_branch(part: Any) -> bool:
    """Tell whether a step of pydantic's location names a union's branch, not a key."""
    return part in BRANCHES


def _keys_at(path: list[str], model: Any) -> list[str]:
    """Return the keys that are allowed at a path of the file that `model` describes."""
    is_name = False  # the next step is a name that the user chose, not a key
    for step in path:
        field = _field(model, step) if model and not is_name else None
        is_name = False
        if field:
            annotation = model.model_fields[field].annotation
            model, is_name = _model_in(annotation), _is_mapping(annotation)
    if model is None:
        return []
    return [f.alias or name for name, f in model.model_fields.items()]


def _field(model: Any, key: str) -> str | None:
    return next((n for n, f in model.model_fields.items() if key in (n, f.alias)), None)


def _is_mapping(annotation: Any) -> bool:
    return get_origin(annotation) is dict or any(map(_is_mapping, get_args(annotation)))


def _model_in(annotation: Any) -> Any:
    """Return the pydantic model inside an annotation such as tuple[SloPart, ...]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _model_in(a))), None)
