"""One folder of a model is told from another by what it holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vllm.pythons import model
from tuner.engines.vllm.model import digest, served_model
from tuner.spec.errors import InputError


def test_a_folder_tells_what_it_holds(tmp_path: Path) -> None:
    """Its size, its longest context, and a digest."""
    found = served_model(str(model(tmp_path / "small")))

    assert found.digest is not None
    assert found.digest.startswith("sha256:")
    assert found.train_ctx == 8192
    assert found.weights_bytes == (tmp_path / "small" / "model.safetensors").stat().st_size


def test_the_same_files_elsewhere_are_the_same(tmp_path: Path) -> None:
    """Where a folder lies does not matter; what a file holds does."""
    one, other = model(tmp_path / "one"), model(tmp_path / "other")
    assert digest(one) == digest(other)
    (other / "config.json").write_text((other / "config.json").read_text() + " ")

    assert digest(one) != digest(other)


def test_large_files_count_by_their_ends(tmp_path: Path) -> None:
    """Weights of many gigabytes are not read whole; another end is another file."""
    large = tmp_path / "weights"
    with large.open("wb") as file:
        file.truncate(2**24 + 10)
    before = digest(tmp_path)
    with large.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"x")

    assert digest(tmp_path) != before


def test_a_name_elsewhere_is_left_to_vllm() -> None:
    """Of a model that is no folder here nothing is known."""
    assert served_model("someone/model").digest is None


def test_a_broken_folder_is_refused(tmp_path: Path) -> None:
    """Weights that were not fetched are told before anything starts."""
    folder = model(tmp_path / "small")
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")

    with pytest.raises(InputError, match=r"model\.safetensors"):
        served_model(str(folder))
