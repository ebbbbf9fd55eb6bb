"""What a server says about its settings, made comparable with what was asked of it."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from tuner.spec.knobs import Knob
from tuner.spec.values import Setting

_SWITCHES = {
    **dict.fromkeys(("true", "1", "on", "yes", "enabled"), True),
    **dict.fromkeys(("false", "0", "off", "no", "disabled"), False),
}


def difference(knob: Knob, asked: Setting, real: Setting | None) -> str | None:
    """Return a sentence where the engine does not run a knob as asked, else None."""
    if real is None:
        return f"{knob.name}: asked for {asked}, the engine does not say what is in force"
    if same(asked, real):
        return None
    return f"{knob.name}: asked for {asked}, in force is {real} (tier {knob.tier})"


def same(asked: Setting, real: Setting) -> bool:
    """Tell whether two settings are equal but for the noise of 32-bit floats."""
    if isinstance(asked, int | float) and isinstance(real, int | float):
        return abs(asked - real) <= 1e-4 * max(1.0, abs(asked))  # llama.cpp keeps 32-bit floats
    return asked == real


def last_match(pattern: str, text: str) -> str | None:
    """Return the first group of a pattern where it matches last: what was said last holds."""
    found = [match[1] for match in re.finditer(pattern, text, re.MULTILINE)]
    return found[-1] if found else None


def place(document: Any, path: str) -> Any:
    """Return what stands at a dotted path of a JSON document, None where nothing does."""
    for step in path.split("."):
        if isinstance(document, dict):
            document = document.get(step)
        elif isinstance(document, list) and step.isdigit() and int(step) < len(document):
            document = document[int(step)]
        else:
            return None
    return document


def setting(found: Any, like: Setting) -> Setting | None:
    """Return what was found as a value of the kind of `like`, as far as it can be one."""
    if found is None:
        return None
    if isinstance(like, bool):
        return _SWITCHES.get(_text(found).lower(), _text(found))
    if isinstance(like, str):
        return _text(found)
    if isinstance(found, str):
        return _number(found)
    if isinstance(found, int) or (isinstance(found, float) and math.isfinite(found)):
        return round(found, 6) if isinstance(found, float) else found
    return _text(found)


def _text(found: Any) -> str:
    return found if isinstance(found, str) else json.dumps(found)


def _number(text: str) -> Setting:
    """Return the finite number that a text is, else the text."""
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number):
        return text
    return int(number) if number.is_integer() else number
