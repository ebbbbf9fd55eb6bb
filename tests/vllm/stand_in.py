"""A Python with a stand-in for vLLM's parser: a few options, and vLLM's own rules for files."""

from __future__ import annotations

import sys
from pathlib import Path

_PARSER = """
import argparse
import yaml


class FlexibleArgumentParser(argparse.ArgumentParser):
    def parse_args(self, args):
        if "--config" in args:
            at = args.index("--config")
            first = args[:1] if args[0] == "serve" else []
            args = [*first, *self.of_file(args[at + 1]), *args[len(first):at], *args[at + 2:]]
        return super().parse_args(args)

    def of_file(self, path):
        for key, value in yaml.safe_load(open(path)).items():
            if isinstance(value, bool):
                if value:
                    yield f"--{key}"
                elif f"--no-{key}" in self._option_string_actions:
                    yield f"--no-{key}"
            else:
                yield from (f"--{key}", str(value))
"""

_OPTIONS = """
import argparse


def make_arg_parser(parser):
    print("a line of the log")
    parser.add_argument("model_tag", nargs="?")
    parser.add_argument("--config")
    parser.add_argument("--model", default="a/default")
    parser.add_argument("--host")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--max-num-seqs", type=int)
    parser.add_argument("--enable-prefix-caching", action=argparse.BooleanOptionalAction)
    return parser
"""

_MODULES = {"utils/argparse_utils.py": _PARSER, "entrypoints/launchers/cli_args.py": _OPTIONS}


def python(folder: Path) -> Path:
    """Return a program that is a Python which has the stand-in, below `folder`."""
    for name, text in _MODULES.items():
        module = folder / "vllm" / name
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_text(text)
    return program(folder, f'PYTHONPATH="{folder}" exec "{sys.executable}" "$@"')


def program(folder: Path, command: str) -> Path:
    """Return a program that runs a command of the shell."""
    found = folder / "python"
    found.write_text(f"#!/bin/sh\n{command}\n")
    found.chmod(0o755)
    return found
