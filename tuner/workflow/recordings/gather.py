"""Read a recording once: redact each request, find those that are alike, count what is left."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TextIO

from tuner.spec.errors import InputError
from tuner.spec.values import Message
from tuner.workflow.recordings.conversations import Joined, conversation_of
from tuner.workflow.recordings.formats import FORMATS, Format
from tuner.workflow.recordings.kinds import kind_of
from tuner.workflow.recordings.mix import Seen
from tuner.workflow.recordings.redaction import told_names
from tuner.workflow.recordings.rules_file import Rules
from tuner.workflow.recordings.told import Broken, Chat, NoPlace, Told

MOST_BROKEN = 0.05
"""With a larger share of broken records a file is not what it is taken for."""

_SHOWN = 3


@dataclass(slots=True)
class Distinct:
    """A prompt that stands once in the file: how often it came, and in which conversation."""

    name: str
    kind: str
    conversation: bytes
    count: int = 1


@dataclass(slots=True)
class Gathered:
    """What one pass over a recording found; it grows by requests, not by their texts.

    `distinct` is in the order in which the texts stand in the spool.
    """

    distinct: dict[bytes, Distinct] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    joined: Joined = field(default_factory=Joined)
    redacted: Counter[str] = field(default_factory=Counter)
    beside: Counter[str] = field(default_factory=Counter)
    no_place: Counter[str] = field(default_factory=Counter)
    broken: int = 0
    examples: list[str] = field(default_factory=list)
    cut_off: str | None = None
    read: int = 0


def gather(
    path: Path, answers: Path | None, format_: str, rules: Rules, first: int | None, spool: TextIO
) -> Gathered:
    """Write each distinct chat of a recording, redacted, into the spool; return what was counted.

    Raises InputError for a recording that cannot be read, or holds no request that can be used.
    """
    form, found = FORMATS[format_], Gathered()
    for told in islice(form.told(path, answers), first):
        if isinstance(told, Broken) and told.cut_off:
            found.cut_off = told.why
            continue
        found.read += 1
        try:
            _take(told, form, rules, found, spool)
        except NoPlace as why:
            found.no_place[str(why)] += 1
        except InputError as wrong:
            found.broken += 1
            found.examples += [str(wrong)] * (len(found.examples) < _SHOWN)
    _ensure_useful(path, found)
    return found


def chats(spool: TextIO) -> Iterator[tuple[Message, ...]]:
    """Yield the messages of the chats of a spool, in their order."""
    spool.seek(0)
    for line in spool:
        yield tuple(Message(role, content) for role, content in json.loads(line))


def _take(told: Told | Broken, form: Format, rules: Rules, found: Gathered, spool: TextIO) -> None:
    if isinstance(told, Broken):
        raise InputError(told.why)
    try:
        chat = form.chat(told.record)
        kind = kind_of(rules.kinds, told.record, chat.asked)
        counts: Counter[str] = Counter()
        redacted = _redacted(told, form, rules, counts)
    except NoPlace:
        raise
    except InputError as wrong:
        raise InputError(f"{told.place}: {wrong}") from None
    conversation = conversation_of(told.record, chat.messages, rules.conversation)
    found.redacted += counts
    found.beside.update(chat.beside)
    _count(told, redacted, kind, conversation, found, spool)


def _redacted(told: Told, form: Format, rules: Rules, counts: Counter[str]) -> Chat:
    """Return the chat of a record after its fields and its texts are redacted."""
    chat = form.chat(rules.redaction.fields(told.record, counts))
    return rules.redaction.chat(chat, told_names(told.record), counts)


def _count(
    told: Told, chat: Chat, kind: str, conversation: bytes, found: Gathered, spool: TextIO
) -> None:
    chars = sum(len(m.content) for m in chat.messages)
    found.seen.append(Seen(conversation, kind, chars, told.answer_tokens, told.at_s))
    key = _key(kind, chat.messages)
    if known := found.distinct.get(key):
        known.count += 1
        found.joined.join(known.conversation, conversation)
        return
    found.distinct[key] = Distinct(told.name, kind, conversation)
    spool.write(json.dumps([[m.role, m.content] for m in chat.messages]) + "\n")


def _key(kind: str, messages: tuple[Message, ...]) -> bytes:
    """Return a digest that is the same for the same kind and texts.

    Line breaks are alike on all systems, letters in whatever way they are composed (Unicode's NFC),
    and space around a text is nothing.
    """
    said = [[m.role, _normal(m.content)] for m in messages]
    return sha256(json.dumps([kind, said]).encode()).digest()[:16]


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def _ensure_useful(path: Path, found: Gathered) -> None:
    if found.broken > MOST_BROKEN * found.read:
        raise InputError(
            f"{path}: {found.broken} of {found.read} records are broken, more than "
            f"{MOST_BROKEN:.0%}; look at the file and --format ({'; '.join(found.examples)})"
        )
    if not found.seen:
        why = ", ".join(reasons(found.no_place)) or found.cut_off or "it is empty"
        raise InputError(f"{path}: no chat request in it that can be used: {why}")


def reasons(counts: Mapping[str, int]) -> Iterator[str]:
    """Yield what was counted with its number, the most frequent first."""
    for what, number in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        yield f"{number} {what}"
