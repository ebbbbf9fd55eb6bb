"""The contract of a place where results go into service: named things that serve.

A name may be a model that a server keeps, or a unit that a service manager runs: what serves can
be staged beside it, given its name, kept under another name and taken back. `tune apply`,
`tune rollback` and `tune diff` use nothing else; `tuner.testing.deployment_contract` tests it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, get_args

if TYPE_CHECKING:
    from tuner.engines.base import Engine
    from tuner.modelfile.diff import Change

Target: TypeAlias = Literal["env", "systemd", "compose", "launchd"]
"""How a server is run, and so which file configures it."""

TARGETS: tuple[Target, ...] = get_args(Target)


@dataclass(frozen=True, slots=True)
class ServerSetup:
    """The environment that a server was measured with, as the file that configures the server.

    `steps` put the file in force. They need a restart, which only the user may make.
    """

    environment: Mapping[str, str]
    file: Path
    text: str
    steps: tuple[str, ...]


class Deployment(Protocol):
    """A place where results go into service.

    Each call raises EngineMissing where nothing answers there, and EngineError where it refuses.
    """

    @property
    def address(self) -> str:
        """Return where it is, as `EngineKind.deployment` takes it; one place has one address."""
        ...

    def ensure_name(self, name: str) -> None:
        """Raise InputError for a name that nothing can have here."""
        ...

    def listed(self, name: str) -> str:
        """Return a name as `names` has it, or would have it."""
        ...

    def names(self) -> list[str]:
        """Return all names, those that are kept for a rollback as well."""
        ...

    def digest(self, name: str) -> str | None:
        """Return what tells the content of a name from any other; None for an unknown name."""
        ...

    def text(self, name: str) -> str:
        """Return the content of a name as text, in the form of the file that is deployed.

        Raises InputError for an unknown name.
        """
        ...

    def changes(self, name: str, folder: Path) -> tuple[Change, ...] | None:
        """Return what changes where the result in `folder` replaces a name; None for a new name.

        Raises InputError where the result cannot be deployed here.
        """
        ...

    def setup(
        self, name: str, folder: Path, candidate: Mapping[str, Any], target: Target
    ) -> ServerSetup | None:
        """Return how the server has to be configured for a result, None where it need not be."""
        ...

    def stage(self, name: str, folder: Path) -> str:
        """Make the result in `folder` available under a name that serves nobody yet.

        Returns its digest.
        """
        ...

    def copy(self, source: str, destination: str) -> None:
        """Let `destination` serve what `source` has, in one step; `source` stays."""
        ...

    def delete(self, name: str) -> None:
        """Remove a name, and what no other name needs."""
        ...

    def engine(self, name: str) -> Engine:
        """Return an engine that measures a name as it serves, without any change to it."""
        ...
