"""No file holds a secret: the variable that holds it is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.engines.vllm.emitted.services import MODULE, written
from tuner.engines.vllm.emitted.secrets import without_secrets
from tuner.engines.vllm.emitted.service import Service

SECRET = "s3cr3t-of-a-user"
PLAIN = Service(MODULE, "0.32.0", "a/model")


@pytest.mark.parametrize(
    ("service", "variable"),
    [
        (replace(PLAIN, flags={"api-key": SECRET}), "VLLM_API_KEY"),
        (replace(PLAIN, flags={"api-key": [SECRET, SECRET + "2"]}), "VLLM_API_KEY"),
        (replace(PLAIN, flags={"hf-token": SECRET}), "HF_TOKEN"),
        (replace(PLAIN, words=("--api-key", SECRET, SECRET, "--grpc")), "VLLM_API_KEY"),
        (replace(PLAIN, words=("--api_key=" + SECRET, "--grpc")), "VLLM_API_KEY"),
        (replace(PLAIN, env={"HF_TOKEN": SECRET}), "HF_TOKEN"),
        (replace(PLAIN, env={"S3_SECRET_ACCESS_KEY": SECRET}), "S3_SECRET_ACCESS_KEY"),
        (replace(PLAIN, env={"S3_ACCESS_KEY_ID": SECRET}), "S3_ACCESS_KEY_ID"),
        (replace(PLAIN, env={"https_proxy": f"http://me:{SECRET}@proxy:1"}), "https_proxy"),
    ],
)
def test_a_secret_is_named_and_not_written(service: Service, variable: str) -> None:
    """Whether an option or a variable held it, each file that starts a server asks for it."""
    files = written(service)

    assert [name for name, text in files.items() if SECRET in text] == []
    assert f'export {variable}="${{{variable}:?export it first}}"' in files["serve.sh"]
    assert "EnvironmentFile=/etc/vllm/secrets.env" in files["vllm.service"]
    assert f'{variable}: "${{{variable}:?export it first}}"' in files["compose.yaml"]
    assert f"secretKeyRef: {{name: vllm-secrets, key: {variable}}}" in files["deployment.yaml"]
    assert f"# {variable}: a secret, which is left out" in files["vllm.env"]
    assert without_secrets(service).secrets == (variable,)


def test_other_words_stay() -> None:
    """What follows a secret, and an option without one, is passed on as it is."""
    service = replace(PLAIN, words=("--api-key", SECRET, "--grpc"), flags={"hf-token": True})
    told = without_secrets(service)

    assert (told.words, told.flags) == (("--grpc",), {"hf-token": True})


@pytest.mark.parametrize(
    "name",
    ["TOKENIZERS_PARALLELISM", "VLLM_MAX_BAD_WORDS_TOTAL_TOKENS", "VLLM_CPU_OMP_THREADS_BIND"],
)
def test_a_variable_that_only_sounds_like_one_is_written(name: str) -> None:
    """A number of tokens is no token."""
    assert f"export {name}=1" in written(replace(PLAIN, env={name: "1"}))["serve.sh"]


def test_a_server_with_a_key_is_asked_with_it() -> None:
    """client.json names the variable, and only where there is a key."""
    named = '"env": "VLLM_API_KEY"'

    assert named in written(replace(PLAIN, flags={"api-key": SECRET}))["client.json"]
    assert named not in written(PLAIN)["client.json"]
