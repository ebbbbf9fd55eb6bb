"""The page of knobs, from the entries of the engines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tuner.spec.remote import USUAL_KNOBS

from tools.reference.markdown import code, table
from tools.reference.markdown import page as written
from tuner.engines.llamacpp.engine import KNOBS as LLAMACPP
from tuner.engines.ollama import knobs as ollama
from tuner.spec.conversation import PROMPT_KNOBS
from tuner.spec.values import Knob

_INTRODUCTION = """\
A knob is one setting. Its **tier** says what a change costs: `request` nothing, `reload` a load of
the model, `restart` a start of the server. **Written to** says which file of a result holds it. A
knob that the study does not name stands at its default."""

_TIERS = ("request", "reload", "restart")

_WRITTEN = {
    "modelfile": "Modelfile",
    "environment": "ollama.env",
    "command": "start of the server",
    "client": "client.json",
}


def knobs_by_engine() -> Iterator[tuple[str, str, Mapping[str, Knob]]]:
    """Yield each engine's title, a remark, and its knobs."""
    yield (
        "Every engine",
        "They shape the prompt; the Modelfile holds `system` and fixed `shots`.",
        (PROMPT_KNOBS),
    )
    yield (
        "`llamacpp`",
        "llama.cpp in a Python wheel; `pip install 'modelfile-tuner[embedded]'` brings it.",
        LLAMACPP,
    )
    yield (
        "`ollama`",
        "Defaults of Ollama 0.33. Before it `repeat_penalty` is 1.1.",
        (ollama.knobs(ollama.SOFTER_PENALTY_SINCE, "the study's model")),
    )
    yield (
        "`openai`",
        "`auto` is not sent: the server's own default holds.",
        {name: declared.knob for name, declared in USUAL_KNOBS.items()},
    )


def page() -> str:
    """Return the page."""
    return written("Knobs", _INTRODUCTION, *(section(*e) for e in knobs_by_engine()), _OWN)


_OWN = """\
## `command`

The study declares the knobs of a server of your own: see
[your own server](../how-to/own-server.md)."""


def section(title: str, remark: str, knobs: Mapping[str, Knob]) -> str:
    """Return an engine's section: a line for each knob, the cheap ones first."""
    rows = [
        (code(k.name), k.tier, _default(k), _WRITTEN[k.where])
        for k in sorted(knobs.values(), key=lambda k: _TIERS.index(k.tier))
    ]
    return f"## {title}\n\n{remark}\n\n{table(('knob', 'tier', 'default', 'written to'), rows)}"


def _default(knob: Knob) -> str:
    """Return the default; the number of threads is that of the machine."""
    if knob.name == "num_thread" and knob.default:
        return "all cores"
    return code(knob.default) if knob.default != "" else "none"
