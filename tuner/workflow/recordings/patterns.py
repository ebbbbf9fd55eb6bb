"""What is redacted in every text: addresses, numbers and keys that tell who somebody is.

A pattern gives the places that it matches. Numbers count only with the right check digits: cards
by Luhn (ISO/IEC 7812-1, annex B), IBANs by MOD 97-10 (ISO 13616). Forms of keys: the providers'
own documents, as GitHub's secret scanning lists them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

Span = tuple[int, int]
Pattern = Callable[[str], Iterator[Span]]

_EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]++@[\w-]++(?:\.[\w-]++)+")

_KEYS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-[\w-]{12,}"  # OpenAI, Anthropic and others
    r"|gh[pousr]_\w{16,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}"
    r"|AIza[\w-]{30,}|hf_[A-Za-z0-9]{16,}|xox[abeprs]-[\w-]{10,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?)",  # JSON Web Token
    re.ASCII,
)
_BEARER = re.compile(r"(?i)\bbearer\s+(?=[\w.~+/=-]*\d)([\w.~+/=-]{8,})", re.ASCII)
_PEM = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----"
    r"(?:(?!-----END)[\s\S])*+(?:-----END [A-Z ]{0,40}-----)?"
)
_GIVEN = re.compile(
    r"(?i)(?:secret|password|passwd|passwort|api[ _-]?key|access[_-]?key|auth[_-]?token)"
    r"[\\\"']{0,2}\s{0,3}[:=]\s{0,3}[\\\"']{0,2}(?!<secret>)([^\s\\\"',;]{4,})"
)
_LOGIN = re.compile(r"://(?!<secret>)([^\s/@:]{1,200}:[^\s/@]{1,200})@")

_IP4 = re.compile(
    r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d]|\.\d)",
    re.ASCII,
)
_IP6 = re.compile(r"(?<![0-9A-Fa-f:.])[0-9A-Fa-f:.]{3,}+(?!\w)", re.ASCII)

_DIGITS = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,}+", re.ASCII)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?=[ ]?[A-Za-z0-9])", re.ASCII)
_CARD_DIGITS = range(13, 20)
_MOST_IBAN, _LEAST_IBAN = 34, 15

_PHONES = (
    re.compile(r"(?<![\w+])\+\d(?:[ ().\-/]{0,2}\d){6,14}(?!\d)", re.ASCII),
    re.compile(
        r"(?<![\w.])(?:\(0\d{1,5}\)|0\d{1,5})[ /-]?\d{2,}+(?:[ -]\d{2,}+)*+(?!\w)", re.ASCII
    ),
    re.compile(r"(?<![\w.])(?:1[-. ])?(?:\(\d{3}\)|\d{3})[-. ]\d{3}[-. ]\d{4}(?!\w)", re.ASCII),
)
_PHONE_DIGITS = range(9, 16)
_INTERNATIONAL_DIGITS = range(7, 16)


def _emails(text: str) -> Iterator[Span]:
    return (m.span() for m in _EMAIL.finditer(text)) if "@" in text else iter(())


def _secrets(text: str) -> Iterator[Span]:
    """Yield keys by their form, what is given as a password, and logins in addresses."""
    for pattern in (_PEM, _KEYS):
        yield from (m.span() for m in pattern.finditer(text))
    for pattern in (_BEARER, _GIVEN, _LOGIN):
        yield from (m.span(1) for m in pattern.finditer(text))


def _addresses(text: str) -> Iterator[Span]:
    yield from (m.span() for m in _IP4.finditer(text))
    for found in _IP6.finditer(text) if ":" in text else ():
        begin, end = found.span()
        if _in_word(text, begin):  # the colon of `addr:` is none of the address; `std::` is none
            begin += 1 if found[0][0] == ":" != found[0][1] else len(found[0])
        while end > begin and text[end - 1] in ".:" and text[end - 2 : end] != "::":
            end -= 1
        if text.count(":", begin, end) >= 2 and _is_ip6(text[begin:end]):
            yield begin, end


def _in_word(text: str, at: int) -> bool:
    return at > 0 and (text[at - 1].isalnum() or text[at - 1] == "_")


def _is_ip6(text: str) -> bool:
    try:
        return int(ipaddress.IPv6Address(text)) > 0
    except ValueError:
        return False


def _cards(text: str) -> Iterator[Span]:
    """Yield runs of 13 to 19 digits, between separators, that end with their check digit."""
    for run in _DIGITS.finditer(text):
        groups = [m.span() for m in re.finditer(r"\d+", run[0], re.ASCII)]
        end = 0
        for n, (begin, _) in enumerate(groups):
            ends = _card_ends(run[0], groups[n : n + max(_CARD_DIGITS)]) if begin >= end else []
            if ends:
                end = ends[-1]
                yield run.start() + begin, run.start() + end


def _card_ends(run: str, groups: list[Span]) -> list[int]:
    """Return where cards end that begin with the first of some groups of digits."""
    digits, found = "", []
    for begin, end in groups:
        digits += run[begin:end]
        if len(digits) in _CARD_DIGITS and _is_card(digits):
            found.append(end)
        if len(digits) >= max(_CARD_DIGITS):
            break
    return found


def _is_card(written: str) -> bool:
    digits = [int(c) for c in reversed(written)]
    doubled = sum(sum(divmod(2 * d, 10)) for d in digits[1::2])
    return len(set(digits)) > 1 and (sum(digits[::2]) + doubled) % 10 == 0


def _ibans(text: str) -> Iterator[Span]:
    """Yield account numbers of 15 to 34 characters, in groups or not, that MOD 97-10 confirms."""
    end = 0
    for head in _IBAN.finditer(text):
        fitting = [e for e in _ends(text, head.start()) if _is_iban(text[head.start() : e])]
        if fitting and head.start() >= end:
            end = fitting[-1]
            yield head.start(), end


def _ends(text: str, begin: int) -> Iterator[int]:
    """Yield where a word ends behind `begin`, over single spaces, as far as an IBAN goes."""
    count = 0
    for at in range(begin, min(len(text), begin + 2 * _MOST_IBAN)):
        if _plain(text[at]):
            count += 1
        elif text[at] != " " or text[at - 1] == " ":
            return
        if count > _MOST_IBAN:
            return
        if count >= _LEAST_IBAN and _plain(text[at]) and not _plain(text[at + 1 : at + 2]):
            yield at + 1


def _plain(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _is_iban(written: str) -> bool:
    letters = written.replace(" ", "").upper()
    return int("".join(str(int(c, 36)) for c in letters[4:] + letters[:4])) % 97 == 1


def _phones(text: str) -> Iterator[Span]:
    for pattern, digits in zip(
        _PHONES, (_INTERNATIONAL_DIGITS, _PHONE_DIGITS, _PHONE_DIGITS), strict=True
    ):
        for found in pattern.finditer(text):
            ends = [*(m.start() for m in re.finditer("[ -]", found[0])), len(found[0])]
            fitting = [e for e in ends if sum(c.isdigit() for c in found[0][:e]) in digits]
            if fitting:
                yield found.start(), found.start() + fitting[-1]


SHIPPED: Mapping[str, Pattern] = MappingProxyType(
    {
        "secret": _secrets,
        "email": _emails,
        "iban": _ibans,
        "card": _cards,
        "ip": _addresses,
        "phone": _phones,
    }
)
"""The patterns by name, in the order in which they are applied."""


def names_pattern(names: frozenset[str]) -> Pattern:
    """Return a pattern for names that fields beside a text tell, but not in `<name>` itself."""
    known = sorted(names, key=lambda name: (-len(name), name))
    if not known:
        return lambda text: iter(())
    pattern = re.compile(rf"(?i)(?<![\w<])(?:{'|'.join(map(re.escape, known))})(?!\w)")
    return lambda text: (m.span() for m in pattern.finditer(text))
