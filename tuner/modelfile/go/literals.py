"""Read and write Go's literals: the constants of a template, and values that print.

Source: `strconv/quote.go`, `fmt/print.go` and `encoding/json` of Go 1.26. A Go string is bytes:
bytes that are not UTF-8 stand here as Python's surrogateescape has them.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any, Final

_ESCAPE: Final = (
    r"\\(?:([abfnrtv\\%s])|x([0-9a-fA-F]{2})|([0-3][0-7]{2})"
    r"|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))"
)
_ESCAPES: Final = {quote: re.compile(_ESCAPE % quote) for quote in "\"'"}
_NAMED: Final = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))
_LONE: Final = 0xDC00  # where surrogateescape keeps a byte
_INT = re.compile(
    r"[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|[0-9](?:_?[0-9])*)"
)
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_JSON_ESCAPED: Final = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def to_bytes(text: str) -> bytes:
    """Return the bytes of a Go string."""
    return text.encode("utf-8", "surrogateescape")


def to_text(data: bytes) -> str:
    """Return the Go string of some bytes."""
    return data.decode("utf-8", "surrogateescape")


def string(literal: str) -> str | None:
    """Return the value of a quoted or raw string literal, None for an invalid escape."""
    if literal.startswith("`"):
        return literal[1:-1].replace("\r", "")
    return _unescaped(literal[1:-1], '"')


def number(literal: str) -> int | float | None:
    """Return the value of a number or character literal, None where Go refuses it."""
    if literal.startswith("'"):
        char = _unescaped(literal[1:-1], "'") or ""
        return ord(char) % _LONE if len(char) == 1 else None
    if _INT.fullmatch(literal):
        return _int(literal)
    value = float(literal) if _FLOAT.fullmatch(literal) else math.inf
    return value if math.isfinite(value) and re.search("[.eE]", literal) else None


def shown_float(value: float) -> str:
    """Return a float as Go's %v writes it: the shortest digits, an exponent from 1e+06 on."""
    digits = Decimal(repr(value)).normalize()
    exponent = digits.adjusted()
    if not digits or -4 <= exponent < 6:
        return f"{digits:f}"
    return f"{digits.scaleb(-exponent):f}e{exponent:+03d}"


def to_json(value: Any) -> str:
    """Return a value as Go's json.Marshal writes it: without spaces, HTML escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_JSON_ESCAPED)


def _int(literal: str) -> int | None:
    """Return an integer of 64 bits; a leading 0 without a letter means octal."""
    plain = re.sub(r"^([+-]?)0_?([0-9])", r"\g<1>0o\2", literal)
    try:
        value = int(plain, 0)
    except ValueError:
        return None
    return value if -(2**63) <= value < 2**63 else None


def _unescaped(text: str, quote: str) -> str | None:
    """Return a text with its escapes resolved, None where one is invalid."""
    escape = _ESCAPES[quote]
    rest = escape.sub("", text)
    if "\\" in rest or quote in rest:
        return None
    try:
        return to_text(to_bytes(escape.sub(_character, text)))
    except ValueError:  # a surrogate, or beyond Unicode
        return None


def _character(match: re.Match[str]) -> str:
    named, byte, octal, short, long = match.groups()
    if named:
        return _NAMED.get(named, named)
    if byte or octal:
        code = int(byte, 16) if byte else int(octal, 8)
        return chr(code if code < 0x80 else _LONE + code)
    char = chr(int(short or long, 16))
    return "\ud800" if "\ud800" <= char <= "\udfff" else char  # refused when encoded
