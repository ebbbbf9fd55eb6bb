"""What there is to know of a server of one's own before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tuner.engines.artifacts import CLIENT, ServedCandidate
from tuner.engines.base import Engine
from tuner.engines.command.section import NEEDS_COMMAND, CommandSection, server
from tuner.engines.command.server import Server, command_line
from tuner.engines.first_study import Origin, Source
from tuner.engines.kind import Contents, EngineKind, InService, Installed
from tuner.machine.finding import Finding
from tuner.spec.engine_section import Declared, EngineSection, Place
from tuner.spec.errors import InputError
from tuner.spec.knobs import Knob
from tuner.spec.values import Candidate

_ANY_PORT = 1

if TYPE_CHECKING:
    from tuner.spec.study import Study


class CommandKind(EngineKind):
    """Any server with the OpenAI API that a command line starts."""

    name = "command"
    section = CommandSection
    about = "a server of your own"
    in_folder = True
    contents: ClassVar[Mapping[str, Contents]] = {
        "serve.sh": Contents(("command",), " (starts the server: {})"),
        CLIENT: Contents(("client",), " (only the client can send it: {})"),
    }

    def declared(self, section: EngineSection, place: Place) -> Declared:
        """Return how the server is started and watched."""
        assert isinstance(section, CommandSection)
        return Declared(settings=server(section, place.baseline, place.file))

    def ensure_usable(self, study: Study) -> None:
        """Raise ValueError for a study that declares no server."""
        if not isinstance(study.engine_settings, Server):
            raise ValueError(NEEDS_COMMAND)

    def origin(self, source: Source, folder: Path) -> Origin:
        """Raise InputError: only the user knows how the server is started."""
        raise InputError(f"{NEEDS_COMMAND}; no study is started for it")

    def create(self, study: Study, logs: Path) -> Engine:
        """Return the engine for the server that a study declares."""
        from tuner.engines.command.engine import create

        return create(study, logs)

    def in_service(self, study: Study) -> InService:
        """Return a server that is asked as one that the study starts."""
        from tuner.engines.serving.as_it_serves import AsItServes

        assert study.url is not None
        return InService(AsItServes(study.url, self.create(study, Path())))

    def installed(self, path: str | None = None) -> Installed:
        """Return that nothing has to be."""
        text = "any OpenAI-compatible server that a study starts is tuned; nothing to install"
        return Installed(True, Finding(self.name, "ok", text))

    def artifacts(self, served: ServedCandidate) -> dict[str, str]:
        """Return a script that starts the server, and what each request carries."""
        from tuner.engines.command.artifacts import serving_files

        server, model = served.study.engine_settings, served.engine.model.name
        return serving_files(server, served.candidate, model, served.serving, served.evidence)

    def ensure_writable(
        self, study: Study, knobs: Mapping[str, Knob], candidate: Candidate
    ) -> None:
        """Raise InputError for a candidate with which the command cannot be filled in."""
        command_line(study.engine_settings, candidate, _ANY_PORT, study.model)


KIND = CommandKind()
