"""Lint Modelfiles: each one, with what is known of its base, and all of them together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from tuner.engines.memory import room
from tuner.engines.models import described
from tuner.engines.registry import kinds
from tuner.machine.gpus import has_gpu
from tuner.modelfile.document import text_of
from tuner.modelfile.lint.findings import Draft, Finding, Linted, warn
from tuner.modelfile.lint.rules import applied, read
from tuner.modelfile.parameters import RUNNER, complaint, plain
from tuner.spec.errors import InputError
from tuner.spec.values import Model
from tuner.workflow.modelfiles.named import identity, is_bare, path_of, same, weights

_AUTOMATIC = {"num_gpu": "-1", "num_thread": "0", "main_gpu": "0"}
"""Values that mean the same as no setting."""


def lint(files: Sequence[Path], parallel: int | None = None) -> list[Linted]:
    """Return the findings of each file; raise InputError where one cannot be read.

    `parallel` is the number of requests that the server takes at once. By default it comes from
    the environment.
    """
    parallel = parallel or _slots_by_environment()
    drafts, found = dict[Path, Draft](), dict[Path, list[Finding]]()
    available = room()
    # beside a GPU, whose memory is not known, nothing is said
    free = 0 if has_gpu() else available.bytes
    for file in files:
        instructions, findings = read(text_of(file))
        draft = Draft(instructions, parallel=parallel, available=free, bound=available.bound)
        drafts[file] = _completed(file, draft)
        found[file] = [*findings, *applied(drafts[file])]
    for file, finding in _thrashing(drafts):
        found[file].append(finding)
    return [
        Linted(str(file), tuple(sorted(findings, key=lambda f: f.line)))
        for file, findings in found.items()
    ]


def _completed(file: Path, draft: Draft) -> Draft:
    """Return a draft with what is known of the files and models that it names."""
    values = [i.value for i in draft.instructions if i.word == "FROM"]
    named = [i.value for i in draft.instructions if i.word in {"FROM", "ADAPTER", "DRAFT"}]
    bearing = weights(file, values)
    return replace(
        draft,
        base=_base(file, bearing),
        present=frozenset(v for v in named if path_of(file, v)),
        bare=frozenset(v for v in values if is_bare(file, v)),
        weights=bearing,
    )


def _slots_by_environment() -> int:
    """Return how many requests are served at once, as the environment says; 1 by default."""
    return next((n for kind in kinds() if (n := kind.slots_by_environment())), 1)


def _base(file: Path, weights: str | None) -> Model | None:
    """Return what the weights that FROM names tell about themselves; None for unknown weights.

    They are a file, or those of a model that an engine knows without a server.
    """
    if weights is None:
        return None
    found = path_of(file, weights)
    if found is None:  # where no engine knows the name, it may be pulled later
        return next((m for kind in kinds() if (m := kind.known_model(weights))), None)
    try:
        return described(found)
    except InputError:
        return None  # `lint.texts.own_template` says so


def _thrashing(drafts: dict[Path, Draft]) -> Iterator[tuple[Path, Finding]]:
    """Warn of pairs of files on one base that Ollama would load in turn.

    Ollama keeps one runner for each blob of weights (`server/sched.go`). So two models on one blob
    with different runner settings unload each other at every request.
    """
    for (one, a), (other, b) in combinations(drafts.items(), 2):
        origin = b.origin
        if origin is None or a.origin is None or not same(_weights(one, a), _weights(other, b)):
            continue
        ours, theirs = _runner(a), _runner(b)
        unlike = [name for name in sorted(RUNNER) if ours.get(name) != theirs.get(name)]
        if unlike:
            message = (
                f"the same base as {one} with another {', '.join(unlike)}: Ollama keeps one runner "
                "for both and loads it anew whenever the other is asked; give them like settings."
            )
            yield other, warn(origin, "thrashing", message)


def _weights(file: Path, draft: Draft) -> str:
    """Return the file of the weights if it can be read, else what FROM names."""
    if draft.base and draft.base.path:
        return str(draft.base.path)
    return identity(file, draft.weights or "")


def _runner(draft: Draft) -> dict[str, str]:
    """Return the settings of the runner that differ from its defaults, as Ollama serves them."""
    found = {
        name: plain(name, i.value)
        for name, i in draft.parameters.items()
        if name in RUNNER and complaint(name, i.value) is None
    }
    if draft.window is not None:
        found["num_ctx"] = str(draft.window)
    return {name: value for name, value in found.items() if _AUTOMATIC.get(name) != value}
