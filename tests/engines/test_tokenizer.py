"""The tokenizer of a Hugging Face folder: counted as the model counts, or said why not."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import hf_folders
from tuner.engines.tokenizer import of_folder
from tuner.spec.errors import EngineMissing, InputError
from tuner.spec.values import Message

SAID = (Message("user", "able about"),)


def test_texts_and_conversations_are_counted(tmp_path: Path) -> None:
    """A conversation has the control tokens of its template, each of them one token."""
    found = of_folder(hf_folders.write(tmp_path, config={"max_position_embeddings": 512}))
    [text] = found.count(["able about"])
    pieces = found.count(["user\nable about", "\n", "assistant\n"])

    assert found.count_chat(SAID) == (3 + sum(pieces), 2 + sum(pieces[1:]))
    assert text < pieces[0]
    assert found.context == 512


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ({"chat_template": [{"name": "default", "template": hf_folders.TEMPLATE}]}, True),
        ({"chat_template": [{"name": "rag", "template": hf_folders.TEMPLATE}]}, False),
        ({"chat_template": None}, False),
        ({"chat_template": "{{ raise_exception('no users') }}"}, False),
        ({"chat_template": "{{ messages | nothing }}"}, False),
        ({"chat_template": "{{ bos_token }}{{ strftime_now('%d %b') }}"}, True),
        ({"chat_template": "{{ bos_token }}", "bos_token": {"content": "<|turn|>"}}, True),
    ],
)
def test_what_no_template_tells_is_unknown(
    told: dict[str, Any], known: bool, tmp_path: Path
) -> None:
    """Not zero; templates may write today's date."""
    found = of_folder(hf_folders.write(tmp_path, **told))

    assert (found.count_chat(SAID) is not None) is known


def test_a_template_in_a_file_of_its_own_wins(tmp_path: Path) -> None:
    """Newer folders have it there."""
    folder = hf_folders.write(tmp_path)
    (folder / "chat_template.jinja").write_text("<|end|>")

    assert of_folder(folder).count_chat(SAID) == (1, 0)


@pytest.mark.parametrize(
    ("config", "context"),
    [
        ({"max_position_embeddings": 40}, 40),
        ({"text_config": {"max_position_embeddings": 40}}, 40),
        ({"max_position_embeddings": True}, None),
        ({"max_position_embeddings": "40"}, None),
        ({"text_config": None}, None),
        (None, None),
    ],
)
def test_the_context_is_that_of_the_text(config: Any, context: int | None, tmp_path: Path) -> None:
    """Models that see have it in text_config; what is no number is unknown."""
    assert of_folder(hf_folders.write(tmp_path, config=config)).context == context


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("tokenizer.json", "{", "tokenizer.json is no tokenizer"),
        ("tokenizer.json", "{}", "tokenizer.json is no tokenizer"),
        ("tokenizer_config.json", "{", "tokenizer_config.json: not valid JSON"),
        ("config.json", "[]", "config.json: expected a JSON object"),
    ],
)
def test_a_broken_file_is_named(file: str, text: str, said: str, tmp_path: Path) -> None:
    """With what was expected of it."""
    folder = hf_folders.write(tmp_path)
    (folder / file).write_text(text)

    with pytest.raises(InputError, match=said):
        of_folder(folder)


def test_a_folder_without_a_tokenizer_says_what_else_works(tmp_path: Path) -> None:
    """A server can count, too."""
    with pytest.raises(InputError, match=r"has no tokenizer\.json; name a folder"):
        of_folder(tmp_path)


def test_the_package_that_reads_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an extra."""
    folder = hf_folders.write(tmp_path)
    monkeypatch.setitem(sys.modules, "tokenizers", None)

    with pytest.raises(EngineMissing, match=r"modelfile-tuner\[tokenizers\]"):
        of_folder(folder)


def test_special_tokens_are_not_added(tmp_path: Path) -> None:
    """They come from the template, as servers send chats."""
    folder = hf_folders.write(tmp_path)
    document = json.loads((folder / "tokenizer.json").read_text())
    document["post_processor"] = {
        "type": "TemplateProcessing", "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
        "single": [{"SpecialToken": {"id": "<|turn|>", "type_id": 0}},
                   {"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {"<|turn|>": {"id": "<|turn|>", "ids": [0], "tokens": ["<|turn|>"]}},
    }  # fmt: skip
    plain = of_folder(folder).count(["able"])
    (folder / "tokenizer.json").write_text(json.dumps(document))

    assert of_folder(folder).count(["able"]) == plain
