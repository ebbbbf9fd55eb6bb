"""The flags of the vLLM that is installed, read once for each version: its help takes seconds."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tuner.engines.vllm.installed.flags.flag import Flags
from tuner.engines.vllm.installed.flags.help_text import flags_of
from tuner.engines.vllm.installed.flags.source import declared, known_variables
from tuner.spec.errors import EngineMissing, InputError

CACHE_VARIABLE = "XDG_CACHE_HOME"

DEADLINE_S = 180
"""The help imports torch, which takes a cold disk a minute."""

_DECLARING = ("entrypoints/**/cli_args.py", "config.py", "config/**/*.py")
_PLAIN = {"COLUMNS": "200", "NO_COLOR": "1", "VLLM_LOGGING_LEVEL": "ERROR"}


def installed_flags(
    help_command: Sequence[str], package: Path, version: str, cache: Path | None = None
) -> Flags:
    """Return the flags that a command prints, from a file under `cache` after the first time.

    `package` is the folder of the installed `vllm`, whose source tells what the help does not.
    Raises EngineMissing if the command prints no flags.
    """
    source = package / "engine" / "arg_utils.py"
    kept = (cache or cache_folder()) / f"help-{_key(help_command, source, version)}.txt"
    files = [source, *(f for pattern in _DECLARING for f in sorted(package.glob(pattern)))]
    said = declared(*map(_text, files))
    with contextlib.suppress(OSError, UnicodeDecodeError, InputError):
        return flags_of(kept.read_text(encoding="utf-8"), version, said)
    text = _printed(help_command)
    try:
        flags = flags_of(text, version, said)
    except InputError as unreadable:
        raise EngineMissing(str(unreadable)) from None
    _keep(kept, text)
    return flags


def installed_variables(package: Path) -> frozenset[str] | None:
    """Return the variables that the installed version reads, None where that is unknown."""
    return known_variables(_text(package / "envs.py"))


def cache_folder() -> Path:
    """Return the folder of the user in which what was read is kept."""
    home = os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache"
    return Path(home) / "modelfile-tuner" / "vllm"


def _key(command: Sequence[str], source: Path, version: str) -> str:
    """Return a key that changes with the version, where it lies, and when that was written."""
    try:
        written = source.stat().st_mtime_ns
    except OSError:
        written = 0
    return hashlib.sha256(
        repr((tuple(command), str(source), version, written)).encode()
    ).hexdigest()[:16]


def _printed(command: Sequence[str]) -> str:
    shown = " ".join(command)
    try:
        asked = subprocess.run(
            command, env={**os.environ, **_PLAIN}, capture_output=True, encoding="utf-8",
            errors="replace", timeout=DEADLINE_S, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise EngineMissing(f"`{shown}` printed no flags within {DEADLINE_S} s; see why") from None
    except OSError as broken:
        raise EngineMissing(f"`{shown}` cannot be run ({broken}); install vLLM there") from None
    if asked.returncode:
        last = (asked.stderr.strip().splitlines() or ["without a word"])[-1]
        raise EngineMissing(f"`{shown}` ended with exit code {asked.returncode}: {last}")
    return asked.stdout


def _text(path: Path) -> str:
    """Return the text of a file, "" where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _keep(path: Path, text: str) -> None:
    """Write a file as a whole; where it cannot be written, the help is read again next time."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
