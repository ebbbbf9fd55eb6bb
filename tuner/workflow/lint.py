"""Lint Modelfiles: each for itself with what is known of its base, and all of them together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import psutil

from tuner.engines.models import described
from tuner.engines.ollama_gpu import has_gpu
from tuner.engines.ollama_store import folder, model
from tuner.render.lint.findings import Draft, Finding, Linted, warn
from tuner.render.lint.rules import applied, read
from tuner.render.modelfile import tagged, text_of
from tuner.render.parameters import RUNNER
from tuner.spec.address import variable
from tuner.spec.errors import InputError
from tuner.spec.values import Model


def lint(files: Sequence[Path], parallel: int | None = None) -> list[Linted]:
    """Return the findings of each file; `parallel` is OLLAMA_NUM_PARALLEL, from the environment.

    Raises InputError where a file cannot be read.
    """
    parallel = parallel or _served_at_once()
    drafts, found = dict[Path, Draft](), dict[Path, list[Finding]]()
    available = _available()
    for file in files:
        instructions, findings = read(text_of(file))
        draft = Draft(instructions, None, parallel, available)
        drafts[file] = replace(draft, base=_base(file, draft), present=_present(file, draft))
        found[file] = [*findings, *applied(drafts[file])]
    for file, finding in _thrashing(drafts):
        found[file].append(finding)
    return [
        Linted(str(file), tuple(sorted(findings, key=lambda f: f.line)))
        for file, findings in found.items()
    ]


def _available() -> int:
    """Return the bytes that a model has to fit into; 0 beside a GPU, whose memory is not known."""
    return 0 if has_gpu() else psutil.virtual_memory().available


def _served_at_once() -> int:
    """Return OLLAMA_NUM_PARALLEL of the environment, 1 where that is no positive number."""
    given = variable("OLLAMA_NUM_PARALLEL")
    return max(int(given), 1) if given.isdecimal() else 1


def _base(file: Path, draft: Draft) -> Model | None:
    """Return what the weights that FROM names tell about themselves, None where none are here.

    They are a file, or those of a model in Ollama's folder, for which no server is asked.
    """
    origin = draft.last("FROM")
    if origin is None:
        return None
    found = _file(file, origin.value)
    try:
        return described(found) if found else model(origin.value, folder())
    except InputError:
        return None  # of a file `lint.texts.own_template` says so; a name may be pulled later


def _file(modelfile: Path, value: str) -> Path | None:
    """Return the file that FROM names, None where there is none or its folder is closed to us."""
    path = modelfile.parent / value
    return path if os.path.isfile(path) else None  # noqa: PTH113 (Path's raises for closed folders)


def _present(file: Path, draft: Draft) -> frozenset[str]:
    """Return the values of FROM that are files or folders beside a Modelfile."""
    values = {i.value for i in draft.all("FROM")}
    return frozenset(v for v in values if os.path.exists(file.parent / v))  # noqa: PTH110


def _thrashing(drafts: dict[Path, Draft]) -> Iterator[tuple[Path, Finding]]:
    """Name pairs of files on one base that Ollama would load in turn.

    Its runners are kept by the weights' blob (`server/sched.go`), so two models on one blob
    with different runner settings unload each other at every request.
    """
    for (one, a), (other, b) in combinations(drafts.items(), 2):
        origin = b.last("FROM")
        if origin is None or _blob(one, a) != _blob(other, b):
            continue
        unlike = [name for name in sorted(RUNNER) if _setting(a, name) != _setting(b, name)]
        if unlike:
            message = (
                f"the same base as {one} with another {', '.join(unlike)}: Ollama keeps one runner "
                "for both and loads it anew whenever the other is asked; give them like settings."
            )
            yield other, warn(origin, "thrashing", message)


def _blob(file: Path, draft: Draft) -> str | None:
    """Return what FROM names: a file's own path, or a model with its tag."""
    origin = draft.last("FROM")
    if origin is None:
        return None
    found = _file(file, origin.value)
    return str(found.resolve()) if found else tagged(origin.value)


def _setting(draft: Draft, name: str) -> str | None:
    found = draft.parameters.get(name)
    return found.value if found else None
