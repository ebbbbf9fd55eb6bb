"""Make prompts out of a recording: a file that a study names as its workload."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.engines.tokenizer import has_tokenizer, of_folder
from tuner.spec.errors import InputError
from tuner.spec.study import Study
from tuner.workflow.traces.fitting import Bounds, Fitted, fitted, wanted
from tuner.workflow.traces.formats import read
from tuner.workflow.traces.recorded import Format, Recorded, Recording
from tuner.workflow.traces.texts import Writer, writer
from tuner.workflow.traces.tokens import Estimated, OfFolder, Tokens, of_study
from tuner.workflow.traces.writing import ensure_free, replacing

BATCH = 64
"""Texts that are made, counted and written at once."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is imported: a `file`, its first requests or all, into `out`, and how.

    With `held_out` the later half is kept for the proof. `force` replaces what is there.
    """

    file: Path
    format: Format
    out: Path
    first: int | None = None
    most_input: int | None = None
    shorten: bool = False
    held_out: bool = False
    seed: int = 0
    force: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """What was written: how many requests over how many seconds, of which lengths.

    `prompts` and `answers` are the least and the most tokens of one; `how` says who counted.
    """

    out: Path
    requests: int
    seconds: float
    prompts: tuple[int, int]
    answers: tuple[int, int]
    how: str
    notes: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """Return requests a second, as a replay counts them."""
        return (self.requests - 1) / self.seconds


@contextlib.asynccontextmanager
async def counting(
    study: Study | None, folder: Path | None = None, *, plain: bool = False
) -> AsyncIterator[Tokens]:
    """Count in the tokens of a Hugging Face folder or of a study's model; else estimate.

    A study's model that is a folder with a tokenizer needs no server. Of a `plain` study only the
    model counts. Raises EngineMissing, InputError, and what the start of an engine raises.
    """
    if folder is not None:
        yield OfFolder(of_folder(folder))
    elif study is None:
        yield Estimated()
    elif has_tokenizer(Path(study.model)):
        yield OfFolder(of_folder(Path(study.model)), study)
    else:
        with tempfile.TemporaryDirectory() as logs:
            async with of_study(study, Path(logs), plain=plain) as tokens:
                yield tokens


async def import_trace(asked: Asked, by: AbstractAsyncContextManager[Tokens]) -> Imported:
    """Write the prompts of a recording into a file, whole or not at all; raise InputError.

    What counts tokens is entered once the recording was read: it may start a server.
    """
    ensure_free(asked.out, asked.file, force=asked.force)
    recording = read(asked.file, asked.format, asked.first)
    async with by as tokens:
        return await _made(asked, recording, await writer(tokens, asked.seed))


async def _made(asked: Asked, recording: Recording, made: Writer) -> Imported:
    bounds = Bounds(asked.most_input, made.tokens.context, asked.shorten)
    fits = fitted(recording.requests, bounds, made.added + 1)
    _ensure_lasts(asked, fits)
    counts = await _write(asked, fits.requests, made)
    requests = [request for request, _ in fits.requests]
    answers = [wanted(request) for request in requests]
    off = sum(count != n for count, (_, n) in zip(counts, fits.requests, strict=True))
    inexact = [f"{off} prompts have not the length that was asked for: no text has it"]
    return Imported(
        asked.out,
        len(requests),
        requests[-1].at_s - requests[0].at_s,
        (min(counts), max(counts)),
        (min(answers), max(answers)),
        _how(made),
        (*recording.notes, *fits.notes, *(inexact if off else ())),
    )


def _how(made: Writer) -> str:
    """Say who counted, and what is counted of what the chat template adds."""
    if made.uncounted:
        return f"{made.tokens.how}; the chat template's {made.uncounted} tokens are in them"
    if made.tokens.counted_by == "server":
        return f"{made.tokens.how}; all that a request adds is in them"
    return f"{made.tokens.how}; what a chat template adds comes on top"


def _ensure_lasts(asked: Asked, fits: Fitted) -> None:
    times = {request.at_s for request, _ in fits.requests}
    if len(times) < 2:
        said = "; ".join(fits.notes)
        raise InputError(
            f"{asked.file}: {len(fits.requests)} requests are left, which have no pace: {said}; "
            "allow longer ones with --max-input or a larger context, or --shorten them"
        )


async def _write(
    asked: Asked,
    requests: Sequence[tuple[Recorded, int]],
    made: Writer,
) -> list[int]:
    """Write a line for each request; return how many tokens each prompt has."""
    counts: list[int] = []
    with replacing(asked.out) as file:
        for begin in range(0, len(requests), BATCH):
            batch = requests[begin : begin + BATCH]
            texts = await made.written(batch)
            for (request, _), (text, count) in zip(batch, texts, strict=True):
                line = _line(request, requests[0][0].at_s, text, count, made)
                held_out = asked.held_out and 2 * len(counts) >= len(requests)
                file.write(json.dumps(line | ({"held_out": True} if held_out else {})) + "\n")
                counts.append(count)
    return counts


def _line(request: Recorded, begin_s: float, text: str, count: int, made: Writer) -> dict[str, Any]:
    """Return a line of the workload, named by its line in the recording."""
    return {
        "id": f"line-{request.line}",
        "at_s": round(request.at_s - begin_s, 6),
        "prompt_tokens": count,
        "counted_by": made.tokens.counted_by,
        "output_tokens": wanted(request),
        "template": text,
    }
