"""Read a file line by line: no more of it is held than is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tuner.spec.errors import InputError


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it stands in the file; a whole one ends with a line break."""

    number: int
    place: str
    text: str
    whole: bool


def lines_of(path: Path, *, strict: bool = True) -> Iterator[Line]:
    """Yield the lines of a file that hold something; raise InputError where it cannot be read.

    A `strict` file is UTF-8 from end to end. Elsewhere a byte that is not becomes half a
    character, which no JSON may hold, so that only its own line is broken.
    """
    errors = "strict" if strict else "surrogateescape"
    try:
        with path.open(encoding="utf-8-sig", errors=errors, newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    whole = line.endswith("\n")
                    yield Line(number, f"{path}:{number}", line.strip(), whole)
    except UnicodeDecodeError as broken:
        raise InputError(f"{path} is not UTF-8 ({broken.reason}); save it as UTF-8") from None
    except OSError as unreadable:
        raise InputError(f"{path} cannot be read ({unreadable.strerror})") from None
