"""What changes from one Modelfile to another, and what each change costs a running server.

Costs: `server/sched.go` of Ollama, needsReload: a runner is kept for a blob of weights and its
runner options; everything else is looked up at each request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from tuner.render.modelfile import Modelfile, tagged
from tuner.render.parameters import RUNNER

Cost: TypeAlias = Literal["nothing", "reload"]

_BLOB = re.compile(r".*sha256[-:][0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: `a` and `b` are None where a side lacks it; `cost` is what service pays."""

    what: str
    a: str | None
    b: str | None
    cost: Cost


def changes(a: Modelfile, b: Modelfile) -> list[Change]:
    """Return what differs, the base first.

    Where one side names a blob, as a running server does, the bases are not compared, and the
    other side's parameters that the blob's model may have given are what they are.
    """
    return [c for c in _all(a, b) if c.a != c.b]


def inheriting(modelfile: Modelfile, base: Modelfile) -> Modelfile:
    """Return a Modelfile with what it takes over from the model that its FROM names.

    Source: server/create.go of Ollama: a text, the messages and each parameter that is not
    said again stay.
    """
    said = {name for name, _ in modelfile.parameters}
    kept = tuple((name, value) for name, value in base.parameters if name not in said)
    return replace(
        modelfile,
        template=modelfile.template if modelfile.template is not None else base.template,
        system=modelfile.system if modelfile.system is not None else base.system,
        parameters=(*modelfile.parameters, *kept),
        messages=modelfile.messages or base.messages,
        licenses=modelfile.licenses or base.licenses,
        adapters=modelfile.adapters or base.adapters,
        renderer=modelfile.renderer or base.renderer,
        parser=modelfile.parser or base.parser,
        requires=modelfile.requires or base.requires,
    )


def _all(a: Modelfile, b: Modelfile) -> Iterator[Change]:
    if not (_BLOB.fullmatch(a.base) or _BLOB.fullmatch(b.base)):
        yield Change("FROM", tagged(a.base), tagged(b.base), "reload")
    for what, theirs, ours in (
        ("ADAPTER", a.adapters, b.adapters),
        ("DRAFT", a.drafts, b.drafts),
    ):
        yield Change(what, _joined(theirs), _joined(ours), "reload")
    for what in ("template", "system", "renderer", "parser", "requires"):
        yield Change(what.upper(), getattr(a, what), getattr(b, what), "nothing")
    yield from _parameters(a, b)
    said = [_joined([f"{m.role}: {m.content}" for m in side.messages]) for side in (a, b)]
    yield Change("MESSAGE", said[0], said[1], "nothing")
    yield Change("LICENSE", _joined(a.licenses), _joined(b.licenses), "nothing")


def _parameters(a: Modelfile, b: Modelfile) -> Iterator[Change]:
    sides = [_settings(a), _settings(b)]
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        cost: Cost = "reload" if name in RUNNER else "nothing"
        yield Change(f"PARAMETER {name}", sides[0].get(name), sides[1].get(name), cost)


def _settings(modelfile: Modelfile) -> dict[str, str]:
    """Return the parameters that count; all texts of `stop` as one list."""
    found = dict(modelfile.parameters)
    stops = [value for name, value in modelfile.parameters if name == "stop"]
    return found | ({"stop": json.dumps(stops, ensure_ascii=False)} if stops else {})


def _joined(texts: tuple[str, ...] | list[str]) -> str | None:
    return "\n".join(texts) or None
