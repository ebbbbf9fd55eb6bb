"""Check the flags of a server against those that the installed vLLM has, before a start is spent.

Names are read as `FlexibleArgumentParser` reads them (vllm/utils/argparse_utils.py, 0.32.0):
underscores for dashes, a beginning that fits one name, keys behind dots, `-O3`, `-tp=2`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tuner.engines.vllm.installed.flags.config_file import expanded
from tuner.engines.vllm.installed.flags.flag import Flag, Flags
from tuner.engines.vllm.installed.flags.keys import ensure_keys
from tuner.engines.vllm.installed.flags.releases import absent, was_known
from tuner.engines.vllm.installed.flags.value import taken
from tuner.spec.errors import InputError

_OPTION = re.compile(r"--?[A-Za-z]|--$")
_LEVEL = "--optimization-level"
_INSTEAD = re.compile(r"[Uu]se `?(--[\w.-]*\w)(?: ([^\s`]+))?`? instead")
_KEYED = ("json", "text")


@dataclass(frozen=True, slots=True)
class Given:
    """A flag as it was given: its name in the help, keys behind dots ("" without), its values.

    `off` tells that a switch was given as its negation.
    """

    name: str
    keys: str
    values: tuple[str, ...]
    off: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """The words to start with, which flags they are, and what was written otherwise, and why."""

    words: tuple[str, ...]
    given: tuple[Given, ...]
    translated: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Named:
    """A word of the command line, taken apart.

    `name` is written out, `exact` where it was so in the word; `inline` is a value behind `=`.
    """

    flag: Flag
    name: str
    keys: str
    inline: str | None
    exact: bool = True

    @property
    def whole(self) -> str:
        """Return the name with its keys."""
        return f"{self.name}.{self.keys}" if self.keys else self.name


def checked(words: Sequence[str], flags: Flags, folder: Path = Path()) -> Checked:
    """Return the flags of a server, without its model, as the installed version understands them.

    What is deprecated is translated, and a file of --config, relative to `folder`, is put in its
    place. Raises InputError for a flag that this version does not have, with what to write
    instead, and for a value that it would refuse.
    """
    plain, translated = expanded(words, flags, folder)
    kept, given = list[str](), list[Given]()
    for word, rest in _groups(plain):
        said = _said(word, rest, flags)
        kept += said.words
        given += said.given
        translated += said.translated
    return Checked(tuple(kept), tuple(given), tuple(translated))


def _groups(words: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each flag with the words up to the next."""
    starts = [place for place, word in enumerate(words) if _OPTION.match(word)]
    if words and starts[:1] != [0]:
        raise InputError(
            f"{words[0]!r} belongs to no flag; expected flags of the server, without its model"
        )
    for start, end in pairwise([*starts, len(words)]):
        yield words[start], tuple(words[start + 1 : end])


def _said(word: str, rest: tuple[str, ...], flags: Flags) -> Checked:
    named = _named(word, flags)
    values = _values(named, rest, flags)
    if named.flag.deprecated:
        return _without_deprecated(named, values, named.flag.deprecated, flags)
    if named.exact and values == _written(named, rest):
        return Checked((word, *rest), (_given(named, values),), ())
    words = (named.whole, *values)
    note = f"{' '.join((word, *rest))} is written out: {' '.join(words)}"
    return Checked(words, (_given(named, values),), (note,))


def _without_deprecated(named: _Named, values: tuple[str, ...], why: str, flags: Flags) -> Checked:
    """Return what the help names instead of a deprecated flag; the flag itself if it names none."""
    if "no effect" in why:
        return Checked((), (), (f"{named.name} is left out: {why}",))
    note = f"{named.name}: {why}"
    new = _INSTEAD.search(why)
    if new and named.name == named.flag.name and flags.get(_taken_apart(new[1])[0]):
        named = _named(new[1], flags)
        values = _values(named, values or tuple(new[2].split() if new[2] else ()), flags)
        note = f"{named.whole} is written instead: {why}"
    return Checked((named.whole, *values), (_given(named, values),), (note,))


def _given(named: _Named, values: tuple[str, ...]) -> Given:
    off = named.flag.takes == "none" and named.name.startswith("--no-")
    return Given(named.flag.name, named.keys, values, off)


def _named(word: str, flags: Flags) -> _Named:
    """Return which flag a word names; raise InputError if it is none of this version."""
    level = flags.get(_LEVEL)
    if word.startswith("-O") and level:
        return _Named(level, _LEVEL, "", word[2:].removeprefix("=") or None)
    name, keys, inline = _taken_apart(word)
    letter = flags.get(word[:2])
    if letter and flags.get(name) is None:  # -n2, as getopt has it
        return _Named(letter, word[:2], "", word[2:])
    full = _full_name(name, flags)
    flag = flags.get(full)
    if flag is None:
        raise InputError(absent("flags", name, flags.version, flags.names))
    return _Named(flag, full, keys, inline, exact=full == name)


def _taken_apart(word: str) -> tuple[str, str, str | None]:
    """Return the name that vLLM looks up for a word, the keys behind it, and a value in it."""
    name, equals, value = word.partition("=")
    name, _, keys = name.partition(".")
    if name.startswith("--"):
        name = name.replace("_", "-")
    return name, keys, value if equals else None


def _full_name(name: str, flags: Flags) -> str:
    """Return the one name that a beginning fits; a name that once was another flag fits none."""
    if " " in name:
        raise InputError(f"{name!r} is one word; write the flag and its value as two")
    if flags.get(name) or was_known("flags", name) or not re.match("--.", name):
        return name
    fitting = flags.beginning(name)
    if len(fitting) > 1:
        raise InputError(f"{name} begins {', '.join(fitting[:4])}; write one of them in full")
    return fitting[0] if fitting else name


def _written(named: _Named, rest: tuple[str, ...]) -> tuple[str, ...]:
    return rest if named.inline is None else (named.inline, *rest)


def _values(named: _Named, rest: tuple[str, ...], flags: Flags) -> tuple[str, ...]:
    """Return the values of a flag as vLLM takes them; raise InputError for what it refuses."""
    values = _written(named, rest)
    if named.keys:
        return _keyed(named, values, flags)
    if named.flag.takes == "none":
        return _no_values(named, values)
    most = len(values) if named.flag.takes == "many" and named.inline is None else 1
    if len(values) > most:
        raise InputError(f"{named.name} takes one value; {values[most]!r} belongs to no flag")
    if not values and named.flag.takes != "perhaps":
        raise InputError(f"{named.name} has no value; write one behind it")
    try:
        values = tuple(taken(named.flag, value) for value in values)
    except ValueError as refused:
        raise InputError(f"{named.name}: found {' '.join(values)!r}; {refused}") from None
    for value in values:
        ensure_keys(named.flag, (), value, flags)
    return values


def _keyed(named: _Named, values: tuple[str, ...], flags: Flags) -> tuple[str, ...]:
    """Return the value of a key behind a dot, of which only keys are known here."""
    if named.flag.kind not in _KEYED or named.flag.choices:
        raise InputError(f"{named.whole}: {named.name} takes no keys; write its value behind it")
    path = named.keys.removesuffix("+").split(".")
    if not all(path):
        raise InputError(f"{named.whole}: a key between dots is empty; write it")
    if len(values) != 1:
        raise InputError(f"{named.whole}: found {len(values)} values; expected one")
    ensure_keys(named.flag, path, values[0], flags)
    return values


def _no_values(named: _Named, values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        return ()
    negation = f"--no-{named.name.removeprefix('--')}"
    other = f"or {negation}" if negation in named.flag.names else "or leave it out"
    raise InputError(f"{named.name} takes no value, found {values[0]!r}; write it alone, {other}")
