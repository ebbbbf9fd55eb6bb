"""A Modelfile of a user, edited with the result of a study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tuner.workflow.modelfiles.edit import Edit, edit

MINE = """# ours
FROM small
TEMPLATE mine
SYSTEM mine
PARAMETER stop mine
PARAMETER presence_penalty 0.4
PARAMETER num_gpu 12
PARAMETER num_ctx 2048
PARAMETER repeat_penalty 1.3
PARAMETER mirostat 1
MESSAGE user mine
LICENSE mine
"""


def _edit(
    folder: Path,
    measured: str,
    set_by_study: list[str] | None = None,
    changed: dict[str, Any] | None = None,
) -> Edit:
    """Edit MINE with a result whose study sets these, and whose command changed those."""
    document = {
        "schema": "tuner.result/1",
        "verdict": "PASS",
        "artifacts": {"Modelfile": "Modelfile"},
        "changed": changed or {},
        "set_by_study": set_by_study or [],
    }
    (folder / "result.json").write_text(json.dumps(document))
    (folder / "Modelfile").write_text(f"FROM small\nPARAMETER num_gpu -1\n{measured}")
    (folder / "mine").write_text(MINE)
    return edit(folder, folder / "mine")


def test_what_nobody_tuned_stays_and_is_named(tmp_path: Path) -> None:
    """A default in the result is no wish; that the file is unlike it is told."""
    found = _edit(tmp_path, "PARAMETER num_ctx 4096\n")

    assert (found.text, found.changes) == (MINE, ())
    unlike = [c.what.removeprefix("PARAMETER ") for c in found.unlike]
    assert unlike == [
        "TEMPLATE", "SYSTEM", "num_gpu", "num_ctx", "stop", "presence_penalty", "repeat_penalty",
        "MESSAGE",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("space", "gone"),
    [
        ("system", "SYSTEM mine\n"),
        ("shots", "MESSAGE user mine\n"),
        ("stop", "PARAMETER stop mine\n"),
    ],
)
def test_what_was_tuned_to_nothing_goes(tmp_path: Path, space: str, gone: str) -> None:
    """So the file says what was measured."""
    found = _edit(tmp_path, "PARAMETER num_ctx 4096\n", [space])

    assert found.text == MINE.replace(gone, "")


def test_what_was_tuned_to_its_default_is_written(tmp_path: Path) -> None:
    """A search that ended there chose it."""
    found = _edit(tmp_path, "PARAMETER num_ctx 4096\n", ["num_ctx"])

    assert found.text == MINE.replace("num_ctx 2048", "num_ctx 4096")


def test_what_a_command_changed_is_written(tmp_path: Path) -> None:
    """`--set` names what no study need name."""
    found = _edit(tmp_path, "PARAMETER num_ctx 512\n", changed={"num_ctx": 512})

    assert found.text == MINE.replace("num_ctx 2048", "num_ctx 512")


def test_another_base_is_named(tmp_path: Path) -> None:
    """It is the file's own, and what was measured is another."""
    _edit(tmp_path, "")
    (tmp_path / "Modelfile").write_text("FROM quicker\n")
    found = edit(tmp_path, tmp_path / "mine")

    assert "FROM small\n" in found.text
    assert (found.unlike[0].what, found.unlike[0].a) == ("FROM", "quicker:latest")
