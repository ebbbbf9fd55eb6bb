"""Modelfiles as the body of POST /api/create."""

from __future__ import annotations

import pytest

from tuner.modelfile.create_request import create_request
from tuner.modelfile.document import parse
from tuner.spec.errors import InputError

WHOLE = '''FROM llama3
REQUIRES 0.14.0
TEMPLATE """{{ .Prompt }}"""
SYSTEM be brief
PARAMETER num_ctx 2048
PARAMETER temperature 0.5
PARAMETER use_mmap false
PARAMETER stop a
PARAMETER stop "b c"
PARAMETER top_k 1
PARAMETER top_k 2
PARAMETER mirostat 1
MESSAGE user hi
MESSAGE assistant ho
LICENSE mine
'''


def test_every_instruction_has_its_field_with_its_type() -> None:
    """Numbers are numbers, `stop` is a list, of others the last counts, deprecated ones go."""
    assert create_request(parse(WHOLE)) == {
        "from": "llama3",
        "requires": "0.14.0",
        "template": "{{ .Prompt }}",
        "system": "be brief",
        "parameters": {
            "num_ctx": 2048,
            "temperature": 0.5,
            "use_mmap": False,
            "stop": ["a", "b c"],
            "top_k": 2,
        },
        "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}],
        "license": ["mine"],
    }


def test_what_is_not_said_is_not_sent() -> None:
    """The base keeps what the Modelfile does not mention."""
    assert create_request(parse("FROM llama3\n")) == {"from": "llama3"}


@pytest.mark.parametrize("line", ["ADAPTER a.gguf", "FROM b.gguf", "DRAFT d.gguf"])
def test_files_of_its_own_are_refused(line: str) -> None:
    """What has to be uploaded with a model is created by Ollama's program."""
    with pytest.raises(InputError, match="ollama create NAME -f FILE"):
        create_request(parse(f"FROM llama3\n{line}\n"))
