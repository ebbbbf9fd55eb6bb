"""Read the metadata at the head of a GGUF file, and find the files of a split model.

The `gguf` package reads neither split models nor files that were cut off, and takes 25 times as
long (it makes an object of each token). Source of the layout: ggml's docs/gguf.md, versions 2
and 3 (little endian).
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Mapping
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
_PART = re.compile(r"(?P<stem>.*)-\d{5}-of-(?P<count>\d{5})\.gguf", re.DOTALL)
_SHOWN = 3
"""Names of missing parts in a message."""

Data: TypeAlias = mmap.mmap


def metadata(path: Path) -> dict[str, Any]:
    """Return the key-value metadata.

    Raises InputError for a file that is no readable GGUF, or that ends before its weights do.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such model file; expected the path of a GGUF file")
    if path.stat().st_size < 24:
        raise InputError(f"{path}: not a GGUF file (only {path.stat().st_size} bytes)")
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[:4] != MAGIC:
                raise InputError(f"{path}: not a GGUF file (it starts with {bytes(data[:4])!r})")
            _ensure_version(path, data)
            pairs, at = _pairs(data)
            _ensure_whole(path, data, at)
            return pairs
    except (struct.error, IndexError, KeyError, UnicodeDecodeError, MemoryError) as broken:
        raise InputError(f"{path}: damaged GGUF metadata ({broken!r})") from broken
    except OSError as unreadable:
        raise InputError(f"{path}: cannot be read ({unreadable.strerror})") from unreadable


def parts(path: Path, facts: Mapping[str, Any]) -> tuple[Path, ...]:
    """Return the files of the model whose first file has these facts; most models have one.

    Raises InputError where `path` is a later part, or where a part is missing or another's.
    Source: llama.cpp, src/llama-model-loader.cpp and llama_split_path.
    """
    count = facts.get("split.count")
    if not isinstance(count, int) or count < 2:
        return (path,)
    named = _PART.fullmatch(path.name)
    if named is None or int(named["count"]) != count:
        ends = f"-00001-of-{count:05d}.gguf"
        raise InputError(f"{path}: one of {count} files of a model; its name has to end in {ends}")
    names = [f"{named['stem']}-{n:05d}-of-{count:05d}.gguf" for n in range(1, count + 1)]
    files = tuple(map(path.with_name, names))
    if path != files[0]:
        raise InputError(f"{path}: a later part of a model; name its first, {files[0]}")
    if missing := [file.name for file in files if not file.is_file()]:
        told = f"missing beside it: {_first(missing)}; fetch all {count} files of the model"
        raise InputError(f"{path}: {told}")
    for number, file in enumerate(files):
        if (metadata(file) if number else facts).get("split.no") != number:
            raise InputError(f"{file}: not part {number + 1} of {count}, as its name says")
    return files


def _first(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _ensure_version(path: Path, data: Data) -> None:
    (version,) = struct.unpack_from("<I", data, 4)
    if version & 0xFFFF == 0:
        raise InputError(f"{path}: big endian, which llama.cpp loads on such a machine only")
    if version not in (2, 3):
        raise InputError(f"{path}: GGUF version {version} is not supported; expected 2 or 3")


def _ensure_whole(path: Path, data: Data, at: int) -> None:
    """Raise InputError where the last of the weights begins behind the end of the file."""
    (count,) = struct.unpack_from("<Q", data, 8)
    last = -1
    for _ in range(count):
        _, at = _string(data, at)
        (dimensions,) = struct.unpack_from("<I", data, at)
        at += 4 + 8 * dimensions + 4
        last = max(last, *struct.unpack_from("<Q", data, at))
        at += 8
    if last >= len(data) - at and count:
        raise InputError(
            f"{path}: the file ends before its weights do, after {len(data):,} bytes of more than "
            f"{at + last:,}; fetch it again"
        )


def _pairs(data: Data) -> tuple[dict[str, Any], int]:
    (count,) = struct.unpack_from("<Q", data, 16)
    at, pairs = 24, dict[str, Any]()
    for _ in range(count):
        key, at = _string(data, at)
        (kind,) = struct.unpack_from("<I", data, at)
        pairs[key], at = _value(data, at + 4, kind)
    return pairs, at


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
    if kind != _STRING:  # no array of arrays is loaded by llama.cpp either
        raise KeyError(kind)
    values = []
    for _ in range(length):
        value, at = _string(data, at)
        values.append(value)
    return values, at


def _string(data: Data, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<Q", data, at)
    end = at + 8 + length
    if end > len(data):
        raise IndexError("a string reaches beyond the end of the file")
    return data[at + 8 : end].decode(errors="replace"), end
