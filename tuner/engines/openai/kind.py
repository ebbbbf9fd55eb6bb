"""What there is to know of a running server with the OpenAI API before it is asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tuner.engines.artifacts import CLIENT, ServedCandidate
from tuner.engines.base import Engine, Preview
from tuner.engines.first_study import Draft, Machine, Origin
from tuner.engines.kind import Contents, EngineKind, Installed
from tuner.engines.openai.section import NEEDS_URL, OpenAISection, remote, server_url
from tuner.machine.finding import Finding
from tuner.spec.engine_section import Declared, EngineSection, Place
from tuner.spec.knobs import Knob

_HINTS = (
    (r"HTTP 40[13]\b", "name the variable that holds the key: engine.api_key_env: NAME"),
    (r"redirected to", "write that address into engine.url"),
    (r"stream_options", "leave it out: engine.stream_options: false"),
    (
        r"max_tokens|max_completion_tokens",
        "name the field that it takes: "
        "engine.knobs: {num_predict: {tier: request, field: max_completion_tokens}}",
    ),
    (r"HTTP 40[45]\b|web page", "compare engine.url with the server's API, mostly below /v1"),
    (r"no event stream", "ask a server that streams, or past the proxy that holds the stream back"),
    (r"HTTP 429\b", "lower the load (workload.load), or raise the limit there"),
)
"""What to do about a reason for which all requests failed."""

if TYPE_CHECKING:
    from tuner.spec.study import Study


class OpenAIKind(EngineKind):
    """A running server with the OpenAI API, which is neither started nor changed."""

    name = "openai"
    remark = "`auto` is not sent: the server's own default holds."
    section = OpenAISection
    about = "a running server"
    one_start = True
    drafts_running = True
    contents: ClassVar[Mapping[str, Contents]] = {
        CLIENT: Contents(("client",), " (only the client can send it: {})")
    }

    def declared(self, section: EngineSection, place: Place) -> Declared:
        """Return where the server is, and what it wants beside a conversation."""
        assert isinstance(section, OpenAISection)
        url = server_url(section, place.folder, place.file)
        return Declared(url, remote(section, place.file))

    def ensure_usable(self, study: Study) -> None:
        """Raise ValueError for a study that names no server."""
        if study.url is None:
            raise ValueError(NEEDS_URL)

    def next_step(self, failed: str) -> str | None:
        """Return what helps, since a study says how its server is reached."""
        return next((hint for pattern, hint in _HINTS if re.search(pattern, failed)), None)

    def draft(self, origin: Origin, machine: Machine) -> Draft:
        """Return a draft of what a request can carry."""
        from tuner.engines.openai import first_study

        return first_study.draft(origin)

    def create(self, study: Study, logs: Path) -> Engine:
        """Return the engine for the study's url."""
        from tuner.engines.openai.engine import create

        return create(study, logs)

    def preview(self, study: Study) -> Preview:
        """Return what shows without asking the server."""
        from tuner.engines.openai.engine import preview

        return preview(study)

    def knobs(self) -> Mapping[str, Knob]:
        """Return the knobs of the newest version."""
        from tuner.engines.openai.remote import USUAL_KNOBS

        return USUAL_KNOBS

    def installed(self, path: str | None = None) -> Installed:
        """Return that nothing has to be."""
        text = "the requests to any running OpenAI-compatible server are tuned; nothing to install"
        return Installed(True, Finding(self.name, "ok", text))

    def artifacts(self, served: ServedCandidate) -> dict[str, str]:
        """Return what each request carries, and a program that sends it."""
        from tuner.engines.openai.artifacts import hosted_files
        from tuner.engines.openai.remote import Remote

        study, serving = served.study, served.serving
        assert study.url is not None
        remote = study.engine_settings or Remote()
        request = served.engine.request((), served.candidate, serving.response_format)
        return hosted_files(study.url, request, remote.headers, serving, served.evidence)


KIND = OpenAIKind()
