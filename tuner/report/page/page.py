"""Render a report as one HTML file that loads nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from tuner.report.page import charts
from tuner.report.page.figures import Figures, escaped
from tuner.report.page.run_views import of_loads, of_run
from tuner.report.page.scale import Scale
from tuner.report.page.sides import latency_verdict, of_sides, sides_of
from tuner.report.page.words import ENVIRONMENT, GLOSSARY, PROMISE

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "tuner.result/1": (
        "sides", "service", "latency", "breakdown", "answers", "frontier", "trials", "knobs",
        "course", "environment",
    ),
    "tuner.measurement/1": ("sides", "latency", "breakdown", "answers", "environment"),
    "tuner.capacity/1": ("levels", "environment"),
}  # fmt: skip
"""The sections of a page, by the document that it is about."""

TOP = ("sides", "service")
"""What stands first, side by side where there is room."""

KINDS: Mapping[str, str] = {
    "tuner.result/1": "tune run",
    "tuner.measurement/1": "tune measure",
    "tuner.capacity/1": "tune capacity",
}


def page(island: Mapping[str, Any]) -> str:
    """Return the HTML page of a report; `island` is a `tuner.report/1`."""
    schema, figures, names = island["document"]["schema"], Figures(island), _sections(island)
    kind = "tune retune" if island["night"] else KINDS[schema]
    script = _part("hover.js").strip()
    values = {
        "island": island,
        "title": _title(island),
        "subtitle": f"Report of {kind}",
        "top": [name for name in TOP if name in names],
        "sections": [name for name in names if name not in TOP],
        "style": Markup(_part("style.css").strip()),
        "script": Markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "data": embedded(island),
        "fig": figures.figure,
        "environment": _environment(island),
        **_common(),
        **of_sides(island, figures),
        **(of_run(island, figures) if schema == "tuner.result/1" else {}),
        **(of_loads(island, figures) if schema == "tuner.capacity/1" else {}),
    }
    return _templates().get_template("page.html.j2").render(values)


def embedded(island: Mapping[str, Any]) -> Markup:
    """Return the data as JSON that no text in it can end early."""
    text = json.dumps(island, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    # half of a surrogate pair, as a server may send it, stays an escape
    return Markup(text.encode("utf-8", "backslashreplace").decode("utf-8"))


def _sections(island: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the sections of a page; without a measurement there is nothing to set side by side."""
    document = island["document"]
    if document["schema"] == "tuner.result/1" and not sides_of(document):
        return ("trials", "knobs", "course", "environment")
    return SECTIONS[document["schema"]]


def _title(island: Mapping[str, Any]) -> str:
    document = island["document"]
    return str(document.get("study") or document.get("environment", {}).get("model") or "report")


def _environment(island: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the rows about where it was measured: words, place, unit."""
    document, at = island["document"], "/document"
    if document.get("levels"):
        document, at = document["levels"][0], "/document/levels/0"
    told = document.get("environment", {})
    rows = [(w, f"{at}/environment/{k}", unit) for k, (w, unit) in ENVIRONMENT.items() if k in told]
    rows.append(("load", f"{at}/load", "text"))
    rows.append(("digest of the workload", f"{at}/workload_hash", "text"))
    seeds = [("seed", f"{at}/seed", "plain"), ("sampler", f"{at}/sampler", "text")]
    return rows + (seeds if "seed" in document else [])


def _common() -> dict[str, Any]:
    return {
        "esc": escaped,
        "latency_verdict": latency_verdict,
        "glossary": GLOSSARY,
        "promise": PROMISE,
        "tick": tick,
        "y_at": lambda axes, value, unit: axes.y.at(
            charts.rarity(value) if unit == "rarity" else value
        ),
        "span": span,
    }


def tick(value: float, unit: str) -> str:
    """Return a tick of a scale as text: a round number in the unit of the scale."""
    scaled = {
        "ms": value * 1000, "minutes": value / 60, "share": value * 100, "rarity": value * 100,
        "mib": value / 2**20,
    }.get(unit, value)  # fmt: skip
    return f"{scaled:,.6g}" + (" %" if unit in ("share", "rarity") else "")


def span(scale: Scale) -> str:
    """Return a scale as words of a drawing: its values, its places, and how it counts."""
    kind = "log" if scale.log else "linear"
    return f"{scale.low!r} {scale.high!r} {scale.start:g} {scale.end:g} {kind}"


def _part(name: str) -> str:
    return (resources.files("tuner.report.page") / "parts" / name).read_text(encoding="utf-8")


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_part),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
