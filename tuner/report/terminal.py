"""The terminal that results are printed on."""

from __future__ import annotations

from rich.console import Console


def console(stderr: bool = False) -> Console:
    """Return a console; rich honours NO_COLOR, TERM=dumb and pipes by itself."""
    return Console(stderr=stderr, highlight=False, soft_wrap=True)
