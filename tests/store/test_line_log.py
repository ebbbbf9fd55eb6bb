"""A file of JSON lines: what was appended comes back, and what was cut short is none."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.spec.errors import InputError, OutputError
from tuner.store.line_log import LineLog

TEXTS = st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3)


def log(folder: Path) -> LineLog:
    """Return the log of a folder."""
    return LineLog(folder / "log.jsonl", "what happened")


def read(found: LineLog) -> list[object]:
    """Return what its lines say."""
    return [json.loads(line) for _, line in found.lines()]


@given(st.lists(TEXTS, max_size=5), st.integers(0, 200))
def test_after_a_cut_all_whole_lines_are_there_and_it_goes_on(
    tmp_path_factory: pytest.TempPathFactory, lines: Sequence[dict[str, str]], cut: int
) -> None:
    """Wherever a machine goes down, whatever the texts hold: line ends and quotes included."""
    found = log(tmp_path_factory.mktemp("log"))
    for line in lines:
        found.append(line)
    content = found.path.read_bytes() if lines else b""
    left = content[: max(len(content) - cut, 0)]
    found.path.write_bytes(left)
    whole = left.count(b"\n")
    found.append({"next": "line"})

    assert read(found) == [*lines[:whole], {"next": "line"}]
    assert [number for number, _ in found.lines()] == list(range(1, whole + 2))


def test_a_log_that_nobody_began_is_empty(tmp_path: Path) -> None:
    """Nothing happened yet."""
    assert read(log(tmp_path)) == []


def test_a_log_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A folder in its place, here."""
    (tmp_path / "log.jsonl").mkdir()
    with pytest.raises(InputError, match=r"log\.jsonl cannot be read .* what happened is written"):
        read(log(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_log_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    """Where its folder is not ours."""
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match=r"cannot write .*log\.jsonl"):
        log(tmp_path).append({"a": 1})


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    """Nothing is made up in its place."""
    with pytest.raises(OutputError, match=r"cannot write .*log\.jsonl"):
        log(tmp_path / "gone").append({"a": 1})
