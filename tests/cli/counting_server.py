"""A server that counts latencies as vLLM does, as a process: each reading of its page is a step.

    python counting_server.py STEPS

STEPS is a JSON list. A step [N, LATE] adds so many requests, LATE of them above a second;
"reset" begins anew as a restart does, "gone" answers 503, "without" leaves the histogram out.
The last step is done again and again.
"""

from __future__ import annotations

import http.server
import json
import sys

STEPS = json.loads(sys.argv[1])
EDGES = ("0.3", "0.5", "1.0")
counted = {"n": 0, "late": 0}


def step() -> object:
    """Do the next step, and return it."""
    found = STEPS.pop(0) if len(STEPS) > 1 else STEPS[0]
    if found == "reset":
        counted.update(n=0, late=0)
    elif isinstance(found, list):
        counted["n"] += found[0]
        counted["late"] += found[1]
    return found


def page(found: object) -> str:
    """Return the page after a step."""
    labels, name = 'engine="0",model_name="m"', "vllm:e2e_request_latency_seconds"
    edges = [(edge, counted["n"] - counted["late"]) for edge in EDGES] + [("+Inf", counted["n"])]
    lines = [f'{name}_bucket{{{labels},le="{edge}"}} {float(n)}' for edge, n in edges]
    gauges = [f"vllm:num_requests_{what}{{{labels}}} 0.0" for what in ("running", "waiting")]
    return "\n".join([*([] if found == "without" else lines), *gauges, ""])


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer as vLLM does, as far as a watch asks."""
        if self.path != "/metrics":
            self._send(200, json.dumps({"data": [{"id": "m"}], "version": "0.32.0"}))
            return
        found = step()
        self._send(503 if found == "gone" else 200, page(found))

    def do_POST(self) -> None:
        """Refuse: a watch of counters sends nothing."""
        self._send(500, "{}")
        print("a request was sent", flush=True)

    def _send(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None:
        """Say nothing."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
