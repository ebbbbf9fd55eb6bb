"""The flags that the stand-in knows."""

import argparse
import os

WHOLE = (
    "max-model-len", "max-num-seqs", "max-num-active-seqs", "max-num-batched-tokens",
    "max-num-scheduled-tokens", "long-prefill-token-threshold", "prefill-schedule-interval",
    "kv-cache-memory-bytes", "block-size", "max-cudagraph-capture-size", "stream-interval", "port",
    "tensor-parallel-size",
)  # fmt: skip
NUMBERS = ("watermark", "gpu-memory-utilization")
WORDS = (
    "model", "served-model-name", "host", "kv-cache-dtype", "scheduling-policy",
    "performance-mode", "quantization", "dtype", "speculative-config", "tool-call-parser",
)  # fmt: skip
SWITCHES = (
    "enable-prefix-caching", "async-scheduling", "enforce-eager", "enable-per-request-metrics",
    "enable-prompt-tokens-details", "enable-auto-tool-choice",
)  # fmt: skip


def make_arg_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the flags; a line of a log may come first, on standard output."""
    print(os.environ.get("STANDIN_SAYS", ""), end="")
    parser.add_argument("model_tag", nargs="?")
    parser.add_argument("--config")
    for kind, names in ((int, WHOLE), (float, NUMBERS), (str, WORDS)):
        for name in names:
            parser.add_argument(f"--{name}", type=kind)
    for name in SWITCHES:
        parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction)
    parser.set_defaults(port=8000)
    return parser


def validate_parsed_serve_args(args: argparse.Namespace) -> None:
    """Refuse what does not go together."""
    if args.enable_auto_tool_choice and not args.tool_call_parser:
        raise TypeError("Error: --enable-auto-tool-choice requires --tool-call-parser")
