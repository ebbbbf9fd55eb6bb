"""The flags and variables of vLLM 0.32.0, read from what was recorded."""

from __future__ import annotations

from pathlib import Path

from tuner.engines.vllm.installed.flags.help_text import flags_of
from tuner.engines.vllm.installed.flags.source import declared, known_variables

VERSION = "0.32.0"
RECORDED = Path(__file__).parents[2] / "recorded"


def recorded(name: str) -> str:
    """Return the text that was recorded under a name."""
    return (RECORDED / f"{name}-{VERSION}.txt").read_text(encoding="utf-8")


HELP = recorded("help")
SOURCE = declared(recorded("arg_utils"), recorded("cli_args"), recorded("config"))
FLAGS = flags_of(HELP, VERSION, SOURCE)
VARIABLES = known_variables(recorded("envs"))
