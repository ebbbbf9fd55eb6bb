"""Read command lines as the installed vLLM does; a Python that has vLLM runs this file itself.

Standard input holds a JSON list of commands, each a list of words. The last line of standard
output is a JSON list: for each {"read": {name: value}}, of what is not vLLM's default, or
{"refused": reason}. Only the parser is asked: nothing is loaded.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any, NoReturn

_PARSERS = ("vllm.entrypoints.launchers.cli_args", "vllm.entrypoints.openai.cli_args")
_NOT_COMPARED = ("config", "model_tag", "subparser")


class _Refused(Exception):
    """The parser refuses a command."""


def _refuse(message: str) -> NoReturn:
    raise _Refused(message)


def _add_options(parser: Any) -> Any:
    """Give a parser the options of the server, wherever this version keeps them."""
    for name in _PARSERS:
        try:
            return importlib.import_module(name).make_arg_parser(parser)
        except ModuleNotFoundError as missing:
            if missing.name is None or missing.name not in name:
                raise
    raise ModuleNotFoundError(f"vLLM has no parser in any of {', '.join(_PARSERS)}")


class _Parsers:
    """The parsers of both ways to start a server: the module, and `serve` as a part of `vllm`.

    `vllm serve` reads its file with the outer parser, which knows none of the server's options.
    """

    def __init__(self) -> None:
        kind = importlib.import_module("vllm.utils.argparse_utils").FlexibleArgumentParser
        self._module = _add_options(kind())
        self._program = kind(prog="vllm")
        self._serve = _add_options(
            self._program.add_subparsers(dest="subparser").add_parser("serve")
        )
        for parser in (self._module, self._program, self._serve):
            parser.error = _refuse

    def read(self, words: list[str]) -> dict[str, Any]:
        """Return what a command says, or why it is refused."""
        serves = words[:1] == ["serve"]
        try:
            said = (self._program if serves else self._module).parse_args(words)
        except (_Refused, ValueError) as refused:
            return {"refused": str(refused)}
        if serves and said.model_tag is not None:
            said.model = said.model_tag
        default = self._module.get_default
        named = {n: repr(v) for n, v in vars(said).items() if n not in _NOT_COMPARED}
        return {"read": {n: shown for n, shown in named.items() if shown != repr(default(n))}}


def main() -> None:
    """Read all commands; log lines go to standard error."""
    del sys.path[0]  # this folder, none of whose modules is meant by what vLLM imports
    answer = os.dup(1)
    os.dup2(2, 1)
    parsers = _Parsers()
    found = [parsers.read(words) for words in json.load(sys.stdin)]
    with os.fdopen(answer, "w") as out:
        out.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
