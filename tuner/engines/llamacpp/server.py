"""Run llama.cpp's own server, out of the xllamacpp wheel, as a process of its own.

    python -m tuner.engines.llamacpp.server '{"model": "x.gguf", "n_ctx": 4096, ...}'

Keys: model, n_ctx (all slots together), n_parallel, n_batch, n_threads, cache_type,
flash_attention (auto, on, off), port (0: any free one). The caller finds the port by asking
which one this process listens on.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from typing import Any

import xllamacpp

LOG_SETTINGS = 4
"""The lowest verbosity at which llama.cpp prints batch, cache types and threads."""

_CACHE_TYPES = {"f16": "F16", "q8_0": "Q8_0", "q4_0": "Q4_0"}
_FLASH_ATTENTION = {"auto": "AUTO", "on": "ENABLED", "off": "DISABLED"}


def main() -> None:
    """Serve until a signal ends the process."""
    settings = json.loads(sys.argv[1])
    for number in (signal.SIGTERM, signal.SIGINT):
        # llama.cpp holds no state worth saving: end at once, whatever it is computing
        signal.signal(number, signal.SIG_DFL)
    server = xllamacpp.Server(params(settings))
    print(f"listening on {server.listening_address}", flush=True)
    threading.Event().wait()


def params(settings: dict[str, Any]) -> Any:
    """Return llama.cpp's parameters for our settings, with everything that adapts pinned."""
    p = xllamacpp.CommonParams()
    p.model.path = settings["model"]
    p.n_ctx = settings["n_ctx"]
    p.n_parallel = settings["n_parallel"]
    p.n_batch = p.n_ubatch = settings["n_batch"]
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = settings["n_threads"]
    kind = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{_CACHE_TYPES[settings['cache_type']]}")
    p.cache_type_k = p.cache_type_v = kind
    p.flash_attn_type = getattr(
        xllamacpp.llama_flash_attn_type,
        f"LLAMA_FLASH_ATTN_TYPE_{_FLASH_ATTENTION[settings['flash_attention']]}",
    )
    p.hostnames, p.port = ["127.0.0.1"], settings["port"]
    p.n_threads_http = settings["n_parallel"] + 8  # each kept connection occupies one
    p.fit_params = False  # would shrink what does not fit instead of failing
    p.cache_ram_mib = 0  # the host-memory prompt cache would flatter repeated prefixes
    p.endpoint_slots = True
    p.ui = False
    p.verbosity = LOG_SETTINGS
    return p


if __name__ == "__main__":
    main()
