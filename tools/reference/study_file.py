"""The page of the study file, from its JSON Schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tools.reference.markdown import code, table
from tools.reference.markdown import page as written
from tuner.spec.file.schema import study_schema

_INTRODUCTION = """\
A study is a YAML file. Unknown keys are refused, with the nearest right name. Paths count from the
study file. `tune study check FILE` checks one, `tune study schema` prints the JSON Schema that this
page is made from. A duration is a number of seconds, or a number with `s`, `m` or `h`: `90s`,
`10m`, `1.5h`.

`workload.prompts` names a file of JSON lines: see
[prompts and expected answers](../how-to/prompts.md)."""

_BY_EXAMPLE = {"90s": "duration", "4GiB": "size", 2: "number, or list such as 2-3"}
"""How what is written in a way of its own is called, by the first of its examples."""


def page() -> str:
    """Return the page."""
    schema = study_schema()
    sections = (_section(path, part, schema) for path, part in _parts("", schema, schema))
    return written("Study file", _INTRODUCTION, *dict.fromkeys(sections))


def _parts(path: str, part: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Any]:
    """Yield each mapping of the file with its path, the outer ones first."""
    yield path, part
    for key, described in part["properties"].items():
        for step, inner in _mappings(described, schema):
            yield from _parts(f"{path}.{key}{step}".lstrip("."), inner, schema)


def _mappings(described: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the mappings that a value may hold, each with the step from its key to it."""
    if reference := described.get("$ref"):
        inner = schema["$defs"][reference.rpartition("/")[2]]
        if "properties" in inner:
            yield "", inner
    for branch in (*described.get("anyOf", ()), *described.get("oneOf", ())):
        yield from _mappings(branch, schema)
    for key, step in (("items", "[]"), ("additionalProperties", ".NAME")):
        if isinstance(inside := described.get(key), Mapping):
            yield from ((step + more, inner) for more, inner in _mappings(inside, schema))


def _section(path: str, part: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    required = part.get("required", ())
    rows = [
        (code(key), _type(d), _default(d, key in required), d.get("description", ""))
        for key, d in part["properties"].items()
    ]
    head = f"## `{path}`{_of_kind(part)}" if path else "## The whole file"
    text = part.get("description", "")
    return f"{head}\n\n{text}\n\n{table(('key', 'value', 'default', 'meaning'), rows)}"


def _of_kind(part: Mapping[str, Any]) -> str:
    """Return which kind of engine a section belongs to, "" for one that belongs to all."""
    kind = part["properties"].get("kind", {}).get("const")
    return f" of kind `{kind}`" if kind else ""


def _default(described: Mapping[str, Any], required: bool) -> str:
    default = described.get("default")
    if required:
        return "required"
    if default in (None, []) or isinstance(default, dict):
        return ""
    return f"{default:g} s" if _called(described) == "duration" else code(default)


def _type(described: Mapping[str, Any]) -> str:
    """Return what a value may be, in words."""
    if called := _called(described):
        return called
    if "enum" in described or "const" in described:
        return ", ".join(map(code, described.get("enum", [described.get("const")])))
    for key in ("anyOf", "oneOf"):
        if key in described:
            kinds = dict.fromkeys(_type(branch) for branch in described[key])
            return _any(k for k in kinds if k != "null")
    if described.get("$ref"):
        return "mapping"
    return _plain(described)


def _called(described: Mapping[str, Any]) -> str | None:
    """Return how a value that is written in a way of its own is called, None for others."""
    examples = described.get("examples")
    return _BY_EXAMPLE[examples[0]] if examples else None


def _any(kinds: Iterable[str]) -> str:
    """Return one kind or another; text, numbers and booleans together are a value."""
    found = list(kinds)
    names = set(_NAMES.values())
    return "value" if set(found) == names else " or ".join(found)


_NAMES = {
    "boolean": "`true`, `false`",
    "integer": "whole number",
    "number": "number",
    "string": "text",
}


def _plain(described: Mapping[str, Any]) -> str:
    kind = str(described.get("type", "any value"))
    if kind == "array":
        inside = _type(described.get("items", {}))
        return {"mapping": "list of mappings", "value": "list of values"}.get(
            inside, f"list of {inside}"
        )
    if kind == "object":
        return "mapping"
    return _NAMES.get(kind, kind) + _bounds(described)


def _bounds(described: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {described[key]:g}" for key, sign in signs.items() if key in described]
    return f" ({', '.join(found)})" if found else ""
