"""What stands before FakeServer, as people meet servers: keys, other paths, other answers."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tuner.testing.fake_settings import Options
from tuner.testing.fake_wire import Request

CHAT = "/chat/completions"
PAGE = b"<!doctype html>\n<html><head><title>Chat UI</title></head><body>app</body></html>"


@dataclass(frozen=True, slots=True)
class Other:
    """An answer in place of the server's own; `more` are further header lines."""

    status: int
    body: object
    kind: str = "application/json"
    more: str = ""


def record(options: Options, request: Request) -> None:
    """Write down what came, where that is asked for."""
    if options.record:
        seen = {"target": request.target, "headers": dict(request.headers)}
        with Path(options.record).open("a", encoding="utf-8") as file:
            file.write(json.dumps(seen | {"body": request.body.decode()}) + "\n")


def inside(options: Options, request: Request) -> Request:
    """Return a request as the server behind the front's own path sees it."""
    if not options.base_path:
        return request
    method, path = request.route.split(" ", 1)
    below = path.removeprefix(options.base_path)
    return replace(request, route=f"{method} /v1{below}" if below != path else f"{method} -")


def other(options: Options, request: Request) -> Other | None:
    """Return what is answered in place of the server, None where the request goes through."""
    if options.api_key and request.headers.get(options.key_header) != _key(options):
        told = f"Incorrect API key provided: {request.headers.get(options.key_header, 'none')}"
        return Other(401, _error(told))
    if options.query and f"?{options.query}" not in request.target:
        return Other(404, {"detail": "Not Found"})
    if request.route.endswith("/models"):
        return _models(options)
    return _chat(options, request) if request.route.endswith((CHAT, f"{CHAT}/")) else None


def _key(options: Options) -> str:
    return f"Bearer {options.api_key}" if options.key_header == "authorization" else options.api_key


def _models(options: Options) -> Other | None:
    shown = {"list": [{"id": n} for n in options.serves], "null": {"data": None}, "page": PAGE}
    if options.models in shown:
        return Other(200, shown[options.models])
    if options.models == "none":
        return Other(404, {"detail": "Not Found"})
    named = {"object": "list", "data": [{"id": name} for name in options.serves]}
    return Other(200, named) if options.serves else None


def _chat(options: Options, request: Request) -> Other | None:
    sent = json.loads(request.body or b"{}")
    for name in (n for n in options.refuse_field if n in sent):
        return Other(400, _error(f"Unsupported parameter: '{name}' is not supported"))
    if options.instead == "redirect" and not request.target.partition("?")[0].endswith("/"):
        return Other(307, b"", more=f"Location: {request.target}/\r\n")
    return _INSTEAD.get(options.instead)


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error"}}


_WHOLE = {"message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop", "index": 0}
_INSTEAD = {
    "page": Other(200, PAGE, "text/html; charset=utf-8"),
    "error": Other(200, _error("model not loaded")),
    "unstreamed": Other(200, {"object": "chat.completion", "choices": [_WHOLE]}),
    "detail": Other(422, {"detail": [{"loc": ["body", "messages"], "msg": "field required"}]}),
    "text": Other(429, b"Too many requests,\nslow down", "text/plain", "Retry-After: 1\r\n"),
    "bad-gateway": Other(502, PAGE.replace(b"Chat UI", b"502 Bad Gateway"), "text/html"),
}


def tls(options: Options) -> ssl.SSLContext | None:
    """Return the server's certificate, None where it speaks plain HTTP."""
    if not options.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.certificate)
    return context
