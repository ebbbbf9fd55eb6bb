"""A folder of a model is checked before a start, and what is wrong is said in a sentence."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.vllm.folders import CONFIG, POINTER, model_folder
from tuner.engines.vllm.memory.model_folder import INDEX, read_model_folder
from tuner.engines.vllm.memory.weights import Weights, read_weights
from tuner.spec.errors import InputError


def test_a_whole_folder_is_read(tmp_path: Path) -> None:
    """Facts come from config.json, and values from the headers alone, by their place."""
    found = read_model_folder(model_folder(tmp_path))

    assert found.architecture == "LlamaForCausalLM"
    assert found.facts is not None
    assert (found.facts.layers, found.facts.kv_values) == (4, 2 * 2 * 16)
    table = 256 * 64
    assert found.weights == Weights(128 * 64 + 64, table, table, 4096)


def _write(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


def _config(**changed: object) -> Callable[[Path], object]:
    return _write("config.json", json.dumps({**CONFIG, **changed}))


def _remove(*names: str) -> Callable[[Path], object]:
    return lambda folder: [(folder / name).unlink() for name in names]


def _cut(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-1000])


ALL = ("config.json", "tokenizer.json", "model.safetensors")

BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (_remove(*ALL), "is empty; expected config.json and weights; fetch the model anew"),
    "gated": (
        lambda f: (_remove(*ALL)(f), _write("README.md", "Accept the terms")(f)),
        r"no config.json \(it has README.md\); .* with HF_TOKEN set",
    ),
    "adapter": (
        lambda f: (_remove("config.json")(f), _write("adapter_config.json", "{}")(f)),
        "is a LoRA adapter, not a model; name the folder of its base model",
    ),
    "gguf": (
        lambda f: (_remove(*ALL)(f), _write("small-q4.gguf", "GGUF")(f)),
        "holds GGUF files and no config.json",
    ),
    "not JSON": (_write("config.json", "{'architectures': }"), r"config.json: not valid JSON"),
    "a list": (_write("config.json", "[1]"), "expected a JSON object, found list"),
    "pointer for the config": (_write("config.json", POINTER), "config.json is a Git LFS pointer"),
    "no class": (_config(architectures=[]), "architectures: missing; expected the class"),
    "a word for a number": (_config(num_hidden_layers="four"), "num_hidden_layers: .*found 'four'"),
    "less than nothing": (_config(num_experts=-1), "num_experts: .*or equal to 0, found -1"),
    "a class that is none": (_config(architectures="Llama"), "architectures: expected a list"),
    "true for a number": (_config(hidden_size=True), "hidden_size: .*found True"),
    "no tokenizer": (_remove("tokenizer.json"), "has no tokenizer; expected one of tokenizer.json"),
    "pointer for the tokenizer": (_write("tokenizer.json", POINTER), "pointer.*git lfs pull"),
    "no weights": (_remove("model.safetensors"), r"has no weights; expected \*.safetensors"),
    "pointer for the weights": (
        _write("model.safetensors", POINTER), "Git LFS pointer, not the weights; .*git lfs pull",
    ),
    "cut off": (_cut, r"model.safetensors cannot be read .*it has [\d,]+ bytes of [\d,]+.; fetch"),
    "no safetensors": (_write("model.safetensors", "PK\x03\x04 weights"), "longer than the file"),
    "a few bytes": (_write("model.safetensors", "ab"), "cannot be read as safetensors"),
    "a part is missing": (
        _write(INDEX, '{"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}'),
        "lacks 1 of 2 files of weights, as model-2.safetensors",
    ),
    "an index of nothing": (_write(INDEX, '{"weight_map": 3}'), "weight_map: expected the file"),
    "pointer for old weights": (
        lambda f: (_remove("model.safetensors")(f), _write("pytorch_model.bin", POINTER)(f)),
        "pytorch_model.bin is a Git LFS pointer",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_with_a_folder_is_said(tmp_path: Path, case: str) -> None:
    """The sentence names the file, what was found, and what to do."""
    damage, said = BROKEN[case]
    damage(model_folder(tmp_path / "model"))

    with pytest.raises(InputError, match=said):
        read_model_folder(tmp_path / "model")


def test_a_file_or_nothing_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    """A path that is no folder is told from one that does not exist."""
    (tmp_path / "model.gguf").write_bytes(b"GGUF")

    with pytest.raises(InputError, match="is a file; expected the folder of a model"):
        read_model_folder(tmp_path / "model.gguf")
    with pytest.raises(InputError, match="does not exist"):
        read_model_folder(tmp_path / "modl")


def test_weights_of_another_format_are_unknown_and_no_error(tmp_path: Path) -> None:
    """They are loaded too; how many values they hold is not guessed from their size."""
    folder = model_folder(tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

    assert read_model_folder(folder).weights is None


def test_facts_that_config_json_leaves_to_defaults_are_unknown(tmp_path: Path) -> None:
    """A folder of a model that is described by its class alone can be served, not estimated."""
    folder = model_folder(tmp_path)
    (folder / "config.json").write_text(
        '{"architectures": ["LlavaNextForConditionalGeneration"], "text_config": {}}'
    )

    assert read_model_folder(folder).facts is None


@pytest.mark.parametrize(
    "changed",
    [
        {"head_dim": 0, "num_experts": 0, "sliding_window": 0, "kv_lora_rank": 0},
        {"head_dim": None, "num_local_experts": None, "rope_scaling": None, "layer_types": None},
        {"rope_scaling": {"type": "dynamic", "factor": 2.0}, "quantization_config": None},
    ],
)
def test_a_zero_or_null_is_nothing(tmp_path: Path, changed: Mapping[str, object]) -> None:
    """Models write them for what they do not have."""
    folder = model_folder(tmp_path)
    plain = read_model_folder(folder).facts
    _config(**changed)(folder)

    assert read_model_folder(folder).facts == plain


def test_an_architecture_that_is_not_known_may_write_what_it_likes(tmp_path: Path) -> None:
    """It can be served: its lists of numbers are not measured by those of others."""
    folder = model_folder(tmp_path)
    _config(architectures=["NewForCausalLM"], num_key_value_heads=[2, 4, 4, 2])(folder)
    found = read_model_folder(folder)

    assert (found.architecture, found.facts) == ("NewForCausalLM", None)
    assert found.weights is not None


@pytest.mark.parametrize(
    "scaling",
    [
        {"rope_scaling": {"rope_type": "linear", "factor": 8.0}},
        {"rope_scaling": {"type": "linear", "factor": 8}},
        {"rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 8.0}}},
    ],
)
def test_linear_scaling_keeps_a_longer_table(tmp_path: Path, scaling: Mapping[str, object]) -> None:
    """It stands where older and newer versions of transformers write it."""
    folder = model_folder(tmp_path)
    _config(**scaling)(folder)
    facts = read_model_folder(folder).facts

    assert facts is not None
    assert facts.rope_values == 8 * 512 * 16


@given(st.binary(max_size=300) | st.builds(lambda b: len(b).to_bytes(8, "little") + b, st.binary()))
def test_any_bytes_are_read_or_refused_in_a_sentence(content: bytes) -> None:
    """No content of a file of weights raises anything but InputError."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "model.safetensors"
        file.write_bytes(content)
        try:
            read_weights([file])
        except InputError as refused:
            assert str(file) in str(refused)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
)


@given(st.dictionaries(st.sampled_from(["shape", "dtype", "data_offsets"]), _JSON))
def test_any_header_is_read_or_refused_in_a_sentence(tensor: object) -> None:
    """A header that is JSON and no table of tensors raises nothing but InputError."""
    text = json.dumps({"model.norm.weight": tensor}).encode()
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "model.safetensors"
        file.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
        try:
            read_weights([file])
        except InputError as refused:
            assert str(file) in str(refused)
