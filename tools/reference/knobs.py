"""The page of knobs, from the entries of the engines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tools.reference.markdown import code, table
from tools.reference.markdown import page as written
from tuner.engines.registry import kinds
from tuner.spec.knobs import Knob
from tuner.spec.requests.conversation import PROMPT_KNOBS

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
    remark = "They shape the prompt; the Modelfile holds `system` and fixed `shots`."
    yield "Every engine", remark, PROMPT_KNOBS
    for kind in kinds():
        if kind.installed() is not None and (knobs := kind.knobs()):
            yield f"`{kind.name}`", kind.remark, knobs


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
        (code(k.name), k.tier, _values(k), _default(k), _WRITTEN[k.where], k.about)
        for k in sorted(knobs.values(), key=lambda k: _TIERS.index(k.tier))
    ]
    heads = ("knob", "tier", "values", "default", "written to", "what it is")
    return f"## {title}\n\n{remark}\n\n{table(heads, rows)}"


def _values(knob: Knob) -> str:
    """Return what a knob takes."""
    if knob.choices:
        return ", ".join(map(code, knob.choices))
    return knob.takes + ("" if knob.least is None else f" (≥ {knob.least:g})")


def _default(knob: Knob) -> str:
    """Return the default; the number of threads is that of the machine."""
    if knob.role == "threads" and knob.default:
        return "all cores"
    return code(knob.default) if knob.default != "" else "none"
