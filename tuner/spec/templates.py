"""The Jinja templates that artifacts are written with, filled strictly."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import jinja2

from tuner.spec import shipped


def fill(name: str, values: Mapping[str, object]) -> str:
    """Return the text of the shipped template `name`, filled with `values`.

    Raises jinja2.UndefinedError for a value that the template names and nobody gave.
    """
    return _environment().get_template(name).render(values)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(shipped.templates()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
