"""Linting files: with what their bases tell, and against each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gguf_files import LLAMA
from tests.gguf_files import write as write_gguf
from tests.ollama.stored import stored
from tuner.spec.errors import InputError
from tuner.workflow.modelfiles.lint import lint


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of Ollama's with a model small:1b, instead of the user's own."""
    stored(tmp_path / "models", "small", "1b")
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def written(folder: Path, name: str, text: str) -> Path:
    """Write a Modelfile."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_two_files_on_one_base_that_will_thrash_are_named(tmp_path: Path) -> None:
    """Another num_ctx on the same base is warned of, with the tag that is meant or the file."""
    one = written(tmp_path, "one", "FROM a\nPARAMETER num_ctx 2048\n")
    other = written(tmp_path, "other", "FROM a:latest\nPARAMETER num_ctx 4096\n")
    same = written(tmp_path, "same", "FROM a\nPARAMETER num_ctx 2048\nPARAMETER top_k 3\n")
    found = {Path(each.file).name: each.findings for each in lint([one, other, same])}

    assert [f.rule for f in found["other"]] == ["thrashing"]
    assert "num_ctx" in found["other"][0].message
    assert [f.rule for f in found["same"]] == ["thrashing"]  # against `other`
    assert found["one"] == ()


def test_the_base_is_read_beside_the_modelfile(tmp_path: Path) -> None:
    """A relative FROM is relative to the file, and its head tells whether it has a template."""
    write_gguf(tmp_path / "m.gguf")
    (found,) = lint([written(tmp_path, "Modelfile", "FROM ./m.gguf\n")])

    assert [f.severity for f in found.findings if f.rule == "no-template"] == ["warning"]


def test_a_model_that_ollama_has_is_read_from_its_folder(tmp_path: Path) -> None:
    """Without a server its window of 8192 x 4 tokens is known to keep 720 MiB."""
    text = "FROM small:1b\nPARAMETER num_ctx 1000000\n"
    (found,) = lint([written(tmp_path, "Modelfile", text)], parallel=4)

    assert {f.rule for f in found.findings} == {"beyond-training", "memory"}
    assert any(
        "num_ctx 8192 x OLLAMA_NUM_PARALLEL 4 keeps 720 MiB" in f.message for f in found.findings
    )


@pytest.mark.parametrize("name", ["small", "small:7b", "../small:1b", "x" * 300, "a b " * 100])
def test_a_model_that_ollama_does_not_have_is_not_talked_about(tmp_path: Path, name: str) -> None:
    """Whatever its name, nothing is known of its window, and it may be pulled later."""
    text = f"FROM {name}\nPARAMETER num_ctx 1000000\n"
    (found,) = lint([written(tmp_path, "Modelfile", text)])

    assert {f.rule for f in found.findings} <= {"name"}


def test_a_model_with_lost_weights_is_not_talked_about(tmp_path: Path, models: Path) -> None:
    """What cannot be read is no mistake of the Modelfile."""
    (models / "blobs" / "sha256-ab").unlink()
    file = written(tmp_path, "Modelfile", "FROM small:1b\nPARAMETER num_ctx 1000000\n")

    assert lint([file])[0].findings == ()


def test_weights_without_the_ending_are_read(tmp_path: Path) -> None:
    """A blob of Ollama's is a GGUF file under another name."""
    write_gguf(tmp_path / "weights")
    text = "FROM ./weights\nPARAMETER num_ctx 4096\n"
    (found,) = lint([written(tmp_path, "Modelfile", text)])

    assert [f.rule for f in found.findings] == ["memory"]


def test_a_folder_with_spaces_is_seen_beside_the_modelfile(tmp_path: Path) -> None:
    """Of two values with spaces the one that is there is a path, the other no model's name."""
    (tmp_path / "my weights").mkdir()
    there = written(tmp_path, "there", "FROM my weights\n")
    prose = written(tmp_path, "prose", "FROM your weights\n")

    assert [each.errors for each in lint([there, prose])] == [0, 1]


def test_findings_come_in_the_order_of_their_lines(tmp_path: Path) -> None:
    """However the rules are ordered."""
    text = "FROM a\nPARAMETER num_thread 4\nSYSTEM ''\nPARAMETER max_tokens 3\n"
    (found,) = lint([written(tmp_path, "Modelfile", text)])

    lines = [f.line for f in found.findings]
    assert lines == sorted(lines)
    assert found.errors == 1


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The path is in the sentence."""
    with pytest.raises(InputError, match="missing"):
        lint([tmp_path / "missing"])


def test_an_adapter_is_a_file(tmp_path: Path) -> None:
    """One that is here under its name, or a path at which it may lie later; no model's name."""
    (tmp_path / "mine").write_text("weights")
    lines = ("mine", "./later", "later.safetensors", "me/lora", "hf.co/me/lora:q8.gguf")
    files = [written(tmp_path, f"f{n}", f"FROM a\nADAPTER {v}\n") for n, v in enumerate(lines)]
    wrong = [any(f.rule == "name" for f in each.findings) for each in lint(files)]

    assert wrong == [False, False, False, True, True]


@pytest.mark.parametrize("files", [(), ("config.json",), ("m.gguf",), ("model-1.safetensors",)])
def test_a_folder_without_weights_is_named(tmp_path: Path, files: tuple[str, ...]) -> None:
    """Ollama takes a folder of a model's name for the folder, and finds nothing in it."""
    (tmp_path / "tiny").mkdir()
    for name in files:
        (tmp_path / "tiny" / name).write_text("x")
    (found,) = lint([written(tmp_path, "Modelfile", "FROM tiny\n")])
    expected = [] if files and not files[0].endswith(".json") else ["folder"]

    assert [f.rule for f in found.findings if f.severity == "warning"] == expected


CHAT = {**LLAMA, "llama.context_length": 2048, "tokenizer.chat_template": "<|im_start|>"}
EYES: list[dict[str, str | int]] = [
    {"general.architecture": "clip", "clip.has_vision_encoder": 1},
    {"general.architecture": "llama", "general.type": "mmproj"},
    {"general.architecture": "llama", "general.type": "adapter"},
    {"general.architecture": "mllama", "mllama.vision.block_count": 32},
]


@pytest.mark.parametrize("order", ["FROM ./m.gguf\nFROM ./p.gguf\n", "FROM p.gguf\nFROM m.gguf\n"])
@pytest.mark.parametrize("facts", EYES)
def test_the_weights_are_known_beside_a_projector(
    tmp_path: Path, order: str, facts: dict[str, str | int]
) -> None:
    """Whichever FROM comes first, window and template are those of the model."""
    write_gguf(tmp_path / "m.gguf", CHAT)
    write_gguf(tmp_path / "p.gguf", facts)
    (found,) = lint([written(tmp_path, "Modelfile", f"{order}PARAMETER num_ctx 4096\n")])
    warnings = [f.rule for f in found.findings if f.severity == "warning"]

    assert warnings == ["beyond-training"]
    assert any("of ChatML" in f.message for f in found.findings)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("small:1b", "registry.ollama.ai/library/small:1b"),
        ("hf.co/me/mine", "https://hf.co/me/mine:latest"),
        ("./m.gguf", "copy.gguf"),
        ("./m.gguf", "link.gguf"),
        ("small:1b", "again"),
    ],
)
def test_one_base_by_two_names_thrashes(tmp_path: Path, models: Path, one: str, other: str) -> None:
    """A model's whole name, a copy of a file, a link to it, another tag of the same weights."""
    stored(models, "again", "latest")
    write_gguf(tmp_path / "m.gguf")
    write_gguf(tmp_path / "copy.gguf")
    (tmp_path / "link.gguf").symlink_to(tmp_path / "m.gguf")
    a = written(tmp_path, "a", f"FROM {one}\nPARAMETER num_ctx 2048\n")
    b = written(tmp_path, "b", f"FROM {other}\nPARAMETER num_ctx 4096\n")

    assert "thrashing" in {f.rule for f in lint([a, b])[1].findings}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("use_mmap 1", "use_mmap true"),
        ("num_ctx 9000", "num_ctx 10000"),
        ("num_ctx 0", "num_ctx 4"),
        ("num_gpu -1", "num_thread 0"),
        ("num_batch 0512", "num_batch 512"),
    ],
)
def test_settings_that_serve_alike_do_not_thrash(tmp_path: Path, one: str, other: str) -> None:
    """However they are written, and whatever Ollama makes of them unasked."""
    files = [
        written(tmp_path, name, f"FROM small:1b\nPARAMETER {line}\n")
        for name, line in (("a", one), ("b", other))
    ]

    assert "thrashing" not in {f.rule for each in lint(files) for f in each.findings}


def test_two_files_of_one_name_do_not_thrash(tmp_path: Path) -> None:
    """Each lies beside its own Modelfile."""
    files = []
    for name, window in (("a", 2048), ("b", 4096)):
        (tmp_path / name).mkdir()
        write_gguf(tmp_path / name / "m.gguf", {**LLAMA, "general.name": name})
        text = f"FROM ./m.gguf\nPARAMETER num_ctx {window}\n"
        files.append(written(tmp_path / name, "Modelfile", text))

    assert "thrashing" not in {f.rule for each in lint(files) for f in each.findings}


@pytest.mark.parametrize(("asked", "served"), [(-1, 4), (0, 4), (3, 4), (9000, 8192)])
def test_the_window_is_the_one_that_is_served(tmp_path: Path, asked: int, served: int) -> None:
    """Memory, and what is said of the window, go by what Ollama makes of num_ctx."""
    text = f"FROM small:1b\nPARAMETER num_ctx {asked}\nPARAMETER num_predict 2\n"
    (found,) = lint([written(tmp_path, "Modelfile", text)])
    told = {f.rule: f.message for f in found.findings}

    assert set(told) == {"memory", "window" if asked < 4 else "beyond-training"}
    assert told["memory"].startswith(f"num_ctx {served} x")
