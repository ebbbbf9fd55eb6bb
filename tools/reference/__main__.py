"""Write the pages of docs/reference from the code.

    python -m tools.reference

`make docs` runs it. A test fails where a page is not what the code says now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tools.reference import commands, exit_codes, files, knobs, study_file

FOLDER = Path(__file__).parents[2] / "docs" / "reference"

PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands.page,
    "study-file.md": study_file.page,
    "knobs.md": knobs.page,
    "files.md": files.page,
    "exit-codes.md": exit_codes.page,
}
"""File name -> what makes its text."""


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
