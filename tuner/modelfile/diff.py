"""Compare two Modelfiles, and say what each change costs a running server.

Ollama keeps a runner as long as the blob of weights and the runner options stay, and looks up all
else at each request (`server/sched.go`, needsReload). The cost is unknown where weights cannot be
compared: one side names a model, the other a blob.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from tuner.modelfile.document import Modelfile
from tuner.modelfile.parameters import RUNNER, plain
from tuner.spec.model_name import is_name, is_path, shown

Cost: TypeAlias = Literal["nothing", "reload", "unknown"]

_BLOB = re.compile(r".*sha256[-:]([0-9a-f]{64})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two Modelfiles.

    `a` and `b` are what each side says, None where it says nothing. `cost` is what the change
    costs a running server.
    """

    what: str
    a: str | None
    b: str | None
    cost: Cost


def changes(a: Modelfile, b: Modelfile, names: tuple[str, str] = ("", "")) -> list[Change]:
    """Return the differences, that of the base first.

    Two blobs, as a server names bases, are compared by their digests, other bases by their names.
    `names` are the names that people use for the blobs.
    """
    return [c for c in _all(a, b, names) if c.a != c.b]


def inheriting(modelfile: Modelfile, base: Modelfile) -> Modelfile:
    """Return a Modelfile with what it inherits from `base`, the model that its FROM names.

    It inherits each text, the messages and each parameter that it does not set itself. Its FROM
    becomes that of `base`: a blob, if a server told it. Source: `server/create.go` of Ollama.
    """
    said = {name for name, _ in modelfile.parameters}
    kept = tuple((name, value) for name, value in base.parameters if name not in said)
    return replace(
        modelfile,
        base=base.base,
        layers=base.layers,
        template=modelfile.template or base.template,
        system=modelfile.system or base.system,
        parameters=(*modelfile.parameters, *kept),
        messages=modelfile.messages or base.messages,
        licenses=modelfile.licenses or base.licenses,
        adapters=modelfile.adapters or base.adapters,
        drafts=modelfile.drafts or base.drafts,
        renderer=modelfile.renderer or base.renderer,
        parser=modelfile.parser or base.parser,
        requires=modelfile.requires or base.requires,
    )


def _all(a: Modelfile, b: Modelfile, names: tuple[str, str]) -> Iterator[Change]:
    yield from _bases(a, b, names)
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


def _bases(a: Modelfile, b: Modelfile, names: tuple[str, str]) -> Iterator[Change]:
    """Yield the difference of the weights, if there is one.

    One blob may have many names, and one name may mean many blobs. The order of several FROM
    does not matter.
    """
    sides = [{_blob(base) or _shown(base): base for base in (m.base, *m.layers)} for m in (a, b)]
    if sides[0].keys() != sides[1].keys():
        blobs = {bool(_blob(base)) for side in sides for base in side.values()}
        cost: Cost = "unknown" if len(blobs) > 1 else "reload"
        told = [_called(side, name) for side, name in zip(sides, names, strict=True)]
        yield Change("FROM", told[0], told[1], cost)


def _called(bases: Mapping[str, str], name: str) -> str:
    """Return bases as people read them: by name, a blob by the start of its digest.

    `name` is the name of the first one.
    """
    told = [f"sha256:{key[:12]}" if _blob(base) else key for key, base in bases.items()]
    if name and not _blob(name) and told[0].startswith("sha256:"):
        told[0] = f"{_shown(name)} ({told[0]})"
    return "\n".join(told)


def _blob(base: str) -> str | None:
    found = _BLOB.fullmatch(base)
    return found and found[1]


def _shown(base: str) -> str:
    """Return a model's name as Ollama lists it, a path unchanged."""
    return shown(base) if is_name(base) and not is_path(base) else base


def _parameters(a: Modelfile, b: Modelfile) -> Iterator[Change]:
    sides = [_settings(a), _settings(b)]
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        cost: Cost = "reload" if name in RUNNER else "nothing"
        yield Change(f"PARAMETER {name}", sides[0].get(name), sides[1].get(name), cost)


def _settings(modelfile: Modelfile) -> dict[str, str]:
    """Return the parameters in force, as a server shows them; all `stop` texts as one list."""
    found = {name: plain(name, value) for name, value in modelfile.parameters}
    stops = [value for name, value in modelfile.parameters if name == "stop"]
    return found | ({"stop": json.dumps(stops, ensure_ascii=False)} if stops else {})


def _joined(texts: tuple[str, ...] | list[str]) -> str | None:
    return "\n".join(texts) or None
