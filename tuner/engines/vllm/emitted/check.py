"""Check written files with the parser of the vLLM that is to read them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuner.engines.vllm.emitted.artifacts import CONFIG, SCRIPT
from tuner.engines.vllm.emitted.secrets import without_secrets
from tuner.engines.vllm.emitted.service import SERVE, Service
from tuner.spec.errors import EngineError

_READER = Path(__file__).with_name("read_commands.py")
_DEADLINE_S = 180.0
"""Importing vLLM takes 10 to 20 s; a cold disk takes longer."""

_TELLER = ("/usr/bin/printf", "%s\\0")
"""In place of vLLM: prints each word that a script starts it with."""

Read = Mapping[str, str]


def ensure_read(python: Path, service: Service, files: Mapping[str, str]) -> Read:
    """Return what vLLM reads in `vllm.yaml`: the options that are not its defaults.

    `python` is one that has vLLM, which is imported there, and loads nothing. Raises EngineError
    where vLLM refuses a file, or reads the file of options otherwise than the script.
    """
    told = without_secrets(service)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / CONFIG
        config.write_text(files[CONFIG], encoding="utf-8")
        start = ["serve"] if _serves(service) else []
        commands = [
            [*start, "--config", str(config), *told.words],
            script_words(service, files[SCRIPT]),
        ]
        from_file, from_script = _answers(python, commands)
    read = _accepted(CONFIG, from_file)
    if differing := _differing(read, _accepted(SCRIPT, from_script)):
        raise EngineError(
            f"vLLM reads {CONFIG} and {SCRIPT} differently: {', '.join(differing)}; "
            "please report this with both files"
        )
    return read


def script_words(service: Service, script: str) -> list[str]:
    """Return the words with which a real shell starts vLLM by a script that was written.

    Raises EngineError for a script that does not start the program of the service.
    """
    teller = (*_TELLER, "serve") if _serves(service) else _TELLER
    before, start, after = script.partition(f"\nexec {shlex.join(service.program)}")
    if not start:
        raise EngineError(f"{SCRIPT} does not start {shlex.join(service.program)}")
    secrets = dict.fromkeys(without_secrets(service).secrets, "unsaid")
    text = f"{before}\nexec {shlex.join(teller)}{after}"
    return _run(["sh", "-c", text], env={**os.environ, **secrets}).removesuffix("\0").split("\0")


def _serves(service: Service) -> bool:
    return service.program[-1:] == SERVE[-1:]


def _answers(python: Path, commands: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    told = _run([str(python), str(_READER)], json.dumps(commands))
    try:
        found: list[dict[str, Any]] = json.loads(told.splitlines()[-1])
    except (ValueError, IndexError):
        raise EngineError(f"{python} did not say how vLLM reads files: {told[-200:]!r}") from None
    return found


def _run(command: Sequence[str], given: str = "", env: Mapping[str, str] | None = None) -> str:
    """Return what a program prints; raise EngineError with its last line where it fails."""
    try:
        ended = subprocess.run(
            command,
            input=given.encode(),
            env=env,
            capture_output=True,  # as bytes: reading as text would make \r a line break
            timeout=_DEADLINE_S,
        )
    except (OSError, subprocess.TimeoutExpired) as failed:
        raise EngineError(f"the files were not checked: {failed}") from None
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip().splitlines() or [
            f"it ended with {ended.returncode}"
        ]
        raise EngineError(f"the files were not checked: {command[0]}: {said[-1]}")
    return ended.stdout.decode(errors="replace")


def _accepted(name: str, answer: Mapping[str, Any]) -> Read:
    if "refused" in answer:
        raise EngineError(f"this vLLM refuses {name}: {answer['refused']}")
    read: Read = answer["read"]
    return read


def _differing(first: Read, second: Read) -> list[str]:
    names = sorted(first.keys() | second.keys())
    return [n for n in names if first.get(n) != second.get(n)]
