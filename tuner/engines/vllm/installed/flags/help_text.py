"""Read the flags of the installed vLLM from what `vllm serve --help=all` prints.

The text is argparse's: an option stands two columns in, with its names and the place of its value,
and its help further in, with the default at its end. Lines may be broken anywhere.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from tuner.engines.vllm.installed.flags.flag import Flag, Flags, Kind, Takes
from tuner.engines.vllm.installed.flags.source import Declared, Number
from tuner.spec.errors import InputError

_OPTION = re.compile(r"  (?=-{1,2}[A-Za-z])(?P<names>\S+(?: \S+)*)(?:\s{2,}(?P<help>.*))?")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_DEFAULT = re.compile(r"\(default: (.*)\)$")
_CHOICES = re.compile(r"\{([^{}]*)\}(?: \[\{[^{}]*\} \.\.\.\])?")
_CONFIG = re.compile(r"#vllm\.config\.(\w+)")
_JSON = "valid JSON string"
_SIZE = "human-readable integers like"
_AUTO = "special value for auto"


def flags_of(help_text: str, version: str, source: Declared | None = None) -> Flags:
    """Return the flags that a help text lists, with what the source declares where it is known.

    Raises InputError for a text that lists none.
    """
    source = source or Declared()
    found = (_flag(names, text, source.numbers) for names, text in _options(help_text))
    flags = tuple(flag for flag in found if flag and flag.name != "--help")
    if not flags:
        raise InputError(
            f"what vLLM {version} printed for --help=all lists no flags; run `vllm serve "
            "--help=all` and see what it prints"
        )
    return Flags(version, flags, source.keys)


def _options(text: str) -> Iterator[tuple[str, str]]:
    """Yield each option's names with its help, in one line."""
    names, said = "", list[str]()
    for line in _COLOUR.sub("", text).splitlines():
        if option := _OPTION.fullmatch(line):
            if names:
                yield names, _joined(said)
            names, said = option["names"], [option["help"] or ""]
        elif line and not line.startswith("   "):  # a title, or what describes a group
            if names:
                yield names, _joined(said)
            names = ""
        else:
            said.append(line)
    if names:
        yield names, _joined(said)


def _joined(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


def _flag(written: str, text: str, numbers: Mapping[str, Number]) -> Flag | None:
    parts = [part.partition(" ") for part in re.split(r", (?=-)", written)]
    names = tuple(name for name, _, _ in parts)
    long = [name for name in names if name.startswith("--")]
    if not long:
        return None
    place = next((place for _, _, place in reversed(parts) if place), "")
    default = _DEFAULT.search(text)
    told = default[1] if default else None
    return Flag(
        name=long[0],
        names=names,
        kind=_kind(place, text, told, numbers.get(long[0])),
        takes=_takes(place),
        choices=_choices(place),
        default=told,
        deprecated=_deprecated(names, text),
        config=config[1] if (config := _CONFIG.search(text)) else None,
    )


def _takes(place: str) -> Takes:
    if not place:
        return "none"
    if place.endswith("...]"):
        return "many"
    return "perhaps" if place.startswith("[") and not _listed(place) else "one"


def _listed(place: str) -> bool:
    """Tell whether the place shows values as Python writes a list: ['auto', 'hf']."""
    try:
        return isinstance(ast.literal_eval(place), list)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False


def _choices(place: str) -> tuple[str, ...]:
    """Return the only values that are taken; a list, or one with words behind it, is not."""
    choices = _CHOICES.fullmatch(place)
    return tuple(choices[1].split(",")) if choices else ()


def _kind(place: str, text: str, default: str | None, declared: Number | None) -> Kind:
    if not place:
        return "switch"
    if _JSON in text:
        return "json"
    if _SIZE in text:
        return "length" if _AUTO in text else "size"
    if declared:
        return declared
    # 0 may be the default of a fraction, so that a whole number does not tell more
    return "number" if default and re.fullmatch(r"-?\d+(\.\d+)?", default) else "text"


def _deprecated(names: tuple[str, ...], text: str) -> str | None:
    """Return what the help says of a flag that is deprecated, None of another."""
    itself = "|".join(re.escape(name) for name in names)
    said = re.match(rf"\[?deprecated\b|.*(?:{itself})`? (?:is|has been) deprecated", text, re.I)
    return _DEFAULT.sub("", text).strip() if said else None
