"""Print what `tune lint` found: a line for each finding, or `tuner.lint/1`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tuner import __version__
from tuner.modelfile.lint.findings import Linted


def lint_document(linted: Sequence[Linted]) -> dict[str, Any]:
    """Return the findings of all files as a JSON document."""
    return {
        "schema": "tuner.lint/1",
        "tuner_version": __version__,
        "files": [
            {"file": each.file, "findings": [asdict(f) for f in each.findings]} for each in linted
        ],
        "counts": dict(_counts(linted)),
    }


def show_lint(linted: Sequence[Linted]) -> str:
    """Return a line `file:line: severity: message [rule]` for each finding, and their number."""
    lines = [
        f"{each.file}:{f.line}: {f.severity}: {f.message} [{f.rule}]"
        for each in linted
        for f in each.findings
    ]
    counts = _counts(linted)
    found = ", ".join(f"{n} {what}{'s' * (n != 1)}" for what, n in counts.items() if n)
    files = f"{len(linted)} file{'s' * (len(linted) != 1)}"
    return "\n".join([*lines, f"{files}: {found or 'nothing to say'}"])


def _counts(linted: Sequence[Linted]) -> dict[str, int]:
    seen = Counter(f.severity for each in linted for f in each.findings)
    return {what: seen[what] for what in ("error", "warning", "note")}
