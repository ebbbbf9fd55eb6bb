"""Names of models: what Ollama takes, what one is called in full, and what is a path."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.modelfile.ollama_programs import built
from tuner.spec.model_name import is_gguf_path, is_name, is_path, parts, shown, whole

NAMES = st.from_regex(r"([a-z]{1,5}\.[a-z]{1,3}/)?([a-z]{1,5}/)?[a-z0-9.]{1,9}(:[a-z0-9.]{1,9})?")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("llama3", ("registry.ollama.ai", "library", "llama3", "latest")),
        ("llama3:8b", ("registry.ollama.ai", "library", "llama3", "8b")),
        ("me/mine:q4", ("registry.ollama.ai", "me", "mine", "q4")),
        ("hf.co/me/mine", ("hf.co", "me", "mine", "latest")),
        ("https://hf.co/me/mine", ("hf.co", "me", "mine", "latest")),
        ("localhost:5000/me/mine", ("localhost:5000", "me", "mine", "latest")),
        ("hf.co/me/mine:mine-Q4.gguf", ("hf.co", "me", "mine", "mine-Q4.gguf")),
        ("llama3:8b:local", ("registry.ollama.ai", "library", "llama3", "8b")),
    ],
)
def test_a_name_may_leave_out_all_but_the_model(name: str, found: tuple[str, ...]) -> None:
    """Host, namespace and tag have Ollama's own defaults; a port is no tag, a scheme no host."""
    assert parts(name) == found


@pytest.mark.parametrize(
    "name",
    ["", "a b", "a:", ":b", "a@sha256:00", "-a", ".a", "me.too/a", "a/b/c/d", "a:b:c", "a,", "é",
     "./a", "../a", "hf.co/me/mine/m.gguf", "x" * 81, "a:local:cloud", "/a", "a/", "a//b"],
)  # fmt: skip
def test_what_ollama_does_not_take_is_no_name(name: str) -> None:
    """Each breaks one rule of the grammar."""
    assert not is_name(name)


@given(NAMES)
def test_one_model_has_one_whole_and_one_short_name(name: str) -> None:
    """Whatever is left out, both are the same of each other."""
    assert whole(whole(name)) == whole(shown(name)) == whole(name)
    assert shown(whole(name)) == shown(name)


@pytest.mark.parametrize(
    ("text", "path", "gguf"),
    [
        ("./m", True, False),
        ("m.gguf", True, True),
        ("models/m.GGUF", True, True),
        ("~/m.bin", True, False),
        ("C:\\m.gguf", True, True),
        ("llama3:8b", False, False),
        ("hf.co/me/mine:mine-Q4.gguf", False, False),
        ("https://hf.co/me/mine/m.gguf", False, False),
        ("./a:b.gguf", True, True),
    ],
)
def test_a_path_is_told_from_a_name(text: str, path: bool, gguf: bool) -> None:
    """By how it starts and ends; a tag may be called as a file is."""
    assert (is_path(text), is_gguf_path(text)) == (path, gguf)


@pytest.mark.timeout(300)
def test_ten_thousand_names_are_read_as_ollama_reads_them(tmp_path: Path) -> None:
    """The same are taken, and each is the same in full (a host keeps its scheme nowhere)."""
    rng, pieces = (
        random.Random(20262),
        ("a", "B7", "_", "-", ".", ":", "/", "://", " ", "é", "hf.co/"),
    )
    texts = ["".join(rng.choices(pieces, k=rng.randint(0, 9))) for _ in range(10_000)]
    texts += ["x" * 80, "x" * 81, f"{'h' * 350}/a/b", f"{'h' * 351}/a/b", f"a:{'t' * 81}"]
    asked = json.dumps(texts)
    oracle = built("ollama_parser", tmp_path)
    done = subprocess.run(
        [oracle, "names"], input=asked, capture_output=True, text=True, check=True
    )
    ours = [whole(text) if is_name(text) else "" for text in texts]

    assert [(t, w) for t, w in zip(texts, ours, strict=True)] == list(
        zip(texts, json.loads(done.stdout), strict=True)
    )
