"""Models in Ollama's folder, by the names that people use."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ollama.stored import stored
from tuner.engines.ollama import model_folder as ollama_store
from tuner.spec.errors import InputError


def test_a_model_is_known_by_name_with_the_facts_of_its_file(tmp_path: Path) -> None:
    """FROM names the model, and its memory can be estimated before a server runs."""
    stored(tmp_path, "small", "q4")

    model = ollama_store.model("small:q4", tmp_path)

    assert (model.source, model.digest, model.train_ctx) == ("small:q4", "sha256:ab", 8192)
    assert model.chat_template is None
    assert model.cached_per_token


def test_an_unknown_name_is_answered_with_the_nearest(tmp_path: Path) -> None:
    """A slip of the pen is met with the right name and the folder that was looked in."""
    stored(tmp_path, "small", "q4")
    stored(tmp_path, "mine", "latest", under=("hf.co", "me"))

    with pytest.raises(InputError, match=r"no model 'smal:q4' in .*; did you mean small:q4\?"):
        ollama_store.model("smal:q4", tmp_path)
    assert ollama_store.names(tmp_path) == ["hf.co/me/mine:latest", "small:q4"]


@pytest.mark.parametrize(("asked", "served"), [(-1, 4), (0, 4), (2048, 2048), (9000, 8192)])
def test_a_model_s_own_window_is_the_one_that_is_served(
    tmp_path: Path, asked: int, served: int
) -> None:
    """Ollama raises it to 4 and lowers it to the training."""
    stored(tmp_path, "small", "q4", {"params": f'{{"num_ctx": {asked}}}'})

    assert ollama_store.own_settings("small:q4", tmp_path) == {"num_ctx": served}


def test_a_model_without_weights_is_refused(tmp_path: Path) -> None:
    """A model that lives in the cloud cannot be served here."""
    stored(tmp_path, "far", "latest", weights="other")

    with pytest.raises(InputError, match="has no weights of its own"):
        ollama_store.model("far", tmp_path)


def test_a_broken_manifest_is_named(tmp_path: Path) -> None:
    """The file that cannot be read is in the message."""
    stored(tmp_path, "small", "q4")
    manifest = tmp_path / "manifests" / "registry.ollama.ai" / "library" / "small" / "q4"
    manifest.write_text("{")

    with pytest.raises(InputError, match="q4 cannot be read"):
        ollama_store.model("small:q4", tmp_path)


NOBODY = 65534


@contextlib.contextmanager
def _as_nobody(folder: Path) -> Iterator[None]:
    """Be a user who may not write below a folder; root may write anywhere and becomes nobody."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = os.geteuid()
    try:
        if before == 0:
            os.seteuid(NOBODY)
        yield
    finally:
        os.seteuid(before)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)


def test_a_folder_of_ones_own_is_served_from(tmp_path: Path) -> None:
    """Nothing is copied where a server of ours may create a model."""
    stored(tmp_path / "models", "small", "q4")

    assert ollama_store.writable(tmp_path / "models", tmp_path) == tmp_path / "models"
    assert list(tmp_path.iterdir()) == [tmp_path / "models"]


def test_a_folder_of_the_service_is_linked_to() -> None:
    """Its models have their names in a folder that may be written, without copied weights.

    The folder is this process's own; those of processes that have ended go.
    """
    with tempfile.TemporaryDirectory() as name:
        folder, beside = Path(name) / "service", Path(name) / "ours"
        stored(folder, "small", "q4")
        beside.mkdir()
        ended = subprocess.Popen(["true"])
        ended.wait()
        others = [beside / f"ollama-models-{pid}" for pid in (ended.pid, os.getppid(), "mine")]
        for path in others:
            path.mkdir()
        for path in (Path(name), beside):
            path.chmod(0o777)
        with _as_nobody(folder):
            ours = ollama_store.writable(folder, beside)
            (ours / "manifests" / "mine").write_text("{}")
            (ours / "blobs" / "sha256-new").write_text("")

        assert ours == beside / f"ollama-models-{os.getpid()}"
        assert [path.exists() for path in others] == [False, True, True]
        assert ollama_store.model("small:q4", ours).digest == "sha256:ab"
        assert (ours / "blobs" / "sha256-ab").is_symlink()
        assert not (folder / "blobs" / "sha256-new").exists()


def test_a_folder_that_cannot_be_read_is_bad_input() -> None:
    """The folder is named, with what the system said."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "service"
        stored(folder, "small", "q4")
        Path(name).chmod(0o755)
        with _as_nobody(folder), pytest.raises(InputError, match="neither written nor read"):
            ollama_store.writable(folder, folder)
