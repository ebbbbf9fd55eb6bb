"""A result in service as a model of a running Ollama, made from the Modelfile of a run.

What the name served before is kept as NAME-before-STAMP. A copy gives a name to a model in one
step.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil

from tuner.engines.base import Engine
from tuner.engines.deployment import STAMP, Release, ServerSetup, Target, Version
from tuner.engines.ollama.attached import OllamaAttached
from tuner.engines.ollama.emitted.service import environment_of, service_file, steps
from tuner.engines.ollama.models import OllamaModels
from tuner.modelfile.create_request import create_request
from tuner.modelfile.diff import Change, changes, inheriting
from tuner.modelfile.document import Modelfile, load, parse
from tuner.spec.errors import EngineError, InputError
from tuner.spec.model_name import ensure_name, shown
from tuner.spec.values import Model

if TYPE_CHECKING:
    from tuner.spec.study import Study

MODELFILE = "Modelfile"
STAGED = "modelfile-tuner-next"
BEFORE = "-before-"
_ENVIRONMENT = "ollama.env"
_OURS = re.compile(STAGED + r":\d{8}T\d{6}-(?P<machine>[0-9a-f]{8})-(?P<pid>\d+)")
_LOOPBACK = ("localhost", "::1")


class OllamaDeployment:
    """The `Deployment` of a name of a model at one server."""

    noun, holds_prompt, starts_server = "model", True, False

    def __init__(self, address: str, name: str) -> None:
        self.models, self._said, self._wanted = OllamaModels(address), name, shown(name)

    @property
    def name(self) -> str:
        """Return the name as the server lists it, or as it was asked for where nothing answers.

        Ollama ignores the case of letters when it replaces a model, and keeps the name it had.
        """
        try:
            return self._listed
        except EngineError:
            return self._wanted

    @cached_property
    def _listed(self) -> str:
        wanted = self._wanted.casefold()
        return next((n for n in self.models.names() if n.casefold() == wanted), self._wanted)

    @property
    def key(self) -> str:
        """Return the server and the name: a machine has several names for itself."""
        parts = urlsplit(self.models.address)
        host = "127.0.0.1" if parts.hostname in _LOOPBACK else parts.hostname
        return f"{host}:{parts.port} {self._wanted.casefold()}"

    @property
    def option(self) -> str:
        """Return the option that names the server."""
        return f" --attach {self.models.address}"

    def record(self) -> Mapping[str, Any]:
        """Return nothing: where the server is, the command line or OLLAMA_HOST says."""
        return {}

    def current(self) -> Version | None:
        """Return the model by its digest."""
        digest = self.models.digest(self.name)
        return None if digest is None else Version(digest, self.name)

    def kept(self) -> Sequence[Version]:
        """Return the models that the name served before, in the order of their dates."""
        pattern = re.compile(re.escape(self.name + BEFORE) + r"\d{8}T\d{6}", re.IGNORECASE)
        found = filter(pattern.fullmatch, self.models.names())
        return [self._version(label) for label in sorted(found, key=str.casefold)]

    def _version(self, label: str) -> Version:
        digest = self.models.digest(label)
        if digest is None:
            raise EngineError(f"the server has no {label} any more")
        return Version(digest, label)

    def edited(self, version: Version) -> tuple[str, ...]:
        """Return nothing: a model that is changed is another one."""
        return ()

    def text(self) -> str:
        """Return the Modelfile of the model; raise InputError for an unknown name."""
        return self.models.modelfile(self._said)

    def changes(self, release: Release) -> tuple[Change, ...] | None:
        """Return what changes in the Modelfile, inherited lines included; None for a new name.

        Raises InputError where the server lacks the model that FROM names, for what Ollama does not
        take as a name, and for a name too long to keep what serves.
        """
        ensure_name(self._said)
        modelfile = load(release.folder / MODELFILE)
        coming = self._whole(modelfile)
        if self.current() is None:
            return None
        ensure_name(self._dated(datetime.now()))
        serves = parse(self.models.modelfile(self.name), self.name)
        return tuple(changes(serves, coming, ("", modelfile.base)))

    def _whole(self, modelfile: Modelfile) -> Modelfile:
        """Return a Modelfile with what it inherits from the model that FROM names."""
        base = modelfile.base
        if Path(base).is_file():
            return modelfile
        if self.models.digest(base) is None:
            told = f"FROM {base}: the server has no such model; `ollama pull {base}` first"
            raise InputError(told)
        return inheriting(modelfile, parse(self.models.modelfile(base), base))

    def setup(self, release: Release, target: Target) -> ServerSetup | None:
        """Return the file for the server's environment, which no Modelfile can hold."""
        written = release.folder / _ENVIRONMENT
        found = environment_of(written.read_text(encoding="utf-8")) if written.exists() else {}
        if not found:
            return None
        scheduling = str(release.candidate.get("cpu_scheduling", "other"))
        header = (f"The server's environment for {self.name}, written by modelfile-tuner.",)
        called, text = service_file(target, found, header, scheduling)
        file = release.folder / "service" / called
        return ServerSetup(found, file, text, tuple(steps(target, str(file), scheduling)))

    def _clear(self) -> None:
        """Remove what processes of this machine had staged before they were killed."""
        for name in self.models.names():
            found = _OURS.fullmatch(name)
            if found is None or found["machine"] != _machine():
                continue
            pid = int(found["pid"])
            if pid == os.getpid() or not psutil.pid_exists(pid):
                self.models.delete(name)

    def stage(self, release: Release, now: datetime) -> Version:
        """Create the model of a Modelfile under a name of this process alone."""
        self._clear()
        label = f"{STAGED}:{now.strftime(STAMP)}-{_machine()}-{os.getpid()}"
        with contextlib.ExitStack() as undo:
            undo.callback(self._remove, label)
            self.models.create(label, self._body(load(release.folder / MODELFILE)))
            digest = self.models.digest(label)
            if digest is None:
                raise EngineError(f"Ollama created {label} and does not list it; look at its log")
            undo.pop_all()
        return Version(digest, label)

    def _body(self, modelfile: Modelfile) -> dict[str, Any]:
        """Return the fields of the model, after sending the file of weights that FROM may name."""
        body, weights = create_request(modelfile), Path(modelfile.base)
        if weights.is_file():
            del body["from"]
            body["files"] = {weights.name: self.models.upload(weights)}
        return body

    def keeping(self, now: datetime) -> Version | None:
        """Return the model under its dated name; where a clock was put back, the next free one."""
        serves = self.current()
        if serves is None:
            return None
        taken = {name.casefold() for name in self.models.names()}
        while self._dated(now).casefold() in taken:
            now += timedelta(seconds=1)
        return Version(serves.id, self._dated(now))

    def _dated(self, now: datetime) -> str:
        return f"{self.name}{BEFORE}{now.strftime(STAMP)}"

    def promote(self, staged: Version, kept: Version | None) -> None:
        """Keep the old model under its dated name, and give the name to what is staged."""
        if kept is not None:
            self.models.copy(self.name, kept.label)
        self.models.copy(staged.label, self.name)
        self._remove(staged.label)

    def restore(self, kept: Version | None) -> None:
        """Give the name back to the model with the dated name, which goes."""
        serves = self.current()
        if kept is None:
            if serves is not None:
                self.models.delete(self.name)
            return
        if serves is None or serves.id != kept.id:
            self.models.copy(kept.label, self.name)
        if self.models.digest(kept.label) is not None:
            self.models.delete(kept.label)

    def discard(self, version: Version) -> None:
        """Remove a name that is not the one in service."""
        if version.label != self.name:
            self._remove(version.label)

    def _remove(self, label: str) -> None:
        """Remove a name; where that fails, the next `apply` does."""
        with contextlib.suppress(EngineError):
            self.models.delete(label)

    def reload(self) -> str | None:
        """Do nothing: the server loads what a name means at the next request."""
        return None

    def check(self) -> None:
        """Raise EngineMissing where no Ollama answers, EngineError for an unknown model."""
        if self.current() is None:
            raise EngineError(f"no model of the server is called {self.name}")

    def is_new(self) -> bool | None:
        """Return True: a request names its model, and the server loads what the name means now."""
        return True

    def engine(self, study: Study) -> Engine:
        """Return an engine that sends no options, so that the model's own settings count."""
        return OllamaAttached(self.models.address, Model(self.name, self.name), as_it_is=True)


def _machine() -> str:
    """Return what tells this machine, or container, from others that use the same server."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]
