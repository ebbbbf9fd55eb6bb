"""A GGUF's Jinja chat template as an Ollama TEMPLATE that gives the identical prompt.

The Jinja template is treated as a black box: it is rendered with a few probe conversations,
the fixed texts around each turn are read off, and the result is believed only if it composes
other conversations character by character as Jinja does. Templates that do more than put
texts around turns (trim them, merge the system message into the user's, write the date) are
not derivable, and no TEMPLATE is better than one that is nearly right.

BOS: llama.cpp's chat path takes a BOS that a template wrote off again where the tokenizer adds
one (`common/chat.cpp`), and Ollama hands the rendered text to that same tokenizer. So a
`ChatFormat` knows the BOS, which is part of Jinja's output, and `go_template` leaves it out,
as Ollama's built-in templates do: written, it would stand there twice.

Ollama's side (`template/template.go`, `server/routes.go`): a template that names .Messages
gets them all, those of one role in a row joined by a blank line; Modelfile MESSAGEs come
before those of the request, SYSTEM before all, unless the request starts with a system one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Final, NoReturn, TypeAlias

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tuner.spec.errors import InputError
from tuner.spec.values import Message, Role

Turn: TypeAlias = tuple[str, str]

# What a template may raise by itself: its own raise_exception, and Python's complaints about
# what it does to its values. Not derivable, whichever it is.
_TEMPLATE_ERRORS = (
    TemplateError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
_MARKS: Final = ("q7Ax", "q7Bx", "q7Cx")
_SYSTEM_MARK: Final = "q7Sx"
_NASTY: Final = (
    "plain",
    "  space around \n",
    "\n\nlines\n\nand more",
    "“ünïcödé” 日本語 👩‍🚀",
    'quotes " \' """ and {"json": [{"a": {}}]}',
    "{{ x }} {% raw %} {# c #} \\n <b>&amp;",
)
# A literal that Go would not take as it stands, or that Ollama's Modelfile parser would not
# keep: these are written as a quoted Go string inside an action.
_NEEDS_QUOTES = re.compile(r'[{\r\\]|"""')


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """The fixed texts of a prompt: what stands around each turn, before and after all.

    `default_system` is the whole text that is inserted when the first message is not a system
    one. `turns` maps the roles that the template takes to their prefix and suffix.
    """

    before_all: str = ""
    default_system: str | None = None
    turns: Mapping[Role, Turn] = field(default_factory=dict)
    generation_prompt: str = ""


class _Unfit(Exception):
    """The template is not of the derivable kind; never leaves this module."""


def derive(chat_template: str, bos_token: str, eos_token: str) -> ChatFormat | None:
    """Return the format that a Jinja chat template applies, or None where it is no such thing.

    Rendered as transformers does (`utils/chat_template_utils.py`): sandboxed, trim_blocks,
    lstrip_blocks, with bos_token, eos_token, raise_exception and add_generation_prompt.
    """
    try:
        jinja = _Jinja(chat_template, bos_token, eos_token)
        return next((f for f in _guesses(jinja, bos_token) if _agrees(jinja, f)), None)
    except (_Unfit, *_TEMPLATE_ERRORS):
        return None


def compose(fmt: ChatFormat, messages: Sequence[Message]) -> str:
    """Return the prompt for a conversation, up to where the model's answer starts.

    Raises InputError for a role that the chat template does not take.
    """
    first_is_system = bool(messages) and messages[0].role == "system"
    start = "" if first_is_system else fmt.default_system or ""
    turns = "".join(_turn(fmt, message) for message in messages)
    return fmt.before_all + start + turns + fmt.generation_prompt


def go_template(fmt: ChatFormat) -> str:
    """Return Ollama's TEMPLATE for a format: the same prompt, without the BOS (see above).

    Messages of a role that the chat template does not take are left out.
    """
    default = ""
    if fmt.default_system:
        text = _literal(fmt.default_system)
        default = f'{{{{ if and (eq $i 0) (ne $m.Role "system") }}}}{text}{{{{ end }}}}'
    return (
        "{{ range $i, $m := .Messages }}"
        + default
        + _branches(fmt.turns)
        + "{{ end }}"
        + _literal(fmt.generation_prompt)
    )


class _Jinja:
    """A chat template, compiled once, that renders conversations."""

    def __init__(self, source: str, bos_token: str, eos_token: str) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = partial(json.dumps, ensure_ascii=False)
        environment.globals.update(raise_exception=_refuse, strftime_now=_refuse)
        self._template = environment.from_string(source)
        self._tokens = {"bos_token": bos_token, "eos_token": eos_token}

    def __call__(self, messages: Sequence[Message], *, generation: bool = True) -> str:
        return self._template.render(
            messages=[{"role": m.role, "content": m.content} for m in messages],
            tools=None,
            documents=None,
            add_generation_prompt=generation,
            **self._tokens,
        )


def _refuse(reason: str) -> NoReturn:
    """Stand in for raise_exception, and for strftime_now: a date cannot be kept in a file."""
    raise _Unfit(reason)


def _guesses(jinja: _Jinja, bos: str) -> list[ChatFormat]:
    """Read the formats off that would explain the probes.

    Where an assistant's turn ends and the next prefix begins cannot be told from one text, so
    there is one guess for the end that a closing assistant turn shows, one for the user's.
    """
    user, answer, again = _conversation(*_MARKS)
    head, suffix = _around(jinja([user], generation=False), _MARKS[0])
    generation = _after(jinja([user]), jinja([user], generation=False))
    whole = jinja([user, answer, again], generation=False)
    between = _after(whole.partition(_MARKS[0])[2].partition(_MARKS[1])[0], suffix)
    turnover = whole.partition(_MARKS[1])[2].partition(_MARKS[2])[0]
    guesses = []
    for end in dict.fromkeys((_assistant_end(jinja, user, answer), suffix)):
        if end is None or not turnover.startswith(end) or not head.endswith(turnover[len(end) :]):
            continue
        prefix = turnover[len(end) :]
        turns: dict[Role, Turn] = {"user": (prefix, suffix), "assistant": (between, end)}
        # ChatML models name their turn marker as BOS: there it belongs to every turn
        separate = bos and head.startswith(bos) and not prefix.startswith(bos)
        before = bos if separate else ""
        default = head[len(before) : len(head) - len(prefix)]
        turns |= _system(jinja, before, prefix)
        guesses.append(ChatFormat(before, default or None, MappingProxyType(turns), generation))
    return guesses


def _system(jinja: _Jinja, before: str, user_prefix: str) -> dict[Role, Turn]:
    """Read the system turn off; none where the template refuses one."""
    user = Message("user", _MARKS[0])
    try:
        text = jinja([Message("system", _SYSTEM_MARK), user], generation=False)
    except (_Unfit, *_TEMPLATE_ERRORS):
        return {}
    head, rest = _around(text, _SYSTEM_MARK)
    between = rest.partition(_MARKS[0])[0]
    if not between.endswith(user_prefix):
        raise _Unfit("the system message is part of another turn")
    return {"system": (_after(head, before), between[: len(between) - len(user_prefix)])}


def _assistant_end(jinja: _Jinja, user: Message, answer: Message) -> str | None:
    try:
        return _around(jinja([user, answer], generation=False), answer.content)[1]
    except (_Unfit, *_TEMPLATE_ERRORS):
        return None


def _agrees(jinja: _Jinja, fmt: ChatFormat) -> bool:
    """Compare with Jinja on conversations that the format was not read off."""
    starts: list[list[Message]] = [[]]
    if "system" in fmt.turns:
        starts += [[Message("system", text)] for text in _NASTY]
    turns = [_conversation(*_NASTY[:n]) for n in (1, 3, 5)]
    turns += [_conversation(text, *reversed(_NASTY[:4])) for text in _NASTY]
    turns += [_conversation("ask", text, "again") for text in _NASTY]
    turns += [_conversation(text) for text in _NASTY]
    conversations = [start + turn for start in starts for turn in turns]
    return all(compose(fmt, messages) == jinja(messages) for messages in conversations)


def _conversation(*texts: str) -> list[Message]:
    """Let user and assistant say the texts in turn."""
    roles: tuple[Role, Role] = ("user", "assistant")
    return [Message(roles[i % 2], text) for i, text in enumerate(texts)]


def _around(text: str, mark: str) -> Turn:
    """Split a text at its only mark."""
    if text.count(mark) != 1:
        raise _Unfit("a message is left out or repeated")
    head, _, tail = text.partition(mark)
    return head, tail


def _after(text: str, start: str) -> str:
    if not text.startswith(start):
        raise _Unfit("the texts around a turn depend on what follows")
    return text[len(start) :]


def _turn(fmt: ChatFormat, message: Message) -> str:
    if message.role not in fmt.turns:
        raise InputError(
            f"The chat template takes no {message.role} message, only {', '.join(fmt.turns)}: "
            "leave it out or choose another model."
        )
    prefix, suffix = fmt.turns[message.role]
    return prefix + message.content + suffix


def _branches(turns: Mapping[Role, Turn]) -> str:
    """Write one branch a role."""
    text = ""
    for number, (role, (prefix, suffix)) in enumerate(turns.items()):
        test = f'{"else if" if number else "if"} eq $m.Role "{role}"'
        text += f"{{{{ {test} }}}}{_literal(prefix)}{{{{ $m.Content }}}}{_literal(suffix)}"
    return text + "{{ end }}" if text else ""


def _literal(text: str) -> str:
    """Write a fixed text so that Go's text/template gives exactly it."""
    kept = all(c.isprintable() or c in "\n\t" for c in text)
    if kept and not _NEEDS_QUOTES.search(text):
        return text
    return "{{ " + "".join(['"', *map(_escaped, text), '"']) + " }}"


def _escaped(char: str) -> str:
    """Escape a character for an interpreted Go string, all of it printable ASCII or letters."""
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    return f"\\U{ord(char):08x}"
