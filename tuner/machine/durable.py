"""Write so that what was written outlasts a loss of power: fsync of files and of folders."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def sync(path: Path) -> None:
    """Have a file's content, or a folder's names, on the disk itself; raise OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def create(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a new file, on the disk itself; raise OSError, also where something has its name."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        _write(handle, content)
    finally:
        os.close(handle)


def replace(path: Path, content: bytes) -> None:
    """Write a file whole, in the place of what had its name, or leave that; raise OSError."""
    partial = _partial(path)
    partial.unlink(missing_ok=True)
    try:
        create(partial, content)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    sync(path.parent)


def link(path: Path, target: str) -> None:
    """Let a link name a target in one step, whatever it named before; raise OSError."""
    partial = _partial(path)
    partial.unlink(missing_ok=True)
    partial.symlink_to(target)
    partial.replace(path)
    sync(path.parent)


def append(path: Path, content: bytes, at: int) -> None:
    """Append to a file that ends `at` this byte, cutting off what follows; raise OSError.

    Only its owner may read a file that is new. Where writing fails, what could be written is cut
    off again.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.ftruncate(handle, at)
        os.lseek(handle, at, os.SEEK_SET)
        _write(handle, content)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(handle, at)
        raise
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Remove a file, and what a write of it that was killed left beside it; raise OSError.

    One that is not there is no error.
    """
    for left in (path, _partial(path)):
        left.unlink(missing_ok=True)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _write(handle: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(handle, left) :]
    os.fsync(handle)
