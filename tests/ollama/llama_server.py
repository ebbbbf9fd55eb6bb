"""llama.cpp's server under the name and with the flags that Ollama 0.30 and newer gives it.

Ollama's Go program starts lib/ollama/llama-server beside itself; here that is this file over
xllamacpp, so that Go alone makes a complete Ollama. Flags as in llm/llama_server.go; what only
concerns other hardware or other models is ignored.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys

import xllamacpp

NUMBERS = {"--port": "port", "-c": "n_ctx", "-np": "n_parallel", "-b": "n_batch", "-ub": "n_ubatch"}
SWITCHES = {"on": "ENABLED", "off": "DISABLED", "auto": "AUTO"}


def main() -> None:
    """Serve until a signal ends the process."""
    given = sys.argv[1:]
    if "--list-devices" in given:
        print("Available devices:")
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    server = xllamacpp.Server(params(dict(itertools.pairwise(given)), given))
    print(f"listening on {server.listening_address}", flush=True)
    signal.pause()


def params(value: dict[str, str], given: list[str]) -> xllamacpp.CommonParams:
    """Return llama.cpp's parameters for the flags; `value` is what follows each of them."""
    p = xllamacpp.CommonParams()
    p.model.path, p.hostnames = value["--model"], [value.get("--host", "127.0.0.1")]
    for flag, name in NUMBERS.items():
        if flag in value:
            setattr(p, name, int(value[flag]))
    if "-t" in value:
        p.cpuparams.n_threads = p.cpuparams_batch.n_threads = int(value["-t"])
    if "--cache-type-k" in value:
        kind = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{value['--cache-type-k'].upper()}")
        p.cache_type_k = p.cache_type_v = kind
    attention = SWITCHES[value.get("--flash-attn", "auto")]
    p.flash_attn_type = getattr(
        xllamacpp.llama_flash_attn_type, f"LLAMA_FLASH_ATTN_TYPE_{attention}"
    )
    p.n_cache_reuse = int(os.environ.get("LLAMA_ARG_CACHE_REUSE", 0))
    p.cache_ram_mib = int(os.environ.get("LLAMA_ARG_CACHE_RAM", 8192))
    if "--no-jinja" in given:
        p.use_jinja, p.chat_template = False, value.get("--chat-template", "chatml")
    p.n_threads_http, p.endpoint_slots, p.ui, p.verbosity = p.n_parallel + 8, True, False, 4
    return p


if __name__ == "__main__":
    main()
