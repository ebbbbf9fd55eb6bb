"""Turn a GGUF's Jinja chat template into an Ollama TEMPLATE that gives the identical prompt.

The Jinja template is a black box here. A few probe conversations are rendered with it, and the
fixed texts around each turn are read off their prompts. The result counts only if it gives the
same prompt as Jinja, character by character, for other conversations too. Some templates do more
than put texts around turns: they trim them, merge the system message into the user's, or write
the date. They have no result, because no TEMPLATE is better than one that is nearly right.

BOS: a template may write a BOS, and the tokenizer may add another one. llama.cpp removes the
template's BOS then (`common/chat.cpp`). Ollama does not, although it uses the same tokenizer. So
a `ChatFormat` knows the BOS, which is part of Jinja's output, and `go_template` leaves it out, as
Ollama's built-in templates do.

Ollama's side (`template/template.go`, `server/routes.go`): a template that names .Messages
gets all messages, and consecutive messages of one role are joined by a blank line. The MESSAGEs
of a Modelfile come before those of the request. SYSTEM comes before all of them, unless the
request starts with a system message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
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
    """The fixed texts of a prompt: before all turns, around each turn, and after all turns.

    `default_system` is the whole text that a prompt gets when its first message is not a system
    message. `turns` maps the roles that the template takes to their prefix and suffix.
    """

    before_all: str = ""
    default_system: str | None = None
    turns: Mapping[Role, Turn] = field(default_factory=dict)
    generation_prompt: str = ""


class _Unfit(Exception):
    """The template has no `ChatFormat`; this error never leaves the module."""


def derive(chat_template: str, bos_token: str, eos_token: str) -> ChatFormat | None:
    """Return the format that a Jinja chat template applies, None where it does more than that.

    It is rendered as transformers does (`utils/chat_template_utils.py`): sandboxed, trim_blocks,
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
    """Return the Ollama TEMPLATE that gives the same prompt without the BOS (see above).

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


def rendered(
    chat_template: str, bos_token: str, eos_token: str, messages: Sequence[Message]
) -> str | None:
    """Return the prompt that a Jinja template makes today, None where it takes no such messages."""
    try:
        return _Jinja(chat_template, bos_token, eos_token, _today)(messages)
    except (_Unfit, *_TEMPLATE_ERRORS):
        return None


def _today(form: str) -> str:
    return datetime.now().strftime(form)


class _Jinja:
    """A compiled chat template that renders conversations."""

    def __init__(
        self,
        source: str,
        bos_token: str,
        eos_token: str,
        strftime_now: Callable[[str], str] | None = None,
    ) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = partial(json.dumps, ensure_ascii=False)
        environment.globals.update(raise_exception=_refuse, strftime_now=strftime_now or _refuse)
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
    """Stand in for raise_exception, and for strftime_now, since no file can hold today's date."""
    raise _Unfit(reason)


def _guesses(jinja: _Jinja, bos: str) -> list[ChatFormat]:
    """Return the formats that would explain the prompts of the probes.

    One prompt does not show where an assistant's turn ends and the next prefix begins. So there
    are two guesses: it ends like the last assistant turn of a prompt, or like a user's turn.
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
    """Return the texts around a system turn, {} where the template refuses one."""
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
    """Tell whether a format gives Jinja's prompts for conversations other than the probes."""
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
    """Return a conversation in which user and assistant say the texts in turn."""
    roles: tuple[Role, Role] = ("user", "assistant")
    return [Message(roles[i % 2], text) for i, text in enumerate(texts)]


def _around(text: str, mark: str) -> Turn:
    """Return what stands before and after a mark that occurs once."""
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
    """Return one branch of an if for each role."""
    text = ""
    for number, (role, (prefix, suffix)) in enumerate(turns.items()):
        test = f'{"else if" if number else "if"} eq $m.Role "{role}"'
        text += f"{{{{ {test} }}}}{_literal(prefix)}{{{{ $m.Content }}}}{_literal(suffix)}"
    return text + "{{ end }}" if text else ""


def _literal(text: str) -> str:
    """Return a fixed text in the form in which Go's text/template writes it unchanged."""
    kept = all(c.isprintable() or c in "\n\t" for c in text)
    if kept and not _NEEDS_QUOTES.search(text):
        return text
    return "{{ " + "".join(['"', *map(_escaped, text), '"']) + " }}"


def _escaped(char: str) -> str:
    """Return a character as an interpreted Go string holds it, in printable ASCII or letters."""
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    return f"\\U{ord(char):08x}"
