"""Ask vLLM's own parser which command lines it takes.

Run with the Python that has vLLM, in this folder: python ask_parser.py parser-0.32.0.json
"""

import contextlib
import io
import json
import sys
from importlib import import_module
from pathlib import Path


def main(path: Path) -> None:
    """Write beside each command line of a file whether it is taken."""
    parsing = import_module("vllm.utils.argparse_utils")
    flags = import_module("vllm.entrypoints.launchers.cli_args")
    parser = flags.make_arg_parser(parsing.FlexibleArgumentParser())
    asked = [words for words, _ in json.loads(path.read_text())]
    rows = [json.dumps([words, taken(parser, words)]) for words in asked]
    path.write_text("[\n" + ",\n".join(rows) + "\n]\n")


def taken(parser, words: list[str]) -> bool:
    """Tell whether a parser takes words."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            parser.parse_args(words)
    except (SystemExit, ValueError, IndexError):
        return False
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]))
