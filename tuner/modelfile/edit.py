"""Write a study's settings into somebody's Modelfile, and leave all else as it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Set
from dataclasses import dataclass, field

from tuner.modelfile import grammar
from tuner.modelfile.document import Modelfile, line_of, parse


@dataclass(frozen=True, slots=True)
class _Draft:
    """A text cut into the instructions `found`, while it is edited.

    `lines` is the new text of each instruction, None where it goes. `added` holds the lines that
    come after an instruction.
    """

    found: tuple[grammar.Instruction, ...]
    lines: list[str | None]
    added: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))

    def of(self, word: str) -> Iterator[tuple[int, grammar.Instruction]]:
        """Yield the instructions of one word with their places."""
        return ((n, i) for n, i in enumerate(self.found) if i.word == word)

    def replace(self, place: int, value: str) -> None:
        """Give an instruction another value; leave it as written where it has that value."""
        old = self.found[place]
        if old.value != value:
            self.lines[place] = line_of(old.word, old.name, value)

    def add(self, word: str, name: str, value: str) -> None:
        """Write a new instruction after the last of its kind, or at the end."""
        same = [n for n, _ in self.of(word)]
        self.added[same[-1] if same else len(self.found) - 1].append(line_of(word, name, value))


def edited(text: str, wanted: Modelfile, study: Set[str], name: str = "Modelfile") -> str:
    """Return a Modelfile's text with the settings of the Modelfile `wanted`.

    `study` names the settings that were set on purpose: parameters, `system` (SYSTEM) and
    `shots` (MESSAGE). The text gets their values from `wanted`, and loses their lines where
    `wanted` has none. It also gets the parameters that it lacks, and a TEMPLATE that `wanted` has.
    All other instructions stay.

    A line that says the same already stays as it is written. A changed value is replaced where it
    stands, and a new line comes after the last of its kind. Raises InputError where the text
    cannot be read, or a value cannot be written.
    """
    parse(text, name)
    spans = list(grammar.spans(text, name))
    draft = _Draft(tuple(i for i, _, _ in spans), [text[a:b] for _, a, b in spans])
    _parameters(draft, wanted, study)
    if wanted.template is not None:
        _single(draft, "TEMPLATE", wanted.template)
    if "system" in study:
        _single(draft, "SYSTEM", wanted.system)
    if "shots" in study:
        _messages(draft, wanted)
    return _joined(text, [(a, b) for _, a, b in spans], draft)


def _parameters(draft: _Draft, wanted: Modelfile, study: Set[str]) -> None:
    """Write the parameters; of `stop` there may be several."""
    own = {old.name for _, old in draft.of("PARAMETER")} - study
    left: dict[str, list[str]] = defaultdict(list)
    for name, value in wanted.parameters:
        if name not in own:
            left[name].append(value)
    for place, old in draft.of("PARAMETER"):
        if left[old.name]:
            draft.replace(place, left[old.name].pop(0))
        elif old.name in study:
            draft.lines[place] = None
    for name, values in left.items():
        for value in values:
            draft.add("PARAMETER", name, value)


def _single(draft: _Draft, word: str, value: str | None) -> None:
    """Write an instruction of which only the last one counts."""
    places = [n for n, _ in draft.of(word)]
    if value is None:
        for place in places:
            draft.lines[place] = None
    elif places:
        draft.replace(places[-1], value)
    else:
        draft.add(word, "", value)


def _messages(draft: _Draft, wanted: Modelfile) -> None:
    """Replace all messages, since together they are one conversation."""
    asked = [(m.role, m.content) for m in wanted.messages]
    if [(i.name, i.value) for _, i in draft.of("MESSAGE")] == asked:
        return
    for place, _ in draft.of("MESSAGE"):
        draft.lines[place] = None
    for role, content in asked:
        draft.add("MESSAGE", role, content)


def _joined(text: str, spans: list[tuple[int, int]], draft: _Draft) -> str:
    """Return the text with the instructions of the draft."""
    pieces, at = list[str](), 0
    for place, (start, end) in enumerate(spans):
        kept = draft.lines[place]
        lines = [*([] if kept is None else [kept]), *draft.added[place]]
        pieces += [text[at:start], "\n".join(lines)]
        at = end if lines else _next_line(text, end)
    return "".join([*pieces, text[at:]])


def _next_line(text: str, at: int) -> int:
    """Return where the line after this one begins."""
    for line_break in ("\r\n", "\n", "\r"):
        if text.startswith(line_break, at):
            return at + len(line_break)
    return at
