"""The targets of a study: URLs from the environment or from a file, which nobody else may see."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from tuner.spec.errors import InputError
from tuner.spec.file.reading import read_text
from tuner.spec.notify import Notify


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, and in `place` the words for it that may be shown."""

    place: str
    url: str = field(repr=False)


def targets(notify: Notify) -> tuple[Target, ...]:
    """Return the targets, none where the study names none; raise InputError where they lack."""
    if notify.urls_from is not None:
        return _numbered(notify.urls_from, _variable(notify.urls_from))
    if notify.urls_file is not None:
        return _numbered(str(notify.urls_file), _lines(notify))
    return ()


def _numbered(source: str, urls: list[str]) -> tuple[Target, ...]:
    return tuple(Target(f"{source}, target {n}", url) for n, url in enumerate(urls, 1))


def _variable(name: str) -> list[str]:
    """Return the URLs in a variable, with blanks or line ends between them."""
    urls = os.environ.get(name, "").split()
    if not urls:
        raise InputError(
            f"notify.urls_from: the variable {name} is empty or not set; set it to the URLs of "
            "the targets, with blanks between them"
        )
    return urls


def _lines(notify: Notify) -> list[str]:
    """Return the URLs in a file, one a line; a line that begins with # says nothing."""
    assert notify.urls_file is not None
    try:
        text = read_text(notify.urls_file, "notify.urls_file")
    except FileNotFoundError:
        raise InputError(f"notify.urls_file: there is no file {notify.urls_file}") from None
    lines = (line.strip() for line in text.splitlines())
    urls = [line for line in lines if line and not line.startswith("#")]
    if not urls:
        raise InputError(
            f"notify.urls_file: {notify.urls_file} holds no target; write one URL a line"
        )
    return urls
