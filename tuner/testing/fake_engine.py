"""The engine `fake`: the embedded engine's own code over FakeServer, a pretend llama.cpp.

It tunes nothing real and needs no model: for trying the tool out, for tests, and for CI.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuner.engines.llamacpp.engine import LlamaCpp
from tuner.spec.beside import Limits
from tuner.spec.study import Study
from tuner.spec.values import Model

SMOLLM2_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
    "<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}{% endif %}"
)

MODEL = Model(
    name="fake",
    source="/models/model.gguf",
    digest="sha256:" + "0" * 64,
    chat_template=SMOLLM2_TEMPLATE,
    train_ctx=8192,
    bos_token="<|im_start|>",
    eos_token="<|im_end|>",
)


def server(*options: str) -> tuple[str, ...]:
    """Return the command of a FakeServer with options, without its settings."""
    return (sys.executable, "-m", "tuner.testing.fake_server", *options)


class FakeEngine(LlamaCpp):
    """LlamaCpp over FakeServer; `options` are FakeServer's, such as ("--ttft-ms", "5")."""

    name = "fake"

    def __init__(
        self, logs: Path, options: Sequence[str] = (), limits: Limits | None = None
    ) -> None:
        super().__init__(MODEL, logs, server(*options), limits)

    def _version(self, props: Mapping[str, Any]) -> str:
        return str(props["build_info"])


def create(study: Study, logs: Path) -> FakeEngine:
    """Return the engine for a study; after a colon the model names FakeServer's options.

    `model: "default"` is a fast server; `model: "--ttft-ms 5 --itl-ms 1"` says how fast, and
    `model: "@FILE"` that a file does.
    """
    options = () if study.model == "default" else study.model.split()
    return FakeEngine(logs, options, study.limits)
