"""Read the metadata at the head of a GGUF file.

Source of the layout: ggml's specification, docs/gguf.md, versions 2 and 3 (little endian).
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any, TypeAlias

from tuner.spec.errors import InputError

MAGIC = b"GGUF"
_SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_STRING, _ARRAY = 8, 9

Data: TypeAlias = mmap.mmap


def metadata(path: Path) -> dict[str, Any]:
    """Return the key-value metadata; raise InputError when the file is not a readable GGUF."""
    if not path.is_file():
        raise InputError(f"{path}: no such model file; expected the path of a GGUF file")
    if path.stat().st_size < 24:
        raise InputError(f"{path}: not a GGUF file (only {path.stat().st_size} bytes)")
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[:4] != MAGIC:
                raise InputError(f"{path}: not a GGUF file (it starts with {bytes(data[:4])!r})")
            return _pairs(data)
    except (struct.error, IndexError, KeyError, UnicodeDecodeError, MemoryError) as broken:
        raise InputError(f"{path}: damaged GGUF metadata ({broken!r})") from broken
    except OSError as unreadable:
        raise InputError(f"{path}: cannot be read ({unreadable.strerror})") from unreadable


def _pairs(data: Data) -> dict[str, Any]:
    version, _tensors, count = struct.unpack_from("<IQQ", data, 4)
    if version not in (2, 3):
        raise InputError(f"GGUF version {version} is not supported; expected 2 or 3")
    at, pairs = 24, {}
    for _ in range(count):
        key, at = _string(data, at)
        (kind,) = struct.unpack_from("<I", data, at)
        pairs[key], at = _value(data, at + 4, kind)
    return pairs


def _value(data: Data, at: int, kind: int) -> tuple[Any, int]:
    if kind == _STRING:
        return _string(data, at)
    if kind == _ARRAY:
        return _array(data, at)
    layout = "<" + _SCALARS[kind]
    return struct.unpack_from(layout, data, at)[0], at + struct.calcsize(layout)


def _array(data: Data, at: int) -> tuple[list[Any], int]:
    kind, length = struct.unpack_from("<IQ", data, at)
    at += 12
    if kind in _SCALARS:
        layout = f"<{length}{_SCALARS[kind]}"
        return list(struct.unpack_from(layout, data, at)), at + struct.calcsize(layout)
    values = []
    for _ in range(length):
        value, at = _value(data, at, kind)
        values.append(value)
    return values, at


def _string(data: Data, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<Q", data, at)
    end = at + 8 + length
    if end > len(data):
        raise IndexError("a string reaches beyond the end of the file")
    return data[at + 8 : end].decode(errors="replace"), end
