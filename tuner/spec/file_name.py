"""A name in service as part of the name of a file, or of an object of Kubernetes."""

from __future__ import annotations

import re

from tuner.spec.identity import digest

_DIGITS = 8
"""Of a digest, enough to tell the names of one machine apart."""


def for_file(name: str) -> str:
    """Return a name that files and units of systemd can have; no two names share one."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", name)
    return plain if plain == name else f"{plain}-{digest(name)[:_DIGITS]}"


def for_kubernetes(name: str, longest: int) -> str:
    """Return a name that DNS takes (RFC 1123), of at most `longest`; no two share one."""
    plain = re.sub(r"[^a-z0-9-]", "-", name.lower()).strip("-")
    if plain == name and len(plain) <= longest:
        return plain
    short = plain[: longest - _DIGITS - 1].strip("-")
    return f"{short}-{digest(name)[:_DIGITS]}".strip("-")
