"""The files that a study's workload names, read into values: prompts, slots, schema, shots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.spec.errors import InputError
from tuner.spec.file.parts import nearest
from tuner.spec.file.reading import parsed_json, read_text, regex_problem
from tuner.spec.file.study_file import DynamicPart, WorkloadPart, check_dynamic
from tuner.spec.file.yaml_reading import parsed_slots, parsed_yaml
from tuner.spec.identity import workload_digest
from tuner.spec.requests.answer_schema import schema_of
from tuner.spec.requests.slots import ensure_slots
from tuner.spec.requests.workload import Shot, ShotRule, Template, Workload, stretched
from tuner.spec.requests.workload_lines import shot_of, template_of
from tuner.spec.values import Load

MOST_VISITS = 100_000
"""Prompts until the lightest comes again, which is how often each is drawn before."""


def read_workload(part: WorkloadPart, folder: Path, file: str) -> Workload:
    """Return the workload with all that it names; raise InputError with what to mend."""
    reader = _Reader(folder, file)
    slots = reader.slots(part.slots)
    shots = reader.shots(part.prompt.shots)
    rules, default = reader.dynamic(part.prompt.dynamic, shots)
    schema = reader.schema(part.schema_)
    lines = reader.lines(part.prompts, "workload.prompts")
    load, templates = _arriving(part, _templates(lines, slots, schema), folder)
    workload = Workload(
        templates=templates,
        slots=slots,
        schema=schema,
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
    return replace(load, rate=rate), stretched(templates, own, rate)


class _Reader:
    """Reads the files that a study names, relative to its folder."""

    def __init__(self, folder: Path, file: str) -> None:
        self._folder, self._file = folder, file

    def text(self, name: str, key: str) -> str:
        path = self._folder / name
        try:
            content = read_text(path, f"{self._file}: {key}")
        except FileNotFoundError:
            raise InputError(f"{self._file}: {key}: no such file: {path}") from None
        return content

    def lines(self, name: str, key: str) -> list[tuple[str, Any]]:
        """Return (place, decoded line) of a JSON-lines file."""
        path, text = self._folder / name, self.text(name, key)
        if text.lstrip().startswith("[") and len(text.strip().split("\n")) > 1:
            raise InputError(
                f"{path}: expected one JSON object a line; this is one array over several lines: "
                "write each of its objects on a line of its own, without [ ] and commas"
            )
        numbered = enumerate((line.removeprefix("\ufeff") for line in text.split("\n")), start=1)
        places = [(f"{path}:{number}", line) for number, line in numbered if line.strip()]
        if not places:
            raise InputError(f"{path}: empty; expected one JSON object a line")
        return [(place, parsed_json(line, place)) for place, line in places]

    def slots(self, name: str | None) -> dict[str, tuple[Any, ...]]:
        if name is None:
            return {}
        return parsed_slots(self.text(name, "workload.slots"), self._folder / name)

    def schema(self, name: str | None) -> Mapping[str, Any] | None:
        if name is None:
            return None
        place = str(self._folder / name)
        return schema_of(parsed_json(self.text(name, "workload.schema"), place), place)

    def shots(self, name: str | None) -> tuple[Shot, ...]:
        if name is None:
            return ()
        shots: dict[str, Shot] = {}
        for place, line in self.lines(name, "workload.prompt.shots"):
            shot = shot_of(line, place)
            if shot.id in shots:
                raise InputError(f"{place}: id: a shot {shot.id!r} stands above; name another")
            shots[shot.id] = shot
        return tuple(shots.values())

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
            if broken := regex_problem(rule.match):
                raise InputError(f"{self._file}: {key}: {broken}")
        return rules, part.default


def _templates(
    lines: Sequence[tuple[str, Any]],
    slots: Mapping[str, Sequence[Any]],
    schema: Mapping[str, Any] | None,
) -> tuple[Template, ...]:
    templates = tuple(template_of(line, place, schema) for place, line in lines)
    for template, (place, _) in zip(templates, lines, strict=True):
        ensure_slots(template, slots, place)
    _ensure_few_visits([t.weight for t in templates], lines[0][0].rsplit(":", 1)[0])
    return templates


def _ensure_few_visits(weights: Sequence[float], path: str) -> None:
    """Raise InputError for weights so unlike that the lightest would hardly ever be drawn."""
    visits = sum(weight / min(weights) for weight in weights)
    if visits > MOST_VISITS:
        raise InputError(
            f"{path}: weight: with {min(weights):g} as the least it takes {visits:.3g} prompts "
            f"until that one is drawn again; expected at most {MOST_VISITS:,}: raise the least"
        )
