"""Read Modelfiles as Ollama does, and write them so that Ollama reads the same.

A value holds what Ollama holds: the last SYSTEM and the last TEMPLATE count, `stop` lines add up.
Unlike Ollama it holds deprecated parameters, for the linter. Comments after the first instruction
are lost. Line breaks inside quotes are part of the text, CR included: read files with `load`, and
write them with `newline=""`.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from tuner.modelfile import grammar, parameters
from tuner.spec.errors import InputError
from tuner.spec.templates import fill
from tuner.spec.values import Message, Role

NO_FROM: Final = "no FROM line: name the base model or file, as in FROM llama3."

_TEXTS: Final = frozenset({"TEMPLATE", "SYSTEM", "MESSAGE", "LICENSE"})
_NEVER_EMPTY: Final = {
    "FROM": "name a model or a file",
    "ADAPTER": "name a file or leave the line out",
    "DRAFT": "name a file or leave the line out",
    "SYSTEM": "an empty SYSTEM does not clear that of the base, so leave it out or write a text",
    "TEMPLATE": "an empty TEMPLATE does not clear that of the base, so leave it out",
    "RENDERER": "leave it out",
    "PARSER": "leave it out",
    "REQUIRES": "leave it out",
}
_VERSION = re.compile(
    r"v?(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)"
    r"(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?)?)?"
)


@dataclass(frozen=True, slots=True)
class Modelfile:
    """A Modelfile.

    `base` is its FROM, `layers` are those of further FROM lines (projectors). `parameters` are in
    order, with their values as written; `stop` may repeat. `header` holds the comments at the top
    without `# `.
    """

    base: str
    layers: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ()
    drafts: tuple[str, ...] = ()
    template: str | None = None
    system: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    messages: tuple[Message, ...] = ()
    licenses: tuple[str, ...] = ()
    renderer: str | None = None
    parser: str | None = None
    requires: str | None = None
    header: tuple[str, ...] = ()


def load(path: Path) -> Modelfile:
    """Read a Modelfile from disk; raise InputError where it cannot be read or parsed."""
    return parse(text_of(path), str(path))


def text_of(path: Path) -> str:
    """Return a Modelfile's text, decoded as Ollama does: as UTF-8, or as its BOM says.

    Raises InputError where it cannot be read. Source: `parser/parser.go`, ParseFile.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"The Modelfile {path} cannot be read ({error.strerror}): check the path."
        ) from error
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if wide else "utf-8", "replace")


def parse(text: str, name: str = "Modelfile") -> Modelfile:
    """Read a Modelfile's text as Ollama's own parser does.

    Raises InputError, with `name` and line, for what `ollama create` would refuse, and for a
    FROM without a value. Source: `parser/parser.go`, `api.FormatParams`.
    """
    text = text.removeprefix("\ufeff")
    found = tuple(grammar.instructions(text, name))
    for instruction in found:
        _check(instruction, name)
    bases = _all(found, "FROM")
    if not bases:
        raise InputError(f"{name}: {NO_FROM}")
    return Modelfile(
        base=bases[0],
        layers=bases[1:],
        adapters=_all(found, "ADAPTER"),
        drafts=_all(found, "DRAFT"),
        template=_last(found, "TEMPLATE"),
        system=_last(found, "SYSTEM"),
        parameters=tuple((i.name, i.value) for i in found if i.word == "PARAMETER"),
        messages=tuple(Message(cast(Role, i.name), i.value) for i in found if i.word == "MESSAGE"),
        licenses=_all(found, "LICENSE"),
        renderer=_last(found, "RENDERER"),
        parser=_last(found, "PARSER"),
        requires=_last(found, "REQUIRES"),
        header=grammar.comments(text),
    )


def write(modelfile: Modelfile) -> str:
    """Return the text that Ollama's parser reads back as this Modelfile.

    Raises InputError for what the grammar cannot hold (a character that the parser drops, a
    line that ends in three quotes), for empty texts, which would not have the effect that
    they seem to have, and for parameters that Ollama would refuse.
    """
    for line in modelfile.header:
        if "\n" in line or "\r" in line:
            raise InputError(f"A comment holds a line break ({line!r}): write two comments.")
    lines = [_line(word, name, value) for word, name, value in _parts(modelfile)]
    return fill(
        "ollama/Modelfile.j2",
        {"header": modelfile.header, "base": lines[0][1], "instructions": lines[1:]},
    )


def _parts(modelfile: Modelfile) -> Iterable[tuple[str, str, str]]:
    """Yield word, name and value of each instruction, in the order of the text."""
    yield from (("FROM", "", base) for base in (modelfile.base, *modelfile.layers))
    yield from (("ADAPTER", "", adapter) for adapter in modelfile.adapters)
    yield from (("DRAFT", "", draft) for draft in modelfile.drafts)
    single = {
        "REQUIRES": modelfile.requires,
        "RENDERER": modelfile.renderer,
        "PARSER": modelfile.parser,
        "TEMPLATE": modelfile.template,
        "SYSTEM": modelfile.system,
    }
    yield from ((word, "", value) for word, value in single.items() if value is not None)
    yield from (("PARAMETER", name, value) for name, value in modelfile.parameters)
    yield from (("MESSAGE", message.role, message.content) for message in modelfile.messages)
    yield from (("LICENSE", "", text) for text in modelfile.licenses)


def line_of(word: str, name: str, value: str) -> str:
    """Return the text of one instruction; raise InputError for what the grammar cannot hold."""
    return " ".join(_line(word, name, value))


def _line(word: str, name: str, value: str) -> tuple[str, str]:
    """Return the two halves of an instruction's line: its word and name, and its quoted value."""
    problem = _problem(word, name, value)
    if problem:
        raise InputError(f"The Modelfile cannot be written: {problem}")
    start = f"{word} {name}".rstrip()
    return start, grammar.quoted(value, start, bare=word not in _TEXTS)


def _check(instruction: grammar.Instruction, file: str) -> None:
    """Raise InputError for what `ollama create` refuses, although its grammar takes it."""
    problem = refused(instruction)
    if problem:
        grammar.fail(file, instruction.line, problem)


def refused(instruction: grammar.Instruction) -> str | None:
    """Return why `ollama create` refuses what its grammar takes, None where it takes it too.

    A blank SYSTEM or TEMPLATE is legal but without effect: the linter warns of it.
    """
    if instruction.word in _TEXTS and not instruction.value:
        return None
    return _problem(instruction.word, instruction.name, instruction.value)


def _problem(word: str, name: str, value: str) -> str | None:
    """Return what is wrong with an instruction's value, None where nothing is."""
    if word == "PARAMETER":
        return parameters.complaint(name, value)
    if not value and word in _NEVER_EMPTY:
        return f"{word} has no value: {_NEVER_EMPTY[word]}."
    if word == "MESSAGE" and name not in grammar.ROLES:
        return f"MESSAGE has the role {name!r}, expected one of {', '.join(grammar.ROLES)}."
    if word == "REQUIRES" and not _VERSION.fullmatch(value):
        return f"REQUIRES is {value!r}, expected a version of Ollama such as 0.14.0."
    return None


def _all(found: Iterable[grammar.Instruction], word: str) -> tuple[str, ...]:
    return tuple(i.value for i in found if i.word == word)


def _last(found: Iterable[grammar.Instruction], word: str) -> str | None:
    return next(iter(reversed(_all(found, word))), None)
