"""Prompts become the requests that carry them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tuner.engines.base import Engine
from tuner.load.arrivals import Call
from tuner.spec.requests.conversation import conversation, response_format
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Prompt


def calls_of(
    study: Study, engine: Engine, candidate: Candidate, prompts: Iterable[Prompt]
) -> Iterator[Call]:
    """Yield a call for each prompt, as the candidate makes a conversation of it."""
    workload = study.workload
    wanted = response_format(candidate, workload)
    for prompt in prompts:
        messages = conversation(prompt.messages, candidate, workload)
        yield Call(prompt, engine.request(messages, candidate, wanted, prompt.output_tokens))
