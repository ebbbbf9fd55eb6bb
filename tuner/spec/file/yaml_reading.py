"""Read YAML, in the one place where this is done: what is written is what counts.

YAML 1.1 reads `NO` as false, `9:30` as 570 and `010` as 8 (yaml.org/type). Such a scalar is
refused with the remedy, and so is a key that stands twice. Dates are text. In slots, and where
a study means text, every scalar stays as it is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml

from tuner.spec.errors import InputError
from tuner.spec.file.reading import whole_text
from tuner.spec.requests.workload import Written

_T = TypeVar("_T")

STUDY_TEXTS = re.compile(
    r"name|engine\.(model(\.\d+)?|command\.\d+|env\..+|knobs\.[^.]+\.read\.at)"
)
"""Places of a study, keys with dots between, where a scalar is text whatever it looks like."""

_TAG = "tag:yaml.org,2002:"
_TEXT, _NULL = f"{_TAG}str", f"{_TAG}null"
_TYPED = tuple(_TAG + kind for kind in ("int", "float", "bool"))
_ALIKE = re.compile(
    r"[-+]?(0|[1-9][0-9]*)|[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+][0-9]+)?|(?i:true|false)"
)
"""Typed scalars that YAML 1.1, YAML 1.2 and their readers take for the same."""

_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_JSON_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None}

_MOST_DIGITS = 30
"""More are no number that anybody counts with, and Python itself refuses thousands."""

_SLOT_NAME = re.compile(r"[^\W\d][\w .-]*")
_SLOTS = "expected slot names with non-empty lists of values, such as day: [monday, friday]"


def parsed_yaml(text: str, path: Path, texts: re.Pattern[str] | None = None) -> Any:
    """Return what a YAML text holds; raise InputError, naming `path`, for what is refused.

    `texts` matches the places, keys with dots between, where a scalar is text.
    """

    def read(loader: _Loader) -> Any:
        root = loader.get_single_node()
        if root is None:
            return None
        if texts is not None:
            _mark_texts(root, "", texts)
        return loader.construct_document(root)

    return _loaded(text, str(path), read)


def written_at(text: str, path: Path) -> dict[str, tuple[str, int]]:
    """Return the text and the line of each place of a YAML text, keys with dots between.

    The text of a mapping, and of a list that holds one, is ""; a shorter list is in brackets.
    Raises InputError, naming `path`, for what is no YAML.
    """

    def read(loader: _Loader) -> dict[str, tuple[str, int]]:
        root = loader.get_single_node()
        return {} if root is None else dict(_places(root, "", 1))

    return _loaded(text, str(path), read)


def _places(node: yaml.Node, at: str, line: int) -> Iterator[tuple[str, tuple[str, int]]]:
    """Yield each place below a node; what is merged in comes first, so that others replace it."""
    if at:
        yield at, (_shown(node), line)
    if isinstance(node, yaml.MappingNode):
        for key, value in sorted(node.value, key=lambda pair: pair[0].value != "<<"):
            name = at if key.value == "<<" else f"{at}.{key.value}".lstrip(".")
            yield from _places(value, name, key.start_mark.line + 1)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            if not isinstance(value, yaml.ScalarNode):
                yield from _places(value, f"{at}.{number}", value.start_mark.line + 1)


def _shown(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    plain = all(isinstance(value, yaml.ScalarNode) for value in node.value)
    lists = isinstance(node, yaml.SequenceNode) and plain
    return f"[{', '.join(v.value for v in node.value)}]" if lists else ""


def parsed_slots(text: str, path: Path) -> dict[str, tuple[Any, ...]]:
    """Return the values of each slot of a YAML text, which are sent as they are written.

    What has a type in JSON (4, 1.5, true) keeps it for what is expected of an answer.
    """

    def read(loader: _Loader) -> dict[str, tuple[Any, ...]]:
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            raise InputError(f"{path}: {_SLOTS}")
        loader.ensure_unique(root)
        return {_slot_name(loader, key): _slot(loader, key, given) for key, given in root.value}

    return _loaded(text, str(path), read)


def parsed_setting(text: str, where: str) -> Any:
    """Return a setting of the command line: a number, true or false as JSON has them, or text."""
    if text[:1] in ("'", '"'):
        return parsed_yaml(text, Path(where))
    try:
        read = _as_in_json(whole_text(text))
    except ValueError as half:
        raise InputError(f"{where}: {text!r} {half}") from None
    value = read.value if isinstance(read, Written) else read
    return text if value is None else value


class _Loader(yaml.SafeLoader):
    """Builds the values of a document and refuses what does not mean what is written."""

    place = ""

    def refuse(self, node: yaml.Node, problem: str) -> NoReturn:
        """Raise InputError for a node, with its line."""
        raise InputError(f"{self.place}:{node.start_mark.line + 1}: {problem}")

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping none of whose keys stands twice."""
        self.ensure_unique(node)
        return super().construct_mapping(node, deep)

    def ensure_unique(self, node: yaml.MappingNode) -> None:
        """Raise InputError for a key that stands twice; what is merged in may be replaced."""
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in lines:
                    first = lines[key.value]
                    self.refuse(
                        key, f"{key.value} stands twice (first in line {first}); keep one of them"
                    )
                lines[key.value] = key.start_mark.line + 1

    def text(self, node: yaml.ScalarNode) -> str:
        """Return a text that can be sent and handed to a program."""
        if "\0" in node.value:
            self.refuse(node, "a text holds a NUL character, which no program takes; remove it")
        try:
            return whole_text(node.value)
        except ValueError as half:
            self.refuse(node, f"a text {half}")

    def typed(self, node: yaml.ScalarNode) -> Any:
        """Return a number, true or false that is written as everybody reads it."""
        kind = node.tag.removeprefix(_TAG)
        if len(node.value) > _MOST_DIGITS:
            self.refuse(node, f"a number of {len(node.value)} characters; write it in quotes")
        resolved = self.resolve(yaml.ScalarNode, node.value, (True, False))  # type: ignore[no-untyped-call]
        if resolved != node.tag:
            self.refuse(node, f"{node.value!r} is no {kind}; write the value alone, without !!")
        read = getattr(self, f"construct_yaml_{kind}")(node)
        if not _ALIKE.fullmatch(node.value):
            shown = str(read).lower() if isinstance(read, bool) else str(read)
            finite = "a finite number" if read - read != 0 else shown
            self.refuse(
                node,
                f"YAML reads {node.value} as {shown}; write it in quotes for the text, or {finite}",
            )
        return read


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != f"{_TAG}timestamp"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor(_TEXT, _Loader.text)
for _tag in _TYPED:
    _Loader.add_constructor(_tag, _Loader.typed)


def _mark_texts(node: yaml.Node, at: str, texts: re.Pattern[str]) -> None:
    """Make texts of the scalars at places where text is meant."""
    if isinstance(node, yaml.ScalarNode):
        if node.tag in _TYPED and texts.fullmatch(at):
            node.tag = _TEXT
        return
    inner = node.value if isinstance(node, yaml.MappingNode) else enumerate(node.value)
    for key, value in inner:
        name = str(getattr(key, "value", key))
        _mark_texts(value, f"{at}.{name}" if at else name, texts)


def _slot_name(loader: _Loader, key: yaml.Node) -> str:
    if not isinstance(key, yaml.ScalarNode) or not _SLOT_NAME.fullmatch(key.value):
        loader.refuse(key, f"{_SLOTS}; a name begins with a letter and holds no braces")
    return str(key.value)


def _slot(loader: _Loader, key: yaml.ScalarNode, given: yaml.Node) -> tuple[Any, ...]:
    if not isinstance(given, yaml.SequenceNode) or not given.value:
        loader.refuse(key, f"{key.value}: {_SLOTS}")
    return tuple(_slot_value(loader, node) for node in given.value)


def _slot_value(loader: _Loader, node: yaml.Node) -> Any:
    if not isinstance(node, yaml.ScalarNode) or (node.style is None and not node.value):
        loader.refuse(node, 'expected one text or number for a slot; an empty text is ""')
    if node.tag not in (_TEXT, _NULL, *_TYPED):
        loader.refuse(node, f"not valid YAML in a list of slots: {node.tag}; write the value alone")
    text = loader.text(node)
    if node.style is not None:
        return text
    read = _as_in_json(text)
    return Written(text, text) if read == text and node.tag in _TYPED else read


def _as_in_json(text: str) -> Any:
    """Return what stands without quotes as JSON reads it, and text as it is."""
    if text in _JSON_WORDS:
        return _written(text, _JSON_WORDS[text])
    if len(text) > _MOST_DIGITS or not _JSON_NUMBER.fullmatch(text):
        return text
    number = json.loads(text)
    if number - number != 0:  # 1e999, which no number can hold
        return text
    return _written(text, number)


def _written(text: str, value: Any) -> Any:
    return value if str(value) == text else Written(text, value)


def _loaded(text: str, place: str, read: Callable[[_Loader], _T]) -> _T:
    """Return what `read` makes of a YAML text; raise InputError where it is broken."""
    try:
        loader = _Loader(text)
        loader.place = place
        return read(loader)
    except yaml.YAMLError as broken:
        raise InputError(f"{place}: not valid YAML: {_told(broken)}") from None
    except RecursionError:
        raise InputError(f"{place}: not valid YAML: nested too deeply, or in itself") from None


def _told(broken: yaml.YAMLError) -> str:
    """Return what YAML says; a template without quotes is a mapping to it, or no token at all."""
    text = " ".join(str(broken).split())
    unquoted = "unhashable key" in text or "character '%'" in text
    return f"{text}; put {{{{ ... }}}} and {{% ... %}} in quotes" if unquoted else text
