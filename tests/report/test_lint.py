"""What a linter found, for people and programs."""

from __future__ import annotations

import pytest

from tuner.modelfile.lint.findings import Finding, Linted
from tuner.report.lint import lint_document, show_lint

ERROR, WARNING = Finding(3, "error", "name", "no."), Finding(9, "warning", "window", "hm.")


@pytest.mark.parametrize(
    ("findings", "last"),
    [
        ((), "1 file: nothing to say"),
        ((ERROR,), "1 file: 1 error"),
        ((ERROR, WARNING, WARNING), "1 file: 1 error, 2 warnings"),
    ],
)
def test_findings_are_counted(findings: tuple[Finding, ...], last: str) -> None:
    """In the last line, and in the document with zeros where there is none."""
    linted = [Linted("Modelfile", findings)]

    assert show_lint(linted).splitlines()[-1] == last
    assert sum(lint_document(linted)["counts"].values()) == len(findings)


def test_a_finding_stands_where_editors_jump_to() -> None:
    """FILE:LINE: and, at the end, the rule."""
    assert show_lint([Linted("a/Modelfile", (ERROR,))]).splitlines()[0] == (
        "a/Modelfile:3: error: no. [name]"
    )
