"""Count in the tokens of a Hugging Face folder, without a server.

Read are tokenizer.json, the chat template (chat_template.jinja, or in tokenizer_config.json) and
the context of config.json (transformers: PretrainedConfig.max_position_embeddings).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.modelfile.chat_template import rendered
from tuner.spec.errors import EngineMissing, InputError
from tuner.spec.file.reading import parsed_json, read_text
from tuner.spec.values import Message

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FILE = "tokenizer.json"


@dataclass(frozen=True, slots=True)
class FolderTokenizer:
    """The tokenizer of a folder; `context` is how many tokens the model was trained with."""

    folder: Path
    tokenizer: Tokenizer
    chat_template: str | None
    bos_token: str
    eos_token: str
    context: int | None

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text is."""
        encoded = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [len(text) for text in encoded]

    def count_chat(self, messages: Sequence[Message]) -> tuple[int, int] | None:
        """Return how many tokens a conversation is, and how many of them follow its last text.

        None where no template tells.
        """
        if self.chat_template is None:
            return None
        text = rendered(self.chat_template, self.bos_token, self.eos_token, messages)
        if text is None:
            return None
        follows = text.rpartition(messages[-1].content)[2]
        whole, rest = self.count([text, follows])
        return whole, 0 if follows == text else rest


def has_tokenizer(folder: Path) -> bool:
    """Tell whether a folder has a tokenizer that can be read."""
    return (folder / FILE).is_file()


def of_folder(folder: Path) -> FolderTokenizer:
    """Return the tokenizer of a folder; raise EngineMissing, and InputError for what is broken."""
    path = folder / FILE
    if not path.is_file():
        raise InputError(
            f"{folder} has no {FILE}; name a folder that has one, or a study of a server that runs"
        )
    config = _document(folder / "tokenizer_config.json")
    return FolderTokenizer(
        folder,
        _tokenizer(path),
        _chat_template(folder, config),
        _token(config, "bos_token"),
        _token(config, "eos_token"),
        _context(_document(folder / "config.json")),
    )


def _tokenizer(path: Path) -> Tokenizer:
    if importlib.util.find_spec("tokenizers") is None:
        raise EngineMissing(
            f"{path} is read by the package tokenizers, which is not installed; install it with:\n"
            "  python -m pip install 'modelfile-tuner[tokenizers]'"
        )
    from tokenizers import Tokenizer

    text = read_text(path, "--model")
    try:
        return Tokenizer.from_str(text)
    except Exception as broken:  # the package raises nothing narrower
        raise InputError(f"{path} is no tokenizer ({str(broken)[:200]})") from broken


def _document(path: Path) -> Mapping[str, Any]:
    """Return an object out of a file, {} where there is no such file."""
    try:
        found = parsed_json(read_text(path, "--model"), str(path))
    except FileNotFoundError:
        return {}
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected a JSON object, found {str(found)[:80]}")
    return found


def _chat_template(folder: Path, config: Mapping[str, Any]) -> str | None:
    """Return the template that has a file of its own, else the one called default, or the only."""
    path = folder / "chat_template.jinja"
    if path.is_file():
        return read_text(path, "--model")
    found = config.get("chat_template")
    if isinstance(found, list):
        named = {t.get("name"): t.get("template") for t in found if isinstance(t, dict)}
        found = named.get("default")
    return found if isinstance(found, str) else None


def _token(config: Mapping[str, Any], name: str) -> str:
    """Return a token's text, which may stand in an object; "" where none is named."""
    found = config.get(name)
    found = found.get("content") if isinstance(found, dict) else found
    return found if isinstance(found, str) else ""


def _context(config: Mapping[str, Any]) -> int | None:
    """Return the context in tokens; models with further parts keep it in text_config."""
    text = config.get("text_config")
    places = (config, text if isinstance(text, dict) else {})
    found = (place.get("max_position_embeddings") for place in places)
    return next(
        (n for n in found if isinstance(n, int) and not isinstance(n, bool) and n > 0), None
    )
