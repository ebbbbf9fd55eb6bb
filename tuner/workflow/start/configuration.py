"""What a study comes to, value by value, with the origin of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from tuner.engines.registry import preview
from tuner.spec.beside import Limits
from tuner.spec.engine_kinds import default_kind
from tuner.spec.errors import EngineMissing
from tuner.spec.file.reading import read_text
from tuner.spec.file.study_file import MAY_HOLD_KEYS
from tuner.spec.file.yaml_reading import written_at
from tuner.spec.origin import DEFAULT, Configured, Origin
from tuner.spec.space import Choices, Dimension
from tuner.spec.study import Study
from tuner.workflow.measuring.candidates import baseline, fit_to_engine

SETS: Mapping[str, tuple[str, ...]] = {
    "attach": ("engine.kind", "engine.url"),
    "engine": ("engine.kind",),
    "model": ("engine.model",),
    "engine_python": ("engine.python",),
    "target_p99": ("slo.e2e.p99",),
    "target_ttft_p99": ("slo.ttft.p99",),
    "client_processes": ("workload.load.client_processes",),
    "budget": ("search.budget",),
    "seed": ("search.seed",),
    "sampler": ("search.sampler",),
    "stop_when_met": ("search.stop_when_met",),
    "objective": ("objective",),
    "nice": ("beside.nice",),
    "cpus": ("beside.cpus",),
    "memory": ("beside.memory",),
}
"""Option of a command -> the keys of the study that it replaces."""

_SECRET = (*MAY_HOLD_KEYS, "engine.env")
HIDDEN = "(not shown: it may be a secret)"


@dataclass(frozen=True, slots=True)
class Configuration:
    """Each value of a study; `remark` says why the engine's defaults are missing, if they are."""

    study: Study
    values: tuple[Configured, ...]
    remark: str | None = None


Given: TypeAlias = tuple[Any, Origin]
"""The value of an option, and whether it or its variable was given."""


def configuration(study: Study, given: Mapping[str, Given]) -> Configuration:
    """Return every value that a run of a study would use, with its origin.

    `given` holds the options that were given, by their names; `study` has them on top already.
    Raises InputError for what its engine does not have.
    """
    path = Path(study.file)
    written = written_at(read_text(path, study.file), path)
    origins = _Origins(study.file, written, _replaced(study, written, given))
    knobs, left_out, remark = _knobs(study)
    own = [replace(c, origin=origins.of(c.key)) for c in (*_own(study), *_searched(study), *knobs)]
    values = [replace(c, note=left_out.get(c.key.partition(".")[2])) for c in own]
    known = {c.key for c in values}
    return Configuration(study, (*values, *_others(origins, known)), remark)


def _replaced(
    study: Study, written: Mapping[str, tuple[str, int]], given: Mapping[str, Given]
) -> dict[str, Given]:
    """Return what replaces each key that an option sets; a later option of SETS is the stronger.

    A model decides the kind of engine where that is said nowhere else.
    """
    found = {key: given[name] for name, keys in SETS.items() if name in given for key in keys}
    if "model" in given and written.get("engine.kind", (default_kind(), 0))[0] != study.engine:
        found.setdefault("engine.kind", given["model"])
    return found


@dataclass(frozen=True, slots=True)
class _Origins:
    """What tells where a value comes from: options first, then the file."""

    file: str
    written: Mapping[str, tuple[str, int]]
    replaced: Mapping[str, Given]

    def of(self, key: str) -> Origin:
        """Return the origin of a key."""
        if key in self.replaced:
            return self.replaced[key][1]
        place = self._slo(key) if key.startswith("slo.") else self._there(key)
        return self.at(place) if place else DEFAULT

    def at(self, place: str) -> Origin:
        """Return a place of the file as an origin."""
        return Origin("file", self.file, self.written[place][1])

    def _there(self, key: str) -> str | None:
        """Return where the file says it: at the key, or just below (`objective.minimize`)."""
        return next((p for p in (key, f"{key}.minimize", f"{key}.maximize") if p in self.written
                     and (self.written[p][0] or p != "objective")), None)  # fmt: skip

    def _slo(self, key: str) -> str | None:
        """Return the entry of the list of targets that has this metric and quantile."""
        _, metric, quantile = key.split(".", 2)
        for place, (text, _) in self.written.items():
            number = place.removesuffix(".metric")
            told = self.written.get(f"{number}.quantile", ("0.99", 0))[0]
            same = f"p{float(told) * 100:g}" == quantile if number != place else False
            if place.startswith("slo.") and same and text == metric:
                return f"{number}.max_ms"
        return None


def _own(study: Study) -> Iterator[Configured]:
    """Yield what a study says outside of the knobs, in the order of the file."""
    load, limits = study.workload.load, study.limits or Limits()
    yield Configured("name", study.name, DEFAULT)
    yield Configured("engine.kind", study.engine, DEFAULT)
    yield Configured("engine.model", study.model, DEFAULT)
    if study.url is not None:  # what it asks with may hold a key
        yield Configured("engine.url", study.url.origin + study.url.path, DEFAULT)
    yield Configured("workload.prompts", str(study.prompts), DEFAULT)
    for name in ("concurrency", "rate", "arrivals", "client_processes"):
        yield Configured(f"workload.load.{name}", getattr(load, name), DEFAULT)
    yield Configured("workload.load.timeout", load.timeout_s, DEFAULT, "s")
    for slo in study.slos:
        key = f"slo.{slo.metric}.p{slo.quantile * 100:g}"
        yield Configured(key, slo.max_s * 1000, DEFAULT, "ms")
    for name in ("min_valid", "min_correct", "max_drop"):
        yield Configured(f"guard.{name}", getattr(study.guard, name), DEFAULT)
    yield Configured("claim.starts", study.claim.starts, DEFAULT)
    yield Configured("claim.in_flight", study.claim.in_flight, DEFAULT)
    yield Configured("objective", study.objective, DEFAULT)
    yield Configured("search.budget", study.budget_s, DEFAULT, "s")
    for name in ("sampler", "seed", "stop_when_met"):
        yield Configured(f"search.{name}", getattr(study, name), DEFAULT)
    yield Configured("beside.nice", limits.nice, DEFAULT)
    yield Configured("beside.cpus", limits.cpus, DEFAULT)
    yield Configured("beside.memory", limits.memory_bytes, DEFAULT, "B")
    yield Configured("promote", study.promote, DEFAULT)


def _searched(study: Study) -> Iterator[Configured]:
    for name, dimension in study.space.items():
        yield Configured(f"space.{name}", _dimension(dimension), DEFAULT)


def _dimension(dimension: Dimension) -> list[Any] | dict[str, Any]:
    if isinstance(dimension, Choices):
        return list(dimension.values)
    by = {"step": dimension.step, "log": dimension.log}
    return {"low": dimension.low, "high": dimension.high} | {n: v for n, v in by.items() if v}


def _knobs(study: Study) -> tuple[list[Configured], dict[str, str], str | None]:
    """Return the whole baseline, why knobs are left out, and why the engine tells no defaults."""
    try:
        seen = preview(study)
    except EngineMissing as missing:
        told = [Configured(f"baseline.{n}", v, DEFAULT) for n, v in study.baseline.items()]
        return told, {}, str(missing)
    fitted, left_out = fit_to_engine(study, seen)
    named = {n: v for n, v in study.baseline.items() if n in left_out}
    whole = {**named, **baseline(fitted, seen)}
    return [Configured(f"baseline.{n}", v, DEFAULT) for n, v in whole.items()], left_out, None


def _others(origins: _Origins, known: set[str]) -> Iterator[Configured]:
    """Yield what else the file says, as it is written there."""
    for place, (value, origin) in origins.replaced.items():
        if place not in known:  # only its kind of engine reads it
            yield Configured(place, str(value), origin)
    for place, (text, _) in origins.written.items():
        covered = place in known or place in origins.replaced
        if text and not covered and not place.startswith(("slo", "space", "objective")):
            secret = place.startswith(_SECRET)
            yield Configured(place, HIDDEN if secret else text, origins.at(place))
