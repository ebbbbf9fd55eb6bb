"""The answers of one trial, each put into its class once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tuner.guard.classify import judge
from tuner.spec.values import GuardClass, Prompt, Sample


class Answers:
    """Remembers the prompts of a trial, and classifies the answer to each when first asked."""

    def __init__(self, schema: Mapping[str, Any] | None) -> None:
        self._classify = judge(schema)
        self._prompts: dict[str, Prompt] = {}
        self._classes: dict[tuple[str, int], GuardClass] = {}

    def noting(self, prompts: Iterator[Prompt]) -> Iterator[Prompt]:
        """Yield prompts, remembering each as it is sent."""
        for prompt in prompts:
            self._prompts[prompt.id] = prompt
            yield prompt

    def classified(self, sample: Sample) -> Sample:
        """Return a sample with the class of its answer."""
        key = sample.prompt_id, sample.sent_ns
        if key not in self._classes:
            self._classes[key] = self._classify(self._prompts[sample.prompt_id], sample)
        return replace(sample, guard=self._classes[key])
