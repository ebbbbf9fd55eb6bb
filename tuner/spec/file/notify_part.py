"""The section `notify` of a study file: who is told what."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from tuner.spec.errors import InputError
from tuner.spec.file.parts import Part
from tuner.spec.notify import EVENT_KINDS, EventKind, Notify

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class NotifyPart(Part):
    """Who is told what nights come to."""

    urls_from: str | None = None
    urls_file: str | None = None
    events: tuple[EventKind, ...] = Field(EVENT_KINDS, min_length=1)
    textfile: str | None = None

    @field_validator("urls_from")
    @classmethod
    def _is_a_name(cls, name: str | None) -> str | None:
        if name is not None and not _VARIABLE.fullmatch(name):
            raise ValueError(
                "expected the name of an environment variable, such as TUNE_NOTIFY_URLS; what it "
                "holds is a secret, and stands in no study"
            )
        return name

    @model_validator(mode="after")
    def _names_somebody(self) -> NotifyPart:
        if self.urls_from is not None and self.urls_file is not None:
            raise ValueError("name one of urls_from and urls_file")
        if self.urls_from is None and self.urls_file is None and self.textfile is None:
            raise ValueError("tells nobody; add urls_from, urls_file or textfile")
        return self


def notify_value(part: NotifyPart | None, folder: Path, file: str) -> Notify | None:
    """Return whom a study in `folder` tells; raise InputError for URLs that lie beside it."""
    if part is None:
        return None
    urls = _path(part.urls_file, folder)
    if urls is not None and urls.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"{file}: notify.urls_file: {urls} lies in the study's folder, and is kept, copied and "
            "shown with it; put it elsewhere, such as ~/.config/modelfile-tuner/urls"
        )
    return Notify(part.urls_from, urls, part.events, _path(part.textfile, folder))


def _path(text: str | None, folder: Path) -> Path | None:
    """Return a path that counts from the study's folder, and may begin with ~."""
    return None if text is None else folder / Path(text).expanduser()
