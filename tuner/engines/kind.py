"""The contract of a kind of engine: what there is to know of it before one is made.

Its package has one instance, named by an entry point of the group `tuner.engines`. `tuner` asks
these instances and knows no engine by name. They import the modules of their engine inside of
methods, so that a command loads only what it uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tuner.engines.artifacts import ServedCandidate
from tuner.engines.base import Engine, Preview
from tuner.engines.first_study import Draft, Machine, Origin, Source, lines, unused
from tuner.spec.address import Url
from tuner.spec.engine_kinds import START_S
from tuner.spec.engine_section import DEFAULT_MODEL, Declared, EngineSection, Place
from tuner.spec.errors import InputError
from tuner.spec.knobs import LEFT_TO_ENGINE, Knob
from tuner.spec.known_path import KnownPath
from tuner.spec.shipped import PACKAGED_STUDY
from tuner.spec.values import Candidate, Model

if TYPE_CHECKING:
    from tuner.engines.deployment import Deployment
    from tuner.machine.finding import Finding
    from tuner.spec.study import Study


@dataclass(frozen=True, slots=True)
class Contents:
    """Which knobs a written file holds, by where they are written, and how that is said.

    `{}` in `text` stands for their names.
    """

    where: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Installed:
    """Whether a kind of engine can be used here as it is, and what `tune doctor` says of it."""

    usable: bool
    finding: Finding


@dataclass(frozen=True, slots=True)
class InService:
    """A server as clients ask it, which is only asked.

    With `holds_prompt` the model has its system text and shots, and clients send neither.
    """

    engine: Engine
    holds_prompt: bool = False


class EngineKind:
    """A kind of engine. Subclass it, and give what differs from the defaults here.

    `about` follows the name where kinds are listed, `remark` is for the reference. One that is
    not `offered` is for tests. A plan allows `start_s` seconds for a start, until one was measured.
    With `one_start` the server is somebody else's, and no start of it can be asked for; one that
    `attaches` can use a running server in place of its own, which it `reloads` where it can be made
    to load its model anew; one that `drafts_running` starts a first study from such a server.
    `packaged_study` is the study for who names none. `prompt_where` says what holds the prompt in
    service: the model itself, or the client. `contents` describes its files; `deploys` names the
    one that a server of its kind takes into service by itself, None where none does. With
    `in_folder` its files start a server, so that a folder can put them into service.
    """

    name: ClassVar[str]
    section: ClassVar[type[EngineSection]]
    about: ClassVar[str] = ""
    remark: ClassVar[str] = ""
    offered: ClassVar[bool] = True
    reloads: ClassVar[bool] = False
    drafts_running: ClassVar[bool] = False
    start_s: ClassVar[float] = START_S
    attaches: ClassVar[bool] = False
    one_start: ClassVar[bool] = False
    packaged_study: ClassVar[str] = PACKAGED_STUDY
    prompt_where: ClassVar[Literal["modelfile", "client"]] = "client"
    contents: ClassVar[Mapping[str, Contents]] = MappingProxyType({})
    deploys: ClassVar[str | None] = None
    in_folder: ClassVar[bool] = False

    # what a study says
    def takes(self, model: str) -> bool:
        """Tell whether a model is served by this kind where a study names none."""
        return False

    def declared(self, section: EngineSection, place: Place) -> Declared:
        """Return what a section declares; raise InputError where its keys do not fit together."""
        return Declared()

    def ensure_usable(self, study: Study) -> None:
        """Raise ValueError where a study lacks what the kind needs."""

    def in_python(self, settings: Any, python: str) -> Any:
        """Return the settings of a study with the Python that has the engine.

        Raises ValueError where the engine is in none.
        """
        raise ValueError(f"engine {self.name} is found without a Python of its own")

    def next_step(self, failed: str) -> str | None:
        """Return what helps against the reason for which all requests failed, None for nothing."""
        return None

    def running(self, told: str | None) -> Url | None:
        """Return where a server that runs is, as told or else as the environment says.

        None where the kind uses no running server in place of its own. Raises InputError.
        """
        return None

    def paths(self) -> tuple[KnownPath, ...]:
        """Return the folders of the user that this kind reads or writes, for `tune paths`."""
        return ()

    # a first study
    def starts(self, source: Source) -> bool:
        """Tell whether a study of a source is of this kind where nobody names one."""
        return self.one_start if source.server else self.takes(source.model)

    def origin(self, source: Source, folder: Path) -> Origin:
        """Return what a source tells of the model that this kind is to serve.

        `folder` is where the study will lie. Raises InputError for what it cannot serve,
        EngineMissing. By default nothing is known of a model but how it is named.
        """
        path, named = source.path, source.model.rsplit("/", 1)[-1]
        return Origin(
            label=source.label,
            model=str(path.absolute()) if path else source.model,
            stem=path.stem if path else self.name if source.model == DEFAULT_MODEL else named,
            engine=self.name,
            modelfile=source.modelfile,
            url=str(source.server) if source.server else None,
        )

    def draft(self, origin: Origin, machine: Machine) -> Draft:
        """Return what the kind puts into a first study; raise InputError for a PARAMETER.

        By default the baseline is what holds anyway, and no knob is searched.
        """
        held = {name: knob.default for name, knob in self.knobs().items()}
        defaults = {name: value for name, value in held.items() if value not in LEFT_TO_ENGINE}
        left_out = unused(origin.modelfile, (), "the engine's own is used")
        return Draft(lines(defaults), left_out=left_out)

    def known_model(self, name: str) -> Model | None:
        """Return what is known of a model by its name without a server, None where nothing is."""
        return None

    def slots_by_environment(self) -> int | None:
        """Return how many requests a server serves at once, as the environment says; else None."""
        return None

    # the engine itself
    def create(self, study: Study, logs: Path) -> Engine:
        """Return the study's engine, not started; raise EngineMissing, InputError.

        `logs` is a folder for what the engine writes while it runs.
        """
        raise NotImplementedError

    def in_service(self, study: Study) -> InService:
        """Return what serves at the study's url, asked as clients do; nothing there is changed.

        Raises InputError for a kind that does not know how a server of somebody else is asked.
        """
        if not (self.one_start or self.attaches):
            raise InputError(
                f"engine {self.name} does not tell how a server at a URL is asked; name a kind "
                "that does with --engine"
            )
        return InService(self.create(study, Path()))

    def preview(self, study: Study) -> Preview:
        """Return what can be said of the study's engine without starting it.

        Raises EngineMissing, InputError.
        """
        engine = self.create(study, Path())
        return Preview(engine.knobs, left_out=getattr(engine, "left_out", {}))

    def knobs(self) -> Mapping[str, Knob]:
        """Return the knobs of the newest version, for the reference; {} where a study names them.

        Which of them an engine has, its `preview` says.
        """
        return {}

    def installed(self, path: str | None = None) -> Installed | None:
        """Return whether it can be used here, None where there is nothing to say.

        Programs are looked for in `path`, else in PATH.
        """
        return None

    def uses_gpu(self, study: Study) -> bool:
        """Tell whether the study's engine puts its model onto a GPU of this machine."""
        return False

    def fetch(self, study: Study, note: Callable[[str], None]) -> None:
        """Fetch the models of a study that are not there, telling what is fetched.

        Raises EngineMissing. Nothing is fetched where models are files.
        """

    # what goes into service
    def artifacts(self, served: ServedCandidate) -> dict[str, str]:
        """Return the files that put a candidate into service: file name -> text.

        Raises InputError for what no file can hold.
        """
        return {}

    def checked(self, served: ServedCandidate, files: Mapping[str, str]) -> str | None:
        """Return what the engine's own parser says of written files, None where it has none."""
        return None

    def programs(self, files: Mapping[str, str], candidate: Candidate) -> dict[str, str]:
        """Return programs that ask the model as it was measured, beside its artifacts."""
        return {}

    def ensure_writable(
        self, study: Study, knobs: Mapping[str, Knob], candidate: Candidate
    ) -> None:
        """Raise InputError for a candidate that no file can hold."""

    def deployment(self, name: str, host: str | None) -> Deployment:
        """Return a name in service at the server `host`, or where it is by default.

        Asked only where `deploys` names a file. Raises InputError for what is no address, and for
        what no name can be.
        """
        raise NotImplementedError

    def serving_at(self, url: Url, study: Study) -> Engine:
        """Return an engine that measures a server as the kind's files started it.

        Asked only with `in_folder`.
        """
        return self.in_service(replace(study, url=url)).engine
