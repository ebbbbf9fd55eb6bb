"""Choose which requests of a recording are sent, and how long each is to be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tuner.workflow.traces.recorded import Recorded

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long requests may be: `most_input` tokens of a prompt, `context` with its answer.

    None bounds nothing. `shorten` makes longer prompts as short as that, else they are left out.
    """

    most_input: int | None = None
    context: int | None = None
    shorten: bool = False

    def room(self, request: Recorded) -> float:
        """Return how many tokens the prompt of a request may have."""
        most = float("inf") if self.most_input is None else self.most_input
        held = float("inf") if self.context is None else self.context - wanted(request)
        return min(most, held)

    def __str__(self) -> str:
        told = [] if self.most_input is None else [f"prompts of more than {self.most_input:,}"]
        if self.context is not None:
            told.append(f"more than the context of {self.context:,} with their answers")
        return " or ".join(told)


@dataclass(frozen=True, slots=True)
class Fitted:
    """Requests with the lengths of their prompts, and what became of the others, in sentences."""

    requests: tuple[tuple[Recorded, int], ...]
    notes: tuple[str, ...]


def wanted(request: Recorded) -> int:
    """Return how many tokens the answer is to have; a server gives one at the least."""
    return max(1, request.output_tokens)


def fitted(requests: Sequence[Recorded], bounds: Bounds, least: int) -> Fitted:
    """Return the requests that fit, none shorter than `least` tokens, and notes."""
    kept: list[tuple[Recorded, int]] = []
    long: list[Recorded] = []
    for request in requests:
        room, length = bounds.room(request), max(request.input_tokens, least)
        if length > room:
            long.append(request)
            length = int(room) if bounds.shorten and room >= least else 0
        if length:
            kept.append((request, length))
    notes = _notes(kept, long, len(requests) - len(kept), bounds, least)
    return Fitted(tuple(kept), tuple(notes))


def _notes(
    kept: Sequence[tuple[Recorded, int]],
    long: Sequence[Recorded],
    left_out: int,
    bounds: Bounds,
    least: int,
) -> Iterator[str]:
    if long:
        cut = len(long) - left_out
        told = [f"{left_out} left out"] if left_out else []
        told += [f"{cut} shortened"] if cut else []
        yield f"too long, with {bounds}: {', '.join(told)} ({_lines(long)})"
    if short := [r for r, _ in kept if r.input_tokens < least]:
        yield (
            f"shorter than the {least} tokens that a request has at least: {len(short)} sent with "
            f"so many ({_lines(short)})"
        )
    if silent := [r for r, _ in kept if r.output_tokens == 0]:
        yield f"without an answer: {len(silent)}, which ask for one token ({_lines(silent)})"


def _lines(requests: Sequence[Recorded]) -> str:
    """Return where requests stand in the file, the first few of them."""
    more = f" and {len(requests) - _SHOWN} more" if len(requests) > _SHOWN else ""
    word = "line" if len(requests) == 1 else "lines"
    return f"{word} {', '.join(str(r.line) for r in requests[:_SHOWN])}{more}"
