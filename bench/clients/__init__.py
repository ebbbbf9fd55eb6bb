"""Load clients that are held against the paced server: each a process, each with one task.

    python -m bench.clients.NAME URL CONCURRENCY RATE REQUESTS FILE

sends so many requests, in closed loop with a concurrency or (where RATE is above zero) in open
loop, and writes a JSON line for each: `key` (CRC-32 of its body), `ttft_s` and `e2e_s`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tuner.engines.serving.chat import chat_request
from tuner.load.arrivals import Call
from tuner.spec.values import Load, Message, Prompt


def asked() -> tuple[str, Load, int, Path]:
    """Return the server's URL, the load, the number of requests and the file for what came."""
    url, concurrency, rate, requests, file = sys.argv[1:]
    return url, Load(int(concurrency), float(rate) or None), int(requests), Path(file)


def calls(requests: int) -> Iterator[Call]:
    """Yield calls, no two alike."""
    for i in range(requests):
        messages = (Message("user", f"Create a task: call number {i} back by Friday"),)
        request = chat_request(messages, {"model": "paced", "max_tokens": 32}, None)
        yield Call(Prompt(str(i), "t", "k", messages), request)


def tell(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one line for each request."""
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
