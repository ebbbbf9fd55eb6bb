"""What there is to know of vLLM before a server starts or is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.engines.artifacts import ServedCandidate
from tuner.engines.base import Engine, Preview
from tuner.engines.first_study import Draft, Machine, Origin, Source
from tuner.engines.kind import Contents, EngineKind, InService, Installed
from tuner.engines.vllm.settings.section import Fixed, VllmSection, fixed
from tuner.machine.finding import Finding
from tuner.spec.address import Url, url
from tuner.spec.engine_section import DEFAULT_MODEL, Declared, EngineSection, Place
from tuner.spec.errors import EngineMissing, InputError
from tuner.spec.knobs import Knob
from tuner.spec.known_path import KnownPath
from tuner.spec.values import Candidate

if TYPE_CHECKING:
    from tuner.spec.study import Study

NEEDS_MODEL = (
    "engine vllm serves the folder of a model, or a name at Hugging Face: name it with --model or "
    "engine.model"
)

EXPECTED_START_S = 90.0
"""Seconds that a plan allows for a start until one was measured: a small model on a CPU took 45
to 110."""


class VllmKind(EngineKind):
    """vLLM: a server of our own, or a running one."""

    name = "vllm"
    remark = "Defaults are vLLM's own, which depend on the machine, where it says `auto`."
    section = VllmSection
    attaches = True
    drafts_running = True
    packaged_study = "task-api-vllm.yaml"
    start_s = EXPECTED_START_S
    in_folder = True

    @property
    def contents(self) -> Mapping[str, Contents]:  # type: ignore[override]
        """Return what its files hold."""
        from tuner.engines.vllm.emitted.artifacts import CONTENTS

        return CONTENTS

    def takes(self, model: str) -> bool:
        """Tell whether a model is a folder."""
        return Path(model).is_dir()

    def declared(self, section: EngineSection, place: Place) -> Declared:
        """Return where a running server is, or how ours is started; raise InputError."""
        assert isinstance(section, VllmSection)
        try:
            where = None if section.url is None else url(section.url)
        except ValueError as wrong:
            raise InputError(f"{place.file}: engine.url: {wrong}") from None
        return Declared(where, fixed(section, place.folder, place.file))

    def ensure_usable(self, study: Study) -> None:
        """Raise ValueError for a study that names no model."""
        if study.model == DEFAULT_MODEL and study.url is None:
            raise ValueError(NEEDS_MODEL)

    def paths(self) -> tuple[KnownPath, ...]:
        """Return the cache of what installed versions say of their flags."""
        from tuner.engines.vllm.installed.flags.installed_flags import CACHE_VARIABLE, cache_folder

        holds = "what each installed version says of its flags"
        return (KnownPath("cache of vLLM's flags", cache_folder(), holds, CACHE_VARIABLE),)

    def in_python(self, settings: Fixed | None, python: str) -> Fixed:
        """Return the settings with the Python that has vLLM."""
        return replace(settings or Fixed(), python=python)

    def running(self, told: str | None) -> Url | None:
        """Return where a running server is, as told; there is no usual place."""
        if not told:
            return None
        try:
            return url(told)
        except ValueError as wrong:
            raise InputError(f"--attach: {wrong}") from None

    def starts(self, source: Source) -> bool:
        """Tell whether a source is a folder, or a Modelfile over one."""
        return source.path is not None and source.path.is_dir()

    def origin(self, source: Source, folder: Path) -> Origin:
        """Return what a model's folder tells; raise InputError for one that cannot be served."""
        from tuner.engines.vllm import first_study

        return first_study.origin(source, folder)

    def draft(self, origin: Origin, machine: Machine) -> Draft:
        """Return a draft of flags and of what a request carries."""
        from tuner.engines.vllm import first_study

        return first_study.draft(origin, machine)

    def uses_gpu(self, study: Study) -> bool:
        """Tell whether there is a GPU: vLLM without one is another build."""
        from tuner.machine.gpus import has_gpu

        return has_gpu()

    def create(self, study: Study, logs: Path) -> Engine:
        """Return the engine for a study's model, with a server of our own or a running one."""
        from tuner.engines.vllm.create import create

        return create(study, logs)

    def in_service(self, study: Study) -> InService:
        """Return a running vLLM; where the study names a folder, whatever it serves is asked."""
        named = DEFAULT_MODEL if Path(study.model).is_dir() else study.model
        return InService(self.create(replace(study, model=named), Path()))

    def preview(self, study: Study) -> Preview:
        """Return what shows without starting a server."""
        from tuner.engines.vllm.create import preview

        return preview(study)

    def knobs(self) -> Mapping[str, Knob]:
        """Return the knobs of the newest version."""
        from tuner.engines.vllm.settings.knobs import knobs

        return knobs("")

    def artifacts(self, served: ServedCandidate) -> dict[str, str]:
        """Return the files that start the server, and what each request carries."""
        from tuner.engines.vllm.emitted.from_candidate import files

        return files(served)

    def checked(self, served: ServedCandidate, files: Mapping[str, str]) -> str | None:
        """Return whether the installed vLLM reads the files, and as one another."""
        from tuner.engines.vllm.emitted.from_candidate import checked

        return checked(served, files)

    def ensure_writable(
        self, study: Study, knobs: Mapping[str, Knob], candidate: Candidate
    ) -> None:
        """Raise InputError for a flag that vLLM's own file cannot hold."""
        from tuner.engines.vllm.settings.arguments import arguments
        from tuner.engines.vllm.settings.command import flags

        if study.url is None:
            arguments(flags(candidate, study.engine_settings or Fixed()))

    def installed(self, path: str | None = None) -> Installed:
        """Return whether the program is there, and which version."""
        from tuner.engines.vllm.installed.program import find

        try:
            found = find(None, path)
        except EngineMissing as missing:
            one_line = " ".join(str(missing).split())
            return Installed(False, Finding(self.name, "note", one_line))
        text = f"vLLM {found.version} found in {found.python}"
        return Installed(True, Finding(self.name, "ok", text))


KIND = VllmKind()
