"""GGUF metadata: what is read, and what is refused."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import gguf_files
from tuner.engines.gguf import kv_bytes_per_token, metadata
from tuner.engines.models import default_path, from_gguf
from tuner.spec.errors import InputError


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _file(**pairs: str) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs))
    return head + b"".join(_string(k) + struct.pack("<I", 8) + _string(v) for k, v in pairs.items())


@given(st.dictionaries(st.from_regex(r"[a-z.]{1,12}", fullmatch=True), st.text(max_size=40),
                       min_size=1, max_size=5))  # fmt: skip
def test_strings_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, pairs: dict[str, str]
) -> None:
    """Whatever strings stand in the metadata come back."""
    path = tmp_path_factory.mktemp("g") / "m.gguf"
    path.write_bytes(_file(**pairs) + bytes(24))

    assert metadata(path) == pairs


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a GGUF file"),
        (b"PK\x03\x04" + bytes(100), "not a GGUF file"),
        (b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "version 9"),
        (_file(name="x" * 50)[:60], "damaged"),
    ],
)
def test_what_is_no_gguf_is_refused_in_a_sentence(
    tmp_path: Path, content: bytes, words: str
) -> None:
    """Foreign, damaged and newer files are bad input, never a traceback."""
    path = tmp_path / "m.gguf"
    path.write_bytes(content)

    with pytest.raises(InputError, match=words):
        metadata(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The path that was looked for is in the message."""
    with pytest.raises(InputError, match=r"nowhere\.gguf"):
        from_gguf(tmp_path / "nowhere.gguf")


@pytest.mark.embedded
def test_the_default_model_tells_its_template_and_context() -> None:
    """The packaged model's metadata holds what the Modelfile needs."""
    model = from_gguf(default_path())

    assert model.train_ctx == 8192
    assert "<|im_start|>" in (model.chat_template or "")
    assert (model.digest or "").startswith("sha256:")


def test_the_cache_of_a_token_follows_from_the_metadata() -> None:
    """30 layers x 3 KV heads x (64 + 64) x 2 bytes, as for SmolLM2-135M."""
    assert kv_bytes_per_token(gguf_files.LLAMA) == 23_040


def test_heads_may_differ_by_layer_and_lengths_be_given() -> None:
    """Lists count layer by layer; key and value lengths win over the embedding's."""
    facts = dict(gguf_files.LLAMA) | {
        "llama.attention.head_count_kv": [0, 2, 4],
        "llama.attention.key_length": 128,
        "llama.attention.value_length": 32,
    }

    assert kv_bytes_per_token(facts) == 2 * 6 * 160


@pytest.mark.parametrize(
    "changes",
    [
        {"general.architecture": "other"},
        {"llama.attention.head_count": 0},
        {"llama.embedding_length": "wide"},
        {"llama.block_count": None, "llama.attention.head_count_kv": None},
        {"llama.attention.key_length": "long"},
    ],
)
def test_metadata_that_does_not_tell_gives_none(changes: dict[str, Any]) -> None:
    """A file that lacks a number, or has another type for it, bounds no context."""
    assert kv_bytes_per_token(dict(gguf_files.LLAMA) | changes) is None
