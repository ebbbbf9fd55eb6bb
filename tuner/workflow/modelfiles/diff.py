"""Compare two Modelfiles, each a file or that of a model which a server has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tuner.engines import registry
from tuner.engines.deployment import Deployment
from tuner.modelfile.diff import Change, changes, inheriting
from tuner.modelfile.document import Modelfile, load, parse
from tuner.workflow.modelfiles.named import located, path_of, same, weights


def diff(a: str, b: str, host: str | None = None) -> list[Change]:
    """Return what changes from A to B; each is a file, or else the name of a model.

    A file that is compared with a model counts with all that it inherits from its base. Two files
    are compared by what they say themselves and by the files that they name; no server is asked
    then. Raises InputError for a name that the server does not know, EngineMissing where a server
    is needed and none answers.
    """
    if _is_file(a) and _is_file(b):
        return compared(load(Path(a)), Path(a), load(Path(b)), Path(b))
    (one, its_base), (other, its) = (_served(name, host) for name in (a, b))
    return changes(one, other, (its_base, its))


def compared(a: Modelfile, at_a: Path, b: Modelfile, at_b: Path) -> list[Change]:
    """Return what changes between the Modelfiles of two files.

    Weights with the same bytes are the same. For weights that are not here the cost is unknown.
    """
    one, other = located(a, at_a), located(b, at_b)
    found = changes(one, _told_alike(other, one))
    return [replace(c, cost="unknown") if _is_absent(c) else c for c in found]


def _told_alike(modelfile: Modelfile, other: Modelfile) -> Modelfile:
    """Return a Modelfile that calls each thing by the name that the other Modelfile has for it."""

    def told(identity: str, others: Iterable[str]) -> str:
        return next((o for o in others if same(identity, o)), identity)

    theirs = (other.base, *other.layers)
    return replace(
        modelfile,
        base=told(modelfile.base, theirs),
        layers=tuple(told(layer, theirs) for layer in modelfile.layers),
        adapters=tuple(told(adapter, other.adapters) for adapter in modelfile.adapters),
        drafts=tuple(told(draft, other.drafts) for draft in modelfile.drafts),
    )


def _is_absent(change: Change) -> bool:
    """Tell whether a change is one of weights that are not here."""
    named = [line for side in (change.a, change.b) if side for line in side.split("\n")]
    paths = (Path(line) for line in named)
    return change.what == "FROM" and any(p.is_absolute() and not p.exists() for p in paths)


def _is_file(name: str) -> bool:
    return Path(name).exists() or name.startswith((".", "/", "~"))


def _served(name: str, host: str | None) -> tuple[Modelfile, str]:
    """Return the Modelfile that a server has or would create, and the name of its weights."""
    if not _is_file(name):
        return parse(_named(name, host).text(), name), ""
    file = Path(name)
    written = load(file)
    base = weights(file, (written.base, *written.layers)) or written.base
    if path_of(file, base) or (served := _named(base, host)).current() is None:
        return located(written, file), ""
    return inheriting(written, parse(served.text(), name)), base


def _named(name: str, host: str | None) -> Deployment:
    return registry.deployment(name, host, "Modelfile")
