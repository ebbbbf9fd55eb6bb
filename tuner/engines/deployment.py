"""The contract of a name in service, at one place, whatever serves there.

A name may be that of a model that a server keeps, or of a server that starts from files in a
folder. A result is staged beside what serves, promoted in one step, and what served before can be
restored. `tune apply`, `tune rollback` and `tune diff` use nothing else;
`tuner.testing.deployment_contract` tests it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, get_args

if TYPE_CHECKING:
    from tuner.engines.base import Engine
    from tuner.modelfile.diff import Change
    from tuner.spec.study import Study

Target: TypeAlias = Literal["env", "systemd", "compose", "launchd"]
"""How a server is run, and so which file configures it."""

TARGETS: tuple[Target, ...] = get_args(Target)

STAMP = "%Y%m%dT%H%M%S"
"""How the instant of an `apply` is written into names."""


@dataclass(frozen=True, slots=True)
class ServerSetup:
    """The environment that a server was measured with, as the file that configures the server.

    `steps` put the file in force. They need a restart, which only the user may make.
    """

    environment: Mapping[str, str]
    file: Path
    text: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """What a run wrote that can serve: files of a folder, and the candidate that they stand for."""

    folder: Path
    files: tuple[str, ...]
    candidate: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Version:
    """Something that serves, has served or could: `id` tells it from others, `label` names it.

    Two versions with one `id` serve the same, under whatever label.
    """

    id: str
    label: str


class Deployment(Protocol):
    """One name in service, at one place.

    Each call raises EngineMissing where nothing answers there, EngineError where it refuses, and
    OutputError where nothing can be written.
    """

    @property
    def name(self) -> str:
        """Return the name as it is listed there, or would be."""
        ...

    @property
    def key(self) -> str:
        """Return what tells this name at this place from all others, however both are written."""
        ...

    @property
    def noun(self) -> str:
        """Return what is put into service there, as people call it: a model, a version."""
        ...

    @property
    def option(self) -> str:
        """Return what `tune rollback NAME` has to be told to find this place, "" for nothing."""
        ...

    @property
    def holds_prompt(self) -> bool:
        """Tell whether what serves has the system text and the shots, which nobody sends then."""
        ...

    @property
    def starts_server(self) -> bool:
        """Tell whether a reload starts the server anew, with the flags of what has the name."""
        ...

    def record(self) -> Mapping[str, Any]:
        """Return what to write down so that the name alone finds the place; {} for nothing."""
        ...

    # what serves, and what could
    def current(self) -> Version | None:
        """Return the version that serves, None where nothing has the name."""
        ...

    def kept(self) -> Sequence[Version]:
        """Return the versions that served before and can serve again, the last one last."""
        ...

    def edited(self, version: Version) -> tuple[str, ...]:
        """Return what somebody changed of a version since it went into service, () for nothing."""
        ...

    def text(self) -> str:
        """Return what serves as text, in the form in which it was deployed.

        Raises InputError where nothing has the name.
        """
        ...

    # what a release would change
    def changes(self, release: Release) -> tuple[Change, ...] | None:
        """Return what changes where a release replaces what serves; None where nothing serves.

        Raises InputError where the release cannot be deployed here, or not under this name.
        """
        ...

    def setup(self, release: Release, target: Target) -> ServerSetup | None:
        """Return how the server has to be configured for a release, None where it need not be."""
        ...

    # into service and back
    def stage(self, release: Release, now: datetime) -> Version:
        """Write a release beside what serves, so that it outlasts a loss of power; serve nobody.

        What was left staged before goes. Where staging fails nothing of it stays. Raises
        InputError for what cannot be deployed.
        """
        ...

    def keeping(self, now: datetime) -> Version | None:
        """Return what serves, as it is labelled once another is promoted; None for nothing."""
        ...

    def promote(self, staged: Version, kept: Version | None) -> None:
        """Give the name to what is staged, in one step; what served is kept as `keeping` said."""
        ...

    def restore(self, kept: Version | None) -> None:
        """Give the name back to what is kept, in one step; None removes the name.

        It may be done again, also where the name never changed hands.
        """
        ...

    def discard(self, version: Version) -> None:
        """Remove a version that serves nobody; one that is not there is no error."""
        ...

    def reload(self) -> str | None:
        """Have what has the name now serve, and return when it answers.

        Returns what could not be shown of that, None where all was. Raises StartFailed.
        """
        ...

    def check(self) -> None:
        """Raise EngineError where what serves does not answer."""
        ...

    def is_new(self) -> bool | None:
        """Tell whether what answers now was started after the name last changed hands.

        None where that is out of sight.
        """
        ...

    def engine(self, study: Study) -> Engine:
        """Return an engine that measures what serves as it serves, without any change to it."""
        ...
