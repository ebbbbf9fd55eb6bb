"""What stands in braces in prompts and in what is expected of them, held against the slots.

The module `workload` says what is filled in. Where a study has slots, a name in braces that is
none of them is refused where it looks like one; as part of code or a formula it stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from tuner.spec.errors import InputError
from tuner.spec.file.parts import nearest
from tuner.spec.requests.workload import Template, Workload, in_braces

_LONELY = re.compile(r"(?<![\w\\)\]{}>$^])\{([^\W\d]\w*)\}")
"""A name in braces that is not glued to what stands before it, as in `\\frac{a}` or `${a}`."""

_FORMATTED = re.compile(r"\{([^\W\d]\w*)(?:![rsa])?(?::[^{}\s]*)?\}")


def ensure_slots(template: Template, slots: Collection[str], place: str) -> None:
    """Raise InputError for a slot that is unknown, has a format, or only stands in `expect`."""
    if not slots:
        return
    said = [m.content for m in template.messages]
    expected = list(_texts(template.expect))
    for text in (*said, *expected):
        _ensure_known(text, slots, place)
    only_expected = in_braces(expected) & set(slots) - template.slots_among(slots)
    if only_expected:
        raise InputError(
            f"{place}: expect: the prompt does not have the slot {min(only_expected)!r}, so that "
            "no value of it is right; write it into the prompt too, or leave it out"
        )


def literal_names(workload: Workload) -> list[str]:
    """Return the names in braces that look like slots and are sent as they are written."""
    texts = (m.content for t in workload.templates for m in t.messages)
    found = {name for text in texts for name in _LONELY.findall(text)}
    return sorted(found - workload.slots.keys())


def texts_with_slots(templates: Iterable[Template], slots: Collection[str]) -> Iterator[str]:
    """Yield what is said and expected in lines that have slots."""
    for template in templates:
        if template.slots_among(slots):
            yield from (m.content for m in template.messages)
            yield from _texts(template.expect)


def _ensure_known(text: str, slots: Collection[str], place: str) -> None:
    for name in _LONELY.findall(text):
        if name not in slots:
            raise InputError(
                f"{place}: unknown slot {name!r}; the slots file has: {', '.join(sorted(slots))}"
                f"{nearest(name, slots)}; if {{{name}}} is to be sent as it is, add "
                f"{name}: ['{{{name}}}'] to the slots"
            )
    for found in _FORMATTED.finditer(text):
        name = f"{{{found[1]}}}"
        if found[1] in slots and found[0] != name:
            raise InputError(
                f"{place}: {found[0]}: a slot takes no format; write {name}, and the values in the "
                "slots file as they are to be sent"
            )


def _texts(expect: Any) -> Iterator[str]:
    if isinstance(expect, str):
        yield expect
    elif isinstance(expect, dict | list):
        for value in expect.values() if isinstance(expect, dict) else expect:
            yield from _texts(value)
