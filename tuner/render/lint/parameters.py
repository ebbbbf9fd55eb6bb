"""What a linter says about the PARAMETERs of a Modelfile.

Defaults and effects: `api/types.go` and the samplers of Ollama 0.11.4 and 0.33.3.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from tuner.render.grammar import Instruction
from tuner.render.lint.findings import Draft, Finding, note, warn
from tuner.render.parameters import DEPRECATED

PINS = ("num_gpu", "num_thread", "main_gpu")

_SAMPLING = ("top_p", "top_k", "min_p", "typical_p", "seed")
_QUOTED = re.compile(r"""'.*'|["'].*|.*["']""", re.DOTALL)
_LIST = re.compile(r"""\[.*["',].*\]""", re.DOTALL)  # [INST] is a token, ["a", "b"] a list


def deprecated(draft: Draft) -> Iterator[Finding]:
    """Name parameters that Ollama skips."""
    for i in draft.all("PARAMETER"):
        if i.name in DEPRECATED:
            yield warn(i, "deprecated", f"Ollama no longer knows {i.name} and skips it: remove it.")


def repeated(draft: Draft) -> Iterator[Finding]:
    """Name settings that a later line replaces."""
    lines: dict[str, list[Instruction]] = defaultdict(list)
    for i in draft.instructions:
        if i.word in {"SYSTEM", "TEMPLATE"} or (i.word == "PARAMETER" and i.name != "stop"):
            lines[f"{i.word} {i.name}".strip()].append(i)
    for what, (*earlier, last) in lines.items():
        for i in earlier:
            yield warn(i, "repeated", f"{what} stands again in line {last.line}, and only that "
                       "one counts: remove one of them.")  # fmt: skip


def pinned(draft: Draft) -> Iterator[Finding]:
    """Name settings that are right on one machine only."""
    for name in PINS:
        if (number := draft.number(name)) is not None and number >= 0:
            i = draft.parameters[name]
            yield note(i, "pinned", f"{name} {i.value} fits one machine: on another leave it out, "
                       "or tune it there.")  # fmt: skip


def lengths(draft: Draft) -> Iterator[Finding]:
    """Hold output limit, kept tokens and window against each other."""
    window, limit, kept = map(draft.number, ("num_ctx", "num_predict", "num_keep"))
    if limit == 0:
        yield warn(draft.parameters["num_predict"], "no-limit",
                   "num_predict 0 is not sent on, so answers have no limit: name one.")  # fmt: skip
    if window and limit and limit >= window:
        yield warn(draft.parameters["num_predict"], "lengths",
                   f"num_predict {limit:.0f} does not fit into num_ctx {window:.0f} beside any "
                   "prompt: raise num_ctx or lower num_predict.")  # fmt: skip
    if window and kept and kept >= window:
        yield warn(draft.parameters["num_keep"], "lengths",
                   f"num_keep {kept:.0f} leaves nothing of num_ctx {window:.0f}.")  # fmt: skip
    trained = draft.base.train_ctx if draft.base else None
    if window and trained and window > trained:
        yield warn(draft.parameters["num_ctx"], "beyond-training",
                   f"the base was trained with {trained} tokens, and Ollama lowers num_ctx "
                   f"{window:.0f} to that without a word: ask for {trained}.")  # fmt: skip


def without_effect(draft: Draft) -> Iterator[Finding]:
    """Name settings that another one switches off."""
    if draft.number("temperature") == 0 or draft.number("top_k") == 1:
        greedy = "temperature 0" if draft.number("temperature") == 0 else "top_k 1"
        for name in _SAMPLING:
            if name in draft.parameters and not greedy.startswith(name):
                yield note(draft.parameters[name], "no-effect",
                           f"{name} does nothing beside {greedy}, which always takes the "
                           "likeliest token.")  # fmt: skip
    penalty, reach = draft.number("repeat_penalty"), draft.number("repeat_last_n")
    if reach == 0 and penalty not in (None, 1):
        yield warn(draft.parameters["repeat_penalty"], "no-effect",
                   f"repeat_penalty {penalty:g} does nothing beside repeat_last_n 0, which looks "
                   "back at no token: set one of them otherwise.")  # fmt: skip
    if penalty == 1 and reach is not None:
        yield note(draft.parameters["repeat_last_n"], "no-effect",
                   "repeat_last_n does nothing beside repeat_penalty 1.")  # fmt: skip


def quotes(draft: Draft) -> Iterator[Finding]:
    """Name quotes and brackets that become part of a value."""
    for i in draft.instructions:
        what = f"{i.word} {i.name}".strip()
        if i.name == "stop" and _LIST.fullmatch(i.value):
            yield warn(i, "list", f"stop {i.value} is one text, brackets and all: write a line "
                       "PARAMETER stop for each.")  # fmt: skip
        elif (i.word == "FROM" or i.name == "stop") and _QUOTED.fullmatch(i.value):
            yield warn(i, "quotes", f"the quotes are part of the value of {what}, {i.value}: "
                       'Ollama takes off only a pair of ".')  # fmt: skip
        elif i.word == "SYSTEM" and re.fullmatch(r"'[^']*'", i.value):
            yield warn(i, "quotes", "the single quotes are part of the system text: write double "
                       "ones, or three of them.")  # fmt: skip


def memory(draft: Draft) -> Iterator[Finding]:
    """Estimate the memory of the window, and hold it against what is there.

    A window beyond the training is lowered first (`llm/server.go`, NewLlamaServer).
    """
    window, base = draft.number("num_ctx"), draft.base
    if not window or base is None or not base.cached_per_token:
        return
    window = min(window, base.train_ctx or window)
    cache = int(window) * draft.parallel * base.cached_per_token * 2  # f16
    needed, at = cache + (base.weights_bytes or 0), draft.parameters["num_ctx"]
    text = (
        f"num_ctx {window:.0f} x OLLAMA_NUM_PARALLEL {draft.parallel} keeps "
        f"{cache / 2**20:,.0f} MiB of cache, with the weights {needed / 2**20:,.0f} MiB"
    )
    if draft.available and needed > draft.available:
        yield warn(at, "memory", f"{text}, and {draft.available / 2**20:,.0f} MiB are available "
                   f"{draft.bound}: lower one of them.")  # fmt: skip
    else:
        yield note(at, "memory", f"{text}.")
