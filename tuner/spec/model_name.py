"""How Ollama reads the name of a model: what may be left out, and what it refuses.

Source: `types/model/name.go` (ParseName, isValidPart, DisplayShortest), the same in 0.11.4 and
0.33.3, and `internal/modelref` of 0.33.3, which takes a last `:local` or `:cloud` off.
"""

from __future__ import annotations

import re

from tuner.spec.errors import InputError

DEFAULT_HOST, DEFAULT_NAMESPACE, DEFAULT_TAG = "registry.ollama.ai", "library", "latest"

EXPECTED = (
    "expected [HOST/][NAMESPACE/]MODEL[:TAG], each of at most 80 letters, digits, _, - and . and "
    "none beginning with - or . (NAMESPACE has no .)"
)

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"
_NAMESPACE = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}"
_SCHEME, _HOST = r"(?:(?!://).)*://", r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}"
_NAME = re.compile(
    f"(?:(?:(?:{_SCHEME}(?:{_HOST})?|{_HOST})/)?{_NAMESPACE}/)?{_PART}(?::{_PART})?", re.DOTALL
)
_START = re.compile(r"\.{0,2}[/\\]|[A-Za-z]:[\\/]|~")
_WEIGHTS = (".gguf", ".bin", ".safetensors")
_SOURCE = re.compile(r":(?:local|cloud)\Z", re.IGNORECASE)
_LOCAL = re.compile(r":local\Z", re.IGNORECASE)


def is_name(text: str) -> bool:
    """Tell whether Ollama takes a text as the name of a model, be there one or not."""
    bare = _SOURCE.sub("", text)
    return bool(_NAME.fullmatch(bare)) and not _SOURCE.search(bare)


def ensure_name(name: str) -> None:
    """Raise InputError for what Ollama does not take as the name of a model."""
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is no name that Ollama takes: {EXPECTED}; say another --name")


def parts(name: str) -> tuple[str, str, str, str]:
    """Return (host, namespace, model, tag) of a name that may leave out all but the model."""
    bare = _LOCAL.sub("", name.rpartition("://")[2])
    path, colon, tag = bare.rpartition(":")
    if not colon or "/" in tag:  # the colon of a host's port is none of a tag
        path, tag = bare, DEFAULT_TAG
    *before, base = path.split("/")
    namespace = before.pop() if before else DEFAULT_NAMESPACE
    return "/".join(before) or DEFAULT_HOST, namespace, base, tag


def whole(name: str) -> str:
    """Return a name with all that may be left out, so that one model has one."""
    host, namespace, base, tag = parts(name)
    return f"{host}/{namespace}/{base}:{tag}"


def shown(name: str) -> str:
    """Return a name as Ollama lists it: with its tag, without what is taken for granted."""
    host, namespace, base, tag = parts(name)
    if host != DEFAULT_HOST:
        return f"{host}/{namespace}/{base}:{tag}"
    return f"{base}:{tag}" if namespace == DEFAULT_NAMESPACE else f"{namespace}/{base}:{tag}"


def is_path(text: str) -> bool:
    """Tell whether a text is meant as a path, be something there or not."""
    return "://" not in text and bool(_START.match(text) or _ends_as_file(text))


def is_gguf_path(text: str) -> bool:
    """Tell whether a text is meant as the path of a GGUF file."""
    return text.lower().endswith(".gguf") and is_path(text)


def _ends_as_file(text: str) -> bool:
    """Tell whether a text ends as the path of a file of weights, and not as a tag does.

    The tag of a model on Hugging Face may be the name of a file: hf.co/me/mine:mine-q4.gguf.
    """
    has_tag = text.rfind(":") > text.rfind("/")
    return text.lower().endswith(_WEIGHTS) and not (has_tag and is_name(text))
