"""Logs as the real programs write them: what they were asked is what is read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
import pytest

from tests.ollama.build import VERSIONS
from tests.ollama.installed import complete, serving
from tests.vllm.installed import python
from tests.workflow.recordings.test_import_requests import imported, prompts
from tests.workflow.recordings.written import messages

TURNS = (("system", "Be brief."), ("user", "Two\nlines: ä"))

LOGGING = """\
import sys
from vllm.config.logging import LoggingConfig
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.serve.utils.request_logger import RequestLogger
from vllm.logger import configure_logging

configure_logging(LoggingConfig(log_level="DEBUG", formatter=sys.argv[1]))
request = ChatCompletionRequest(model="m", messages=eval(sys.argv[2]), temperature=0.5)
logger = RequestLogger(max_log_len=None)
logger.log_request_body(request)
logger.log_inputs("chatcmpl-1", "<s>Be brief.", [1, 2], None, None, None)
"""


@pytest.mark.ollama
def test_the_folder_that_ollama_writes_is_read(tmp_path: Path) -> None:
    """Each of its routes; it logs what it was asked though it has no such model."""
    said = messages(TURNS)
    asked = {
        "api/chat": {"messages": said},
        "v1/chat/completions": {"messages": said},
        "api/generate": {"system": said[0]["content"], "prompt": said[1]["content"]},
        "v1/messages": {"system": said[0]["content"], "messages": said[1:], "max_tokens": 9},
        "v1/responses": {"instructions": said[0]["content"], "input": said[1]["content"]},
    }
    there = {"TMPDIR": str(tmp_path), "OLLAMA_DEBUG_LOG_REQUESTS": "1"}
    with serving(complete(VERSIONS[-1], tmp_path), tmp_path / "models", **there) as host:
        for route, body in asked.items():
            httpx.post(f"http://{host}/{route}", json={"model": "none", **body})
    [folder] = tmp_path.glob("ollama-request-logs-*")

    [found] = prompts(imported(tmp_path, folder, "ollama-requests"))

    assert found["messages"] == said and found["weight"] == len(asked)


@pytest.mark.vllm
@pytest.mark.timeout(300)
@pytest.mark.parametrize("formatter", ["text", "json"])
def test_the_log_that_vllm_writes_is_read(formatter: str, tmp_path: Path) -> None:
    """By its own logger, without a server."""
    said = messages(TURNS)
    words = [str(python()), "-c", LOGGING, formatter, repr(said)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    (tmp_path / "vllm.log").write_text(done.stderr + done.stdout)

    [found] = prompts(imported(tmp_path, tmp_path / "vllm.log", "vllm-log"))

    assert found["messages"] == said
