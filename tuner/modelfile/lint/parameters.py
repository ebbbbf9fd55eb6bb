"""Find mistakes in the PARAMETERs of a Modelfile.

Defaults and effects: `api/types.go` and the samplers of Ollama 0.11.4 and 0.33.3.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tuner.modelfile.grammar import Instruction
from tuner.modelfile.lint.findings import Draft, Finding, note, warn
from tuner.modelfile.parameters import DEPRECATED
from tuner.modelfile.window import LEAST_WINDOW

PINS = {"num_gpu": 0, "num_thread": 1, "main_gpu": 1}
"""From which value on a setting is more than what each machine does by itself."""

_SAMPLING = ("top_p", "top_k", "min_p", "typical_p", "seed")


def deprecated(draft: Draft) -> Iterator[Finding]:
    """Warn of parameters that Ollama skips."""
    for i in draft.all("PARAMETER"):
        if i.name in DEPRECATED:
            yield warn(i, "deprecated", f"Ollama no longer knows {i.name} and skips it: remove it.")


def repeated(draft: Draft) -> Iterator[Finding]:
    """Warn of settings that a later line replaces."""
    lines: dict[str, list[Instruction]] = defaultdict(list)
    for i in draft.instructions:
        if i.word in {"SYSTEM", "TEMPLATE"} or (i.word == "PARAMETER" and i.name != "stop"):
            lines[f"{i.word} {i.name}".strip()].append(i)
    for what, (*earlier, last) in lines.items():
        for i in earlier:
            yield warn(i, "repeated", f"{what} stands again in line {last.line}, and only that "
                       "one counts: remove one of them.")  # fmt: skip


def pinned(draft: Draft) -> Iterator[Finding]:
    """Note settings that fit one machine only."""
    for name, least in PINS.items():
        if (number := draft.number(name)) is not None and number >= least:
            i = draft.parameters[name]
            yield note(i, "pinned", f"{name} {i.value} fits one machine: on another leave it out, "
                       "or tune it there.")  # fmt: skip


def lengths(draft: Draft) -> Iterator[Finding]:
    """Compare output limit, kept tokens and the window that Ollama serves."""
    window, limit, kept = draft.window, draft.number("num_predict"), draft.number("num_keep")
    if limit == 0:
        yield warn(draft.parameters["num_predict"], "no-limit",
                   "num_predict 0 is not sent on, so answers have no limit: name one.")  # fmt: skip
    if window is None or window == LEAST_WINDOW:
        return  # `window` says what is wrong then
    if limit and limit >= window:
        rise = "" if window == draft.trained else "raise num_ctx or "
        yield warn(draft.parameters["num_predict"], "lengths",
                   f"num_predict {limit:.0f} does not fit into the window of {window} tokens "
                   f"beside any prompt: {rise}lower num_predict.")  # fmt: skip
    if kept and kept >= window:
        yield warn(draft.parameters["num_keep"], "lengths",
                   f"num_keep {kept:.0f} leaves nothing of the window of {window}.")  # fmt: skip


def window(draft: Draft) -> Iterator[Finding]:
    """Warn of a num_ctx that Ollama changes without a word."""
    asked, served = draft.number("num_ctx"), draft.window
    if asked is None or served is None:
        return
    at = draft.parameters["num_ctx"]
    if asked < served:
        yield warn(at, "window", f"Ollama serves num_ctx {asked:.0f} as a window of {served} "
                   "tokens (2048 for a model with vision), which holds no prompt: name one that "
                   "fits, such as 4096, or leave it out.")  # fmt: skip
    elif asked > served:
        yield warn(at, "beyond-training", f"the base was trained with {served} tokens, and Ollama "
                   f"lowers num_ctx {asked:.0f} to that without a word: ask for "
                   f"{served}.")  # fmt: skip


def without_effect(draft: Draft) -> Iterator[Finding]:
    """Report settings that another one switches off."""
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


def memory(draft: Draft) -> Iterator[Finding]:
    """Estimate the memory that the window needs, and compare it with what is available."""
    window, base = draft.window, draft.base
    if window is None or base is None or not base.cached_per_token:
        return
    cache = window * draft.parallel * base.cached_per_token * 2  # f16
    needed, at = cache + (base.weights_bytes or 0), draft.parameters["num_ctx"]
    text = (
        f"num_ctx {window} x OLLAMA_NUM_PARALLEL {draft.parallel} keeps "
        f"{cache / 2**20:,.0f} MiB of cache, with the weights {needed / 2**20:,.0f} MiB"
    )
    if draft.available and needed > draft.available:
        yield warn(at, "memory", f"{text}, and {draft.available / 2**20:,.0f} MiB are available "
                   f"{draft.bound}: lower one of them.")  # fmt: skip
    else:
        yield note(at, "memory", f"{text}.")
