"""GGUF metadata: what is read, and what is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader, GGUFValueType, GGUFWriter
from hypothesis import given
from hypothesis import strategies as st

from tests.gguf_files import LLAMA, write, write_split
from tuner.engines.gguf import metadata
from tuner.engines.models import default_path, described, from_gguf
from tuner.spec.errors import InputError


@given(st.dictionaries(st.from_regex(r"[a-z.]{1,12}", fullmatch=True), st.text(max_size=40),
                       min_size=1, max_size=5))  # fmt: skip
def test_strings_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, pairs: dict[str, str]
) -> None:
    """Whatever strings stand in the metadata come back."""
    path = write(tmp_path_factory.mktemp("g") / "m.gguf", pairs)

    assert metadata(path) == pairs


def test_values_of_every_kind_are_those_that_the_package_writes(tmp_path: Path) -> None:
    """Numbers of each width, switches, texts and arrays: what ggml's own writer wrote is read."""
    path = tmp_path / "m.gguf"
    writer = GGUFWriter(path, "llama")
    for kind in set(GGUFValueType) - {GGUFValueType.ARRAY, GGUFValueType.STRING}:
        writer.add_key_value(kind.name, True if kind is GGUFValueType.BOOL else 7, kind)
    writer.add_array("some.texts", ["a", "", "\u00fc"])
    writer.add_array("some.numbers", [1, -2, 3])
    writer.add_tensor("weights", np.zeros(8, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    theirs = {name: field.contents() for name, field in GGUFReader(path).fields.items()}

    ours = metadata(path)

    assert ours == {name: value for name, value in theirs.items() if not name.startswith("GGUF.")}
    assert len(ours) == 14


HEAD = struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k"
"""Of a file with one pair, whose key is k, after the magic."""

FACTS = (*LLAMA, "tokenizer.chat_template", "tokenizer.ggml.bos_token_id", "tokenizer.ggml.tokens")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a GGUF file"),
        (b"PK\x03\x04" + bytes(100), "not a GGUF file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "not a GGUF file"),
        (b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "version 9"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big endian"),
        (b"GGUF" + HEAD + struct.pack("<IQ", 8, 2**40), "damaged"),
        (b"GGUF" + HEAD + struct.pack("<IIQ", 9, 4, 2**62), "damaged"),
        (b"GGUF" + HEAD + struct.pack("<I", 77), "damaged"),
        (b"GGUF" + HEAD + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 9_000, "damaged"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**50, 0), "damaged"),
    ],
)
def test_what_is_no_gguf_is_refused_in_a_sentence(
    tmp_path: Path, content: bytes, words: str
) -> None:
    """Foreign, damaged and newer files are bad input with their name, never a traceback."""
    path = tmp_path / "m.gguf"
    path.write_bytes(content)

    with pytest.raises(InputError, match=rf"m\.gguf.*{words}"):
        metadata(path)


@given(st.data())
def test_whatever_bytes_stand_there_it_ends_in_facts_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A file that was cut, or of which some bytes were changed, is read or refused by name."""
    path = write(tmp_path_factory.mktemp("g") / "m.gguf", LLAMA, {"weights": 0})
    content = bytearray(path.read_bytes())
    places = st.integers(0, len(content) - 1)
    for place, byte in data.draw(st.dictionaries(places, st.integers(0, 255), max_size=4)).items():
        content[place] = byte
    path.write_bytes(content[: data.draw(places) + 1])

    try:
        assert isinstance(metadata(path), dict)
    except InputError as refused:
        assert str(path) in str(refused)


@given(st.dictionaries(st.sampled_from(FACTS), st.text(max_size=3) | st.integers(0, 9)))
def test_a_fact_of_another_kind_is_unknown(
    tmp_path_factory: pytest.TempPathFactory, facts: dict[str, str | int]
) -> None:
    """A number where a text should stand, and the other way round, is nothing that is told."""
    model = described(write(tmp_path_factory.mktemp("g") / "m.gguf", facts))

    assert isinstance(model.name, str)
    assert isinstance(model.chat_template, str | None)
    assert (model.bos_token, model.eos_token) == ("", "")
    assert isinstance(model.cached_per_token, int | None)


def test_a_download_that_broke_off_is_told(tmp_path: Path) -> None:
    """Where the last weights begin behind the end, the file is not whole; before it, it may be."""
    whole = write(tmp_path / "whole.gguf", LLAMA, {"a": 0, "b": 16})
    metadata(whole)
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole.read_bytes()[:-8])

    with pytest.raises(InputError, match=r"cut\.gguf: the file ends before its weights do"):
        metadata(cut)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The path that was looked for is in the message."""
    with pytest.raises(InputError, match=r"nowhere\.gguf"):
        from_gguf(tmp_path / "nowhere.gguf")


def test_a_split_model_is_all_of_its_files(tmp_path: Path) -> None:
    """Its size and its digest are those of all files, and it is named by the first."""
    files = write_split(tmp_path)
    before = from_gguf(files[0])
    files[2].write_bytes(files[2].read_bytes() + b"x")
    after = from_gguf(files[0])

    assert (before.source, before.parts) == (str(files[0]), tuple(files[1:]))
    assert before.weights_bytes == sum(file.stat().st_size for file in files) - 1
    assert before.digest != after.digest


def test_a_split_model_may_lie_behind_links(tmp_path: Path) -> None:
    """As in the cache of Hugging Face, where only the links bear the names of parts."""
    blobs, names = tmp_path / "blobs", tmp_path / "names"
    for folder in (blobs, names):
        folder.mkdir()
    for number, file in enumerate(write_split(blobs)):
        file.rename(blobs / str(number))
        (names / file.name).symlink_to(blobs / str(number))

    assert described(names / "m-00001-of-00003.gguf").source.endswith("names/m-00001-of-00003.gguf")


def test_what_is_wrong_with_a_split_model_is_named(tmp_path: Path) -> None:
    """Another part than the first, parts that are missing or cut, and files of other names."""

    def refused(path: Path, words: str) -> None:
        with pytest.raises(InputError, match=words):
            described(path)

    first, second, third = write_split(tmp_path)
    refused(second, r"a later part of a model; name its first, .*m-00001-of-00003\.gguf")
    second.write_bytes(third.read_bytes())
    refused(first, r"m-00002-of-00003\.gguf: not part 2 of 3")
    second.write_bytes(third.read_bytes()[:30])
    refused(first, r"m-00002-of-00003\.gguf: damaged")
    second.unlink()
    refused(first, r"missing beside it: m-00002-of-00003\.gguf; fetch all 3 files")
    third.unlink()
    refused(first, r"missing beside it: m-00002-of-00003\.gguf, m-00003-of-00003\.gguf;")
    refused(first.rename(tmp_path / "mine.gguf"), r"has to end in -00001-of-00003\.gguf")


@pytest.mark.embedded
def test_the_default_model_tells_its_template_and_context() -> None:
    """The packaged model's metadata holds what the Modelfile needs."""
    model = from_gguf(default_path())

    assert model.train_ctx == 8192
    assert "<|im_start|>" in (model.chat_template or "")
    assert (model.digest or "").startswith("sha256:")
