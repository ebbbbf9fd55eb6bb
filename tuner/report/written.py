"""What each file that a run writes holds, in words."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.report.result import Result

_WHAT = {
    "ollama.env": (
        ("environment", "command"),
        " (the server's start, which a Modelfile cannot hold: {})",
    ),
    "serve.sh": (("command",), " (starts the server: {})"),
    "client.json": (("client",), " (only the client can send it: {})"),
}
SAYS_NOTHING = {
    "system": "none",
    "shots": 0,
    "format": "none",
    "think": "auto",
    "cpu_scheduling": "other",
}


def holds(name: str, result: Result) -> str:
    """Return which settings of the best candidate a written file holds, "" for most files."""
    where, text = _WHAT.get(name, ((), ""))
    names = _names(where, result.knobs_where, result.best_candidate)
    return text.format(", ".join(names)) if text and names else ""


def _names(
    where: tuple[str, ...], knobs: Mapping[str, str], candidate: Mapping[str, object]
) -> list[str]:
    found = [
        name
        for name, place in knobs.items()
        if place in where and name in candidate and candidate[name] != SAYS_NOTHING.get(name)
    ]
    if "client" in where and candidate.get("shots") == "dynamic":
        found = [*(name for name in found if name != "shots"), "dynamic shots"]
    return found
