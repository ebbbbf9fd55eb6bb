"""The files that a study's workload names, read into values: prompts, slots, schema, shots."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tuner.spec.errors import InputError
from tuner.spec.identity import workload_digest
from tuner.spec.parts import nearest
from tuner.spec.study_file import DynamicPart, WorkloadPart, check_dynamic
from tuner.spec.values import Load, Message
from tuner.spec.workload import Shot, ShotRule, Template, Workload, fill


def read_workload(part: WorkloadPart, folder: Path, file: str) -> Workload:
    """Return the workload with all that it names; raise InputError with what to mend."""
    reader = _Reader(folder, file)
    slots = reader.slots(part.slots)
    shots = reader.shots(part.prompt.shots)
    rules, default = reader.dynamic(part.prompt.dynamic, shots)
    load, templates = _arriving(part, reader.templates(part.prompts, slots), folder)
    workload = Workload(
        templates=templates,
        slots=slots,
        schema=reader.schema(part.schema_),
        systems={
            k: reader.text(v, f"workload.prompt.system.{k}").strip()
            for k, v in part.prompt.system.items()
        },
        shots=shots,
        rules=rules,
        default_shots=default,
        load=load,
    )
    return replace(workload, hash=workload_digest(workload))


def _arriving(
    part: WorkloadPart, templates: tuple[Template, ...], folder: Path
) -> tuple[Load, tuple[Template, ...]]:
    """Return the load, and the templates with the times at which a recording is replayed.

    A recording is replayed at its own rate, or stretched evenly to the one that is asked for.
    """
    given = part.load
    load = Load(
        given.concurrency, given.rate, given.arrivals, given.timeout,
        given.burstiness or 1.0, given.client_processes,
    )  # fmt: skip
    if given.arrivals != "trace":
        return load, templates
    times = [t.at_s for t in templates if t.at_s is not None]
    if len(times) < max(2, len(templates)) or times != sorted(times) or times[0] == times[-1]:
        raise InputError(
            f"{folder / part.prompts}: arrivals: trace replays a recording: every line needs at_s, "
            "in seconds, and they must grow from line to line"
        )
    own = (len(times) - 1) / (times[-1] - times[0])
    rate = given.rate or own
    replayed = zip(templates, times, strict=True)
    return replace(load, rate=rate), tuple(replace(t, at_s=at * own / rate) for t, at in replayed)


class _Reader:
    """Reads the files that a study names, relative to its folder."""

    def __init__(self, folder: Path, file: str) -> None:
        self._folder, self._file = folder, file

    def text(self, name: str, key: str) -> str:
        path = self._folder / name
        try:
            content = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise InputError(f"{self._file}: {key}: no such file: {path}") from None
        except (OSError, UnicodeDecodeError) as unreadable:
            raise InputError(f"{self._file}: {key}: {path} cannot be read ({unreadable})") from None
        return content

    def lines(self, name: str, key: str) -> list[tuple[str, Any]]:
        """Return (place, decoded line) of a JSON-lines file."""
        found = []
        for number, line in enumerate(self.text(name, key).split("\n"), start=1):
            place = f"{self._folder / name}:{number}"
            if line.strip():
                found.append((place, _json(line, place)))
        if not found:
            raise InputError(f"{self._folder / name}: empty; expected one JSON object a line")
        return found

    def templates(self, name: str, slots: Mapping[str, Any]) -> tuple[Template, ...]:
        templates = tuple(
            _template(line, place) for place, line in self.lines(name, "workload.prompts")
        )
        for template, (place, _) in zip(
            templates, self.lines(name, "workload.prompts"), strict=True
        ):
            if missing := sorted(template.slots - slots.keys()):
                raise InputError(
                    f"{place}: unknown slot {missing[0]!r}; the slots file has: "
                    f"{', '.join(sorted(slots)) or 'none'}{nearest(missing[0], slots)}"
                )
            _ensure_fillable(template, slots, place)
        return templates

    def slots(self, name: str | None) -> dict[str, tuple[Any, ...]]:
        if name is None:
            return {}
        content = parsed_yaml(self.text(name, "workload.slots"), self._folder / name)
        if not isinstance(content, dict) or not all(
            isinstance(k, str) and isinstance(v, list) and v for k, v in content.items()
        ):
            raise InputError(
                f"{self._folder / name}: expected slot names with non-empty lists of values"
            )
        return {k: tuple(v) for k, v in content.items()}

    def schema(self, name: str | None) -> Mapping[str, Any] | None:
        if name is None:
            return None
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError

        schema = _json(self.text(name, "workload.schema"), str(self._folder / name))
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as broken:
            at = "/".join(str(p) for p in broken.path) or "its top level"
            raise InputError(
                f"{self._folder / name}: not a JSON Schema: {broken.message} (at {at})"
            ) from None
        return schema  # type: ignore[no-any-return]

    def shots(self, name: str | None) -> tuple[Shot, ...]:
        if name is None:
            return ()
        return tuple(
            _shot(line, place) for place, line in self.lines(name, "workload.prompt.shots")
        )

    def dynamic(
        self, part: str | DynamicPart | None, shots: tuple[Shot, ...]
    ) -> tuple[tuple[ShotRule, ...], tuple[str, ...]]:
        if part is None:
            return (), ()
        key = "workload.prompt.dynamic"
        if isinstance(part, str):
            path = self._folder / part
            part = check_dynamic(parsed_yaml(self.text(part, key), path), str(path))
        known = {s.id for s in shots}
        rules = tuple(ShotRule(r.match, r.shots) for r in part.rules)
        for name in (*part.default, *(s for r in rules for s in r.shots)):
            if name not in known:
                raise InputError(
                    f"{self._file}: {key}: unknown shot {name!r}{nearest(name, known)}"
                )
        for rule in rules:
            _regex(rule.match, f"{self._file}: {key}")
        return rules, part.default


def _ensure_fillable(template: Template, slots: Mapping[str, Any], place: str) -> None:
    """Raise InputError for a slot with a format that its values do not take, as {id:d}."""
    try:
        fill(template, slots, np.random.default_rng(0), place)
    except (ValueError, TypeError) as wrong:
        raise InputError(
            f"{place}: a slot's format does not fit its values ({wrong}); write the name alone"
        ) from None


def _regex(pattern: str, where: str) -> None:
    try:
        re.compile(pattern)
    except re.error as broken:
        raise InputError(f"{where}: {pattern!r} is not a regular expression ({broken})") from None


def _json(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as broken:
        raise InputError(f"{place}: not valid JSON ({broken})") from None


_LINE_KEYS = ("template", "messages", "expect", "kind", "weight", "held_out", "id", "at_s")


def _template(line: Any, place: str) -> Template:
    if not isinstance(line, dict) or ("template" in line) == ("messages" in line):
        raise InputError(f"{place}: expected an object with either template or messages")
    for key in line:
        if key not in _LINE_KEYS:
            raise InputError(f"{place}: unknown key {key!r}{nearest(key, _LINE_KEYS)}")
    weight = line.get("weight", 1)
    if not isinstance(weight, int | float) or weight <= 0:
        raise InputError(f"{place}: weight must be a number above zero, found {weight!r}")
    at_s = line.get("at_s")
    if at_s is not None and (isinstance(at_s, bool) or not isinstance(at_s, int | float)):
        raise InputError(f"{place}: at_s must be a number of seconds, found {at_s!r}")
    return Template(
        id=str(line.get("id", place.rsplit("/", 1)[-1])),
        messages=_messages(line, place),
        expect=line.get("expect"),
        kind=str(line.get("kind", "any")),
        weight=float(weight),
        held_out=bool(line.get("held_out", False)),
        at_s=at_s,
    )


def _messages(line: dict[str, Any], place: str) -> tuple[Message, ...]:
    if "template" in line:
        return (Message("user", str(line["template"])),)
    try:
        messages = tuple(Message(m["role"], m["content"]) for m in line["messages"])
    except (TypeError, KeyError):
        messages = ()
    if not all(isinstance(m.content, str) for m in messages) or not messages:
        raise InputError(f"{place}: messages must be a list of objects with role and content")
    if messages[-1].role != "user":
        raise InputError(f"{place}: the last message must be the user's")
    return messages


def _shot(line: Any, place: str) -> Shot:
    if not isinstance(line, dict) or not {"id", "user", "assistant"} <= line.keys():
        raise InputError(f"{place}: a shot needs id, user and assistant")
    answer = line["assistant"]
    if not isinstance(answer, str):
        answer = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    return Shot(str(line["id"]), str(line["user"]), answer)


def parsed_yaml(text: str, path: Path) -> Any:
    """Return what a YAML text holds; raise InputError, naming `path`, where it is broken."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as broken:
        raise InputError(f"{path}: not valid YAML: {_told(broken)}") from None


def _told(broken: yaml.YAMLError) -> str:
    """Return what YAML says; a template without quotes is a mapping to it, or no token at all."""
    text = " ".join(str(broken).split())
    unquoted = "unhashable key" in text or "character '%'" in text
    return f"{text}; put {{{{ ... }}}} and {{% ... %}} in quotes" if unquoted else text
