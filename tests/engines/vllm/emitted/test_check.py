"""Files are read by the parser of the vLLM that is there, before anyone relies on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.engines.vllm.emitted.services import MODULE, PROGRAM, written
from tests.vllm import installed
from tests.vllm.pythons import python, script
from tuner.engines.vllm.emitted.check import ensure_read
from tuner.engines.vllm.emitted.service import Service
from tuner.spec.errors import EngineError

SERVICE = Service(
    MODULE, "X", "/models/it's", flags={"max-num-seqs": 64, "enable-prefix-caching": False}
)
READ = {
    "model": '"/models/it\'s"', "host": "'127.0.0.1'", "max_num_seqs": "64",
    "enable_prefix_caching": "False",
}  # fmt: skip


@pytest.mark.parametrize("program", [MODULE, PROGRAM])
def test_both_files_are_read_alike(program: tuple[str, ...], tmp_path: Path) -> None:
    """What differs from the defaults is returned; log lines on standard output are none of it."""
    service = replace(SERVICE, program=program)

    there = python(tmp_path, STANDIN_SAYS="a line of the log\n")

    assert ensure_read(Path(there), service, written(service)) == READ


def test_a_refused_option_is_named(tmp_path: Path) -> None:
    """The parser's own words follow the name of the file."""
    service = replace(SERVICE, flags={"max-num-seqs": "many"})

    with pytest.raises(EngineError, match=r"this vLLM refuses vllm.yaml: .*max-num-seqs.*'many'"):
        ensure_read(Path(python(tmp_path)), service, written(service))


def test_a_file_that_says_something_else_is_found(tmp_path: Path) -> None:
    """The options are named in which it differs from the script."""
    files = written(SERVICE)
    config = files["vllm.yaml"].replace("64", "65").replace("no-enable", "enable")

    with pytest.raises(EngineError, match=r"differently: enable_prefix_caching, max_num_seqs; "):
        ensure_read(Path(python(tmp_path)), SERVICE, files | {"vllm.yaml": config})


@pytest.mark.parametrize("program", [MODULE, PROGRAM])
def test_a_false_is_dropped_by_the_program_alone(program: tuple[str, ...], tmp_path: Path) -> None:
    """The trap that no-NAME: true avoids: `vllm serve` reads its file with a parser of its own."""
    config = "model: m\nhost: 127.0.0.1\nenable-prefix-caching: false\n"
    service = Service(program, "X", "m", flags={"enable-prefix-caching": False})
    files = written(service) | {"vllm.yaml": config}

    if program == PROGRAM:
        with pytest.raises(EngineError, match="differently: enable_prefix_caching;"):
            ensure_read(Path(python(tmp_path)), service, files)
    else:
        ensure_read(Path(python(tmp_path)), service, files)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("exec false", "it ended with 1"),
        ("echo Traceback >&2; echo ModuleNotFoundError: vllm >&2; exit 1", "Error: vllm"),
        ("echo not JSON", "did not say how vLLM reads files: 'not JSON"),
        ("true", "did not say how vLLM reads files: ''"),
    ],
)
def test_a_python_that_is_none_is_told(command: str, told: str, tmp_path: Path) -> None:
    """The files are not taken for checked, and the reason is the last line that it printed."""
    program = Path(script(tmp_path, command))

    with pytest.raises(EngineError, match=told):
        ensure_read(program, SERVICE, written(SERVICE))


def test_a_script_that_starts_something_else_is_found(tmp_path: Path) -> None:
    """It is the written script that is read, by a real shell."""
    files = written(SERVICE)
    changed = files["serve.sh"].replace("exec /opt", "exec /other")

    with pytest.raises(EngineError, match=r"serve\.sh does not start /opt/vllm/bin/python"):
        ensure_read(Path(python(tmp_path)), SERVICE, files | {"serve.sh": changed})


def test_secrets_and_the_environment_do_not_stand_in_the_way(tmp_path: Path) -> None:
    """The script asks for a secret that nobody has set here, and sets another PATH."""
    service = replace(SERVICE, secrets=("A_TOKEN",), env={"PATH": "/nowhere"})

    assert ensure_read(Path(python(tmp_path)), service, written(service)) == READ


def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    """No program can be run by that path."""
    with pytest.raises(EngineError, match=r"not checked: .*no-python"):
        ensure_read(tmp_path / "no-python", SERVICE, written(SERVICE))


@pytest.mark.vllm
@pytest.mark.timeout(300)
@pytest.mark.parametrize("program", [MODULE, PROGRAM])
def test_a_real_vllm_reads_both_files_alike(program: tuple[str, ...]) -> None:
    """The parser of the installed vLLM finds in both what was measured."""
    service = Service(
        program,
        "X",
        "/models/it's",
        flags={
            "max-num-seqs": 64, "kv-cache-memory-bytes": 2**30, "enable-prefix-caching": False,
            "max-model-len": -1, "gpu-memory-utilization": 0.9, "enforce-eager": True,
            "speculative-config": {"method": "ngram", "num_speculative_tokens": 3},
            "lora-modules": [{"name": "a", "path": "/p q"}, "b=/c"], "tool-call-parser": "hermes",
            "served-model-name": ["on", "0123"], "chat-template": "it's $HOME: {#}\n\u00e9",
            "compilation-config.mode": 3, "hf-overrides": {"on": 1e-5}, "api-key": "unsaid",
        },
        words=("--middleware", "a.B", "--middleware", "c.D"),
    )  # fmt: skip
    read = ensure_read(installed.python(), service, written(service))

    assert read["model"] == '"/models/it\'s"'
    assert (read["max_num_seqs"], read["kv_cache_memory_bytes"]) == ("64", str(2**30))
    assert (read["enable_prefix_caching"], read["enforce_eager"]) == ("False", "True")
    assert read["speculative_config"] == "{'method': 'ngram', 'num_speculative_tokens': 3}"
    assert read["served_model_name"] == "['on', '0123']"
    assert read["chat_template"] == repr("it's $HOME: {#}\n\u00e9")
    assert (read["max_model_len"], read["hf_overrides"]) == ("-1", "{'on': 1e-05}")
    assert "LoRAModulePath(name='a', path='/p q'" in read["lora_modules"]
    assert "CompilationMode.VLLM_COMPILE" in read["compilation_config"]
    assert read["middleware"] == "['a.B', 'c.D']"
    assert "api_key" not in read
