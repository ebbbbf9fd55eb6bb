"""Make prompts out of a recording that holds texts, and write the mix of its requests beside."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from tuner.spec.errors import InputError
from tuner.spec.requests.workload_files import MOST_VISITS
from tuner.workflow.recordings.conversations import held_out, place_of
from tuner.workflow.recordings.gather import Distinct, Gathered, chats, gather, reasons
from tuner.workflow.recordings.mix import Mix, mix_of
from tuner.workflow.recordings.mix_file import dumped, mix_path
from tuner.workflow.recordings.rules_file import read_rules, shipped_rules
from tuner.workflow.traces.writing import ensure_free, replacing

DAY_S = 86400.0
MOST_PROMPTS = 10_000

_MUCH = 0.5
"""A conversation with a larger share of the requests is worth a word."""


@dataclass(frozen=True, slots=True)
class AskedRequests:
    """What is imported: a `file`, its first requests or all, into `out`, and how.

    `window_s` is the end of the recording that the mix is of: None for a day, where times are
    known. With `held_out` about half of the conversations are kept for the proof. `seed` chooses
    them, and the prompts that are kept where there are more than `most`.
    """

    file: Path
    format: str
    out: Path
    rules: Path | None = None
    answers: Path | None = None
    first: int | None = None
    most: int = MOST_PROMPTS
    window_s: float | None = None
    held_out: bool = False
    seed: int = 0
    force: bool = False


@dataclass(frozen=True, slots=True)
class ImportedRequests:
    """What was written: prompts out of requests in conversations, and their mix."""

    out: Path
    mix_out: Path
    prompts: int
    held_out: int
    requests: int
    conversations: int
    mix: Mix
    notes: tuple[str, ...]


def import_requests(asked: AskedRequests) -> ImportedRequests:
    """Write prompts and mix of a recording, whole or not at all; raise InputError and OutputError.

    Nothing reaches the disk that was not redacted, a temporary file included.
    """
    mix_out = mix_path(asked.out)
    for path in (asked.out, mix_out):
        ensure_free(path, asked.file, force=asked.force)
    rules = shipped_rules() if asked.rules is None else read_rules(asked.rules)
    with replacing(asked.out) as file, _spool(asked.out.parent) as spool:
        found = gather(asked.file, asked.answers, asked.format, rules, asked.first, spool)
        mix = _mix(asked, found)
        kept, notes = _kept(asked, found)
        held = _write(asked, found, kept, spool, file)
        with replacing(mix_out) as beside:
            beside.write(dumped(mix))
    conversations = len({one.conversation for one in found.seen})
    return ImportedRequests(
        asked.out, mix_out, len(kept), held, len(found.seen), conversations, mix,
        (*_notes(asked, found), *notes),
    )  # fmt: skip


def _spool(folder: Path) -> Any:
    """Return a temporary file with no name, on the disk that the prompts go to."""
    return tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n", dir=folder)


def _mix(asked: AskedRequests, found: Gathered) -> Mix:
    """Return the mix; raise InputError for a window of a recording that tells no times."""
    mix = mix_of(found.seen, DAY_S if asked.window_s is None else asked.window_s)
    if mix.seconds is None and asked.window_s is not None:
        raise InputError(
            f"{asked.file}: no request tells its time, so that --window has no meaning; leave it "
            "out"
        )
    return mix


def _kept(asked: AskedRequests, found: Gathered) -> tuple[dict[bytes, float], list[str]]:
    """Return the weights of the prompts that are kept, and what there is to say of them."""
    counts = {key: one.count for key, one in found.distinct.items()}
    notes = []
    if len(counts) > asked.most:
        chosen = sorted(counts, key=lambda key: place_of(key, asked.seed))[: asked.most]
        notes.append(
            f"{len(chosen)} of {len(counts)} distinct prompts are kept, drawn at random (--most)"
        )
        counts = {key: counts[key] for key in chosen}
    least = least_weight(list(counts.values()))
    if raised := sum(n < least for n in counts.values()):
        notes.append(
            f"{raised} prompts that came less often than {least} times weigh as much as that: a "
            f"study draws at most {MOST_VISITS:,} prompts until the lightest comes again"
        )
    return {key: float(max(n, least)) for key, n in counts.items()}, notes


def least_weight(counts: Sequence[int]) -> int:
    """Return the least weight with which a study can draw prompts that came so often."""
    least = min(counts)
    while sum(max(n, least) / least for n in counts) > MOST_VISITS:
        least *= 2
    return least


def _write(
    asked: AskedRequests,
    found: Gathered,
    kept: dict[bytes, float],
    spool: TextIO,
    file: TextIO,
) -> int:
    """Write a line for each prompt that is kept; return how many are held out."""
    sides: Counter[bool] = Counter()
    for (key, one), messages in zip(found.distinct.items(), chats(spool), strict=True):
        if key in kept:
            later = asked.held_out and held_out(found.joined.whole(one.conversation), asked.seed)
            sides[later] += 1
            said = [{"role": m.role, "content": m.content} for m in messages]
            line = {"id": one.name, "messages": said, **_beside(one, kept[key], later)}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    if asked.held_out and len(sides) < 2:
        whole = len({found.joined.whole(one.conversation) for one in found.seen})
        raise InputError(
            f"{asked.file}: all prompts fall on one side of the split, by conversation, of which "
            f"there are {whole}; name another --seed, import more of them, say with `conversation` "
            "in the file of --rules what tells them apart, or leave --held-out away"
        )
    return sides[True]


def _beside(one: Distinct, weight: float, later: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": one.kind, "weight": int(weight)}
    return told | ({"held_out": True} if later else {})


def _notes(asked: AskedRequests, found: Gathered) -> Iterator[str]:
    if found.cut_off:
        yield f"the last line breaks off and is left out: {found.cut_off}"
    if found.broken:
        yield f"broken and left out: {found.broken} ({'; '.join(found.examples)})"
    if found.no_place:
        yield f"left out, since a prompts file has no place for them: {_listed(found.no_place)}"
    if found.beside:
        fields = ", ".join(f"{name} of {n}" for name, n in sorted(found.beside.items()))
        yield f"fields that a prompts file has no place for: {fields}"
    counts = {name: n for name, n in found.redacted.items() if n}
    yield f"redacted: {_listed(counts) or 'nothing was found'}; look at {asked.out} all the same"
    timeless = sum(one.at_s is None for one in found.seen)
    if 0 < timeless < len(found.seen):
        yield f"without a time, and so in the prompts and not in the mix: {timeless}"
    if asked.held_out:
        yield from _large_conversation(found)


def _large_conversation(found: Gathered) -> Iterator[str]:
    """Yield a word on a conversation that holds much of the recording: a split by it is uneven."""
    sizes = Counter(found.joined.whole(one.conversation) for one in found.seen)
    [(_, most)] = sizes.most_common(1)
    if most > _MUCH * len(found.seen):
        yield (
            f"{most} of {len(found.seen)} requests count as one conversation, since they begin "
            "alike or share prompts; where an id tells them apart, name it: `conversation` in the "
            "file of --rules"
        )


def _listed(counts: dict[str, int] | Counter[str]) -> str:
    return ", ".join(reasons(counts))
