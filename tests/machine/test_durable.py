"""Writes that outlast a loss of power leave old or new, and nothing half done."""

from __future__ import annotations

import contextlib
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuner.machine import durable

MOST = 4096


@contextlib.contextmanager
def small_files() -> Iterator[None]:
    """Let no file grow beyond some bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_file_that_cannot_be_written_whole_is_left_as_it_was(tmp_path: Path) -> None:
    """Nothing of the new one stays, under any name."""
    file = tmp_path / "f"
    durable.replace(file, b"old")
    with small_files(), pytest.raises(OSError, match="File too large"):
        durable.replace(file, b"x" * (2 * MOST))

    assert file.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_what_cannot_be_appended_whole_is_cut_off_again(tmp_path: Path) -> None:
    """Also what a cut before had left behind the end that counts."""
    file = tmp_path / "f"
    durable.append(file, b"one\n", 0)
    durable.append(file, b"tw", 4)
    with small_files(), pytest.raises(OSError, match="File too large"):
        durable.append(file, b"x" * (2 * MOST), 4)
    after = file.read_bytes()
    durable.append(file, b"two\n", 4)

    assert after == b"one\n"
    assert file.read_bytes() == b"one\ntwo\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_new_file_takes_the_place_of_none(tmp_path: Path) -> None:
    """Whoever has the name keeps it."""
    durable.create(tmp_path / "f", b"old")
    with pytest.raises(FileExistsError):
        durable.create(tmp_path / "f", b"new")

    assert (tmp_path / "f").read_bytes() == b"old"


def test_a_link_is_swapped_whatever_was_left_beside_it(tmp_path: Path) -> None:
    """A swap that was killed half-way leaves a link beside, which the next one takes away."""
    (tmp_path / ".current.partial").symlink_to("nowhere")
    for target in ("a", "b"):
        durable.link(tmp_path / "current", target)
        assert (tmp_path / "current").readlink() == Path(target)
    assert [p.name for p in tmp_path.iterdir()] == ["current"]
