"""What the documents show is what happens."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.follow import follow
from tests.docs.page import Block, blocks, given, pages

ROOT = Path(__file__).parents[2]
LEFT_OUT = 17
"""Blocks that cannot be done here: installing, real models, services of the system."""


def cases() -> list[object]:
    """Return every page; one that needs the real engine is marked so."""
    return [
        pytest.param(
            page,
            id=str(page.relative_to(ROOT)),
            marks=[pytest.mark.embedded] if "embedded" in given(page.read_text()) else [],
        )
        for page in pages(ROOT)
    ]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", cases())
def test_a_page_can_be_followed(page: Path, tmp_path: Path) -> None:
    """Its files and commands, done in their order, give what the page says."""
    follow(page.read_text(encoding="utf-8"), tmp_path)


def test_few_blocks_are_left_out_each_for_a_reason() -> None:
    """Whatever can be done here is done."""
    assert all(len(b.remark) > len("not run, ") for b in left_out())
    assert len(left_out()) <= LEFT_OUT


def test_commands_that_are_left_out_are_understood() -> None:
    """Each `tune` line parses as a real command line does (its help stands in for the work)."""
    lines = {c.line for b in left_out() for c in b.commands() if c.line.startswith("tune ")}

    assert len(lines) > 5
    for line in sorted(lines):
        said = shlex.split(line, comments=True)[1:]
        words = [w for w in said if not w.endswith((".yaml", ".gguf"))]
        command = [sys.executable, "-m", "tuner", *words, "--help"]
        found = subprocess.run(command, capture_output=True, text=True)
        assert found.returncode == 0, f"{line}\n{found.stderr}"


def left_out() -> list[Block]:
    """Return the blocks that the test of a page leaves out."""
    every = (b for p in pages(ROOT) for b in blocks(p.read_text(encoding="utf-8")))
    return [b for b in every if b.not_run]
