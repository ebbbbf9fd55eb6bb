"""`vllm serve`: an HTTP server that answers as vLLM does, and its log.

The variable STANDIN_FAULT makes it misbehave: `oom`, `bad_length`, `crash`, `engine_dead`,
`half_page` (of metrics), `ignores_seqs`, `stops_admitting`.
"""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

from aiohttp import web

from vllm.engine.arg_utils import AsyncEngineArgs, VllmConfig
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.usage.usage_lib import UsageContext
from vllm.utils.argparse_utils import FlexibleArgumentParser

FAULT = os.environ.get("STANDIN_FAULT", "")
ANSWER = ["I", "'m", " glad", " to", " meet", " you", "."]
LOGS = Path(__file__).parents[3] / "logs"
HELP = Path(__file__).parents[5] / "engines" / "vllm" / "recorded" / "help-0.32.0.txt"


def serve(words: list[str] | None = None) -> None:
    """Start, or fail as asked."""
    if "--help=all" in sys.argv:
        print(HELP.read_text())
        return
    args = make_arg_parser(FlexibleArgumentParser(prog="vllm serve")).parse_args(words)
    if args.model_tag is not None:
        args.model = args.model_tag
    config = AsyncEngineArgs.from_cli_args(args).create_engine_config(
        UsageContext.OPENAI_API_SERVER
    )
    fail_as_asked()
    say(
        f"(EngineCore pid=2) INFO Initializing a V1 LLM engine (v0.32.0) with config: "
        f"model='{args.model}', dtype=torch.bfloat16, max_seq_len="
        f"{config.model_config.max_model_len}, enforce_eager={config.model_config.enforce_eager}"
    )
    web.run_app(application(args, config), host=args.host, port=args.port, print=None)


def fail_as_asked() -> None:
    """End as a failed start does, with the lines of its log."""
    log = LOGS / f"{FAULT}.log"
    if FAULT and log.is_file():
        say(log.read_text())
        sys.exit(1)


def say(text: str) -> None:
    """Write to the log."""
    print(text, flush=True)


def application(args: argparse.Namespace, config: VllmConfig) -> web.Application:
    """Return the server."""
    app, server = web.Application(), Server(args, config)
    for path, handler in {
        "/health": server.health,
        "/version": server.version,
        "/metrics": server.metrics,
        "/v1/models": server.models,
        "/server_info": server.account,
    }.items():
        app.router.add_get(path, handler)
    app.router.add_post("/reset_prefix_cache", server.reset)
    app.router.add_post("/v1/chat/completions", server.chat)
    return app


class Server:
    """What the server knows."""

    def __init__(self, args: argparse.Namespace, config: VllmConfig) -> None:
        self.args, self.config = args, config
        self.served = args.served_model_name or args.model
        seqs = config.scheduler_config.max_num_active_seqs or config.scheduler_config.max_num_seqs
        self.slots = asyncio.Semaphore(seqs)
        self.asked = 0

    async def health(self, request: web.Request) -> web.Response:
        """Say whether the engine lives."""
        return web.Response(status=503 if FAULT == "engine_dead" and self.asked else 200)

    async def version(self, request: web.Request) -> web.Response:
        """Say the version."""
        return web.json_response({"version": "0.32.0"})

    async def models(self, request: web.Request) -> web.Response:
        """List the model."""
        row = {"id": self.served, "max_model_len": self.config.model_config.max_model_len}
        return web.json_response({"object": "list", "data": [row]})

    async def account(self, request: web.Request) -> web.Response:
        """Tell the configuration in development mode."""
        if os.environ.get("VLLM_SERVER_DEV_MODE") != "1":
            return web.Response(status=404)
        scheduler = vars(self.config.scheduler_config).copy()
        if FAULT == "ignores_seqs":
            scheduler["max_num_seqs"] = 128
        told = {"scheduler_config": scheduler, "cache_config": vars(self.config.cache_config)}
        return web.json_response({"vllm_config": told})

    async def metrics(self, request: web.Request) -> web.Response:
        """Tell the settings of the cache, and a few counters."""
        if FAULT == "half_page":
            return web.Response(text="# HELP vllm:num_requests_run")
        labels = ",".join(f'{n}="{v}"' for n, v in vars(self.config.cache_config).items())
        name = f'{{engine="0",model_name="{self.served}"}}'
        lines = [
            f'vllm:cache_config_info{{engine="0",{labels}}} 1.0',
            f"vllm:num_requests_running{name} 0.0",
            f"vllm:num_requests_waiting{name} 0.0",
            f"vllm:kv_cache_usage_perc{name} 0.0",
            f"vllm:num_preemptions_total{name} 0.0",
            f"vllm:generation_tokens_total{name} {self.asked * len(ANSWER)}.0",
        ]
        return web.Response(text="\n".join(lines) + "\n")

    async def reset(self, request: web.Request) -> web.Response:
        """Empty the prefix cache."""
        return web.json_response({"success": True})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer in a stream, or whole."""
        self.asked += 1
        body = await request.json()
        if FAULT == "engine_dead":
            say("(APIServer pid=1) ERROR EngineDeadError: EngineCore encountered an issue.")
            error = {"error": {"message": "EngineCore encountered an issue.", "code": 500}}
            return web.json_response(error, status=500)
        if FAULT == "stops_admitting":
            await asyncio.sleep(3600)
        if body.get("model") != self.served:
            error = {"error": {"message": f"The model `{body.get('model')}` does not exist."}}
            return web.json_response(error, status=404)
        async with self.slots:
            return await self.stream(request, body)

    async def stream(self, request: web.Request, body: dict) -> web.StreamResponse:
        """Send the answer, token by token, as recorded of 0.32."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        tokens = ANSWER[: body.get("max_tokens") or len(ANSWER)]
        for token in tokens:
            choice = {"index": 0, "delta": {"content": token}, "finish_reason": None}
            await frame(response, {"choices": [choice]})
            await asyncio.sleep(0.001)
        finish = "stop" if len(tokens) == len(ANSWER) else "length"
        last = {"index": 0, "delta": {"content": ""}, "finish_reason": finish}
        await frame(response, {"choices": [last]})
        usage = {"prompt_tokens": 38, "completion_tokens": len(tokens)}
        timings = {"queue_time_ms": 0.0, "time_to_first_token_ms": 1.0, "generation_time_ms": 7.0}
        await frame(response, {"choices": [], "usage": usage, "metrics": timings})
        await response.write(b"data: [DONE]\n\n")
        return response


async def frame(response: web.StreamResponse, content: dict) -> None:
    """Write one event."""
    await response.write(b"data: " + json.dumps(content).encode() + b"\n\n")


if __name__ == "__main__":
    serve(sys.argv[2:])
