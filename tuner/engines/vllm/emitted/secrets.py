"""Keep out of files what only the user's environment may hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from tuner.engines.vllm.emitted.service import Service

API_KEY = "VLLM_API_KEY"
VARIABLES: Mapping[str, str] = MappingProxyType({"api-key": API_KEY, "hf-token": "HF_TOKEN"})
"""Options with a secret, and the variable that vLLM takes in place of each."""

_NAME = re.compile(
    r"(^|_)(KEYS?|TOKEN|SECRETS?|PASSWORDS?|PASSWD|CREDENTIALS?)(_ID)?$", re.IGNORECASE
)
_USER = re.compile(r"://[^/@\s]+@")
"""The user of a URL, who may have a password: a proxy's, for one."""


def without_secrets(service: Service) -> Service:
    """Return a service whose secrets are only named, by the variables that hold them."""
    options = [n for n, v in service.flags.items() if n in VARIABLES and not isinstance(v, bool)]
    variables = [name for name, value in service.env.items() if _secret(name, value)]
    words, hidden = _words(service.words)
    found = (*service.secrets, *(VARIABLES[n] for n in (*options, *hidden)), *variables)
    return replace(
        service,
        flags={n: v for n, v in service.flags.items() if n not in options},
        env={n: v for n, v in service.env.items() if n not in variables},
        words=words,
        secrets=tuple(sorted(set(found))),
    )


def _secret(name: str, value: str) -> bool:
    return bool(_NAME.search(name) or _USER.search(value))


def _words(words: Iterable[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return words without the options that hold a secret, and the names of these."""
    named = list(_with_options(words))
    hidden = [option for option, _ in named if option in VARIABLES]
    return tuple(word for option, word in named if option not in VARIABLES), hidden


def _with_options(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each word after the name of the option that it belongs to."""
    option = ""
    for word in words:
        if word.startswith("-"):
            option = word.lstrip("-").partition("=")[0].replace("_", "-")
        yield option, word
