"""Hugging Face folders with a small tokenizer, as `transformers` writes them, without weights."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from tuner.workflow.traces.texts import words

TEMPLATE = (
    "{% for m in messages %}<|turn|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}"
)


@cache
def tokenizer(size: int = 6000) -> str:
    """Return a byte-level BPE tokenizer of at most so many tokens, as tokenizer.json."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<|turn|>", "<|end|>"], show_progress=False
    )
    made.train_from_iterator([f"a {word}" for word in words()] * 3, trainer)
    return str(made.to_str())


def write(folder: Path, *, size: int = 6000, config: Any = None, **of_tokenizer: Any) -> Path:
    """Write a folder; further facts go into tokenizer_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(tokenizer(size), encoding="utf-8")
    told = {"chat_template": TEMPLATE} | of_tokenizer
    (folder / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder
