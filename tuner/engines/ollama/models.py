"""Ask for the models of a running Ollama, and change them, with the ollama package."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from tuner.engines.ollama.package import ollama, trusted
from tuner.spec.errors import EngineError, EngineMissing, InputError
from tuner.spec.model_name import shown

_TIMEOUT_S = 30.0
"""For calls that move no weights."""

_WEIGHTS_S = 300.0


class OllamaModels:
    """The models of the server at `address`, a whole URL as `attached.address_of` returns it.

    Each call raises EngineMissing where no Ollama answers there.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def names(self) -> list[str]:
        """Return the names of all models, each with its tag."""
        with self._asking() as client:
            return sorted(m.model for m in client.list().models if m.model)

    def digest(self, name: str) -> str | None:
        """Return the digest of a model's manifest, None for an unknown name."""
        with self._asking() as client:
            found = (m for m in client.list().models if m.model == shown(name))
            return next((m.digest for m in found), None)

    def modelfile(self, name: str) -> str:
        """Return the Modelfile of a model; raise InputError for an unknown name."""
        with self._asking() as client:
            try:
                return client.show(name).modelfile or ""
            except ollama.ResponseError as refused:
                raise InputError(self._unknown(name, refused.error)) from refused

    def create(self, name: str, body: Mapping[str, Any]) -> None:
        """Create a model; `body` holds the other fields of POST /api/create.

        The method `create` of the package lacks renderer, parser and requires.
        """
        asked = {**body, "model": name, "stream": False}
        with self._asking(), httpx.Client(**_settings(_WEIGHTS_S)) as client:
            made = client.post(f"{self.address}/api/create", json=asked)
            if made.status_code != 200 or made.json().get("error"):
                raise EngineError(f"Ollama did not create {name}: {made.text.strip()}")

    def pull(self, name: str) -> None:
        """Fetch a model from its registry, without a time limit."""
        with self._asking(timeout_s=None) as client:
            client.pull(name)

    def upload(self, file: Path) -> str:
        """Send a file of weights to the server unless it is there; return its digest."""
        with self._asking(_WEIGHTS_S) as client:
            return str(client.create_blob(file))

    def copy(self, source: str, destination: str) -> None:
        """Give a model a second name; a model that has this name loses it."""
        with self._asking() as client:
            client.copy(source, destination)

    def delete(self, name: str) -> None:
        """Remove a name, and what no other name needs."""
        with self._asking() as client:
            client.delete(name)

    @contextlib.contextmanager
    def _asking(self, timeout_s: float | None = _TIMEOUT_S) -> Iterator[ollama.Client]:
        """Yield a client; raise its errors as ours, each with the next step."""
        try:
            with ollama.Client(self.address, **_settings(timeout_s)) as client:
                yield client
        except ollama.ResponseError as refused:
            raise EngineError(f"Ollama at {self.address} refused: {refused.error}") from refused
        except ValueError as odd:
            raise EngineMissing(
                f"{self.address} answers, but not as Ollama does: name another with --attach URL"
            ) from odd
        except (ConnectionError, httpx.HTTPError) as silent:
            raise EngineMissing(
                f"no Ollama answers at {self.address} ({silent}); start it with `ollama serve`, or "
                "name another with --attach URL"
            ) from silent

    def _unknown(self, name: str, told: str) -> str:
        known = self.names()
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known) or 'none'}"
        return f"{name} is no file, and no model of the server ({told}); {hint}"


def _settings(timeout_s: float | None) -> dict[str, Any]:
    """Return the settings of a client that asks no proxy, which knows no server of this machine."""
    return {"timeout": timeout_s, "trust_env": False, "verify": trusted()}
