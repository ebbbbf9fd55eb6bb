"""What a trial is to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from tuner.spec.values import Prompt, Sample
from tuner.store.trial_folder import Place

StopRule: TypeAlias = Callable[[Sample], bool]
"""Sees each measured sample as it ends, and tells whether to send no more."""


def never(sample: Sample) -> bool:
    """Tell that a trial goes on: the stop rule of one that sends all its prompts."""
    return False


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """The name of a trial, its place in the run, what it sends, and when it ends early.

    Up to `n` of `prompts` are sent. With `stop_reads_answers` the stop rule gets samples with the
    classes of their answers; classifying takes the client's time, so it is otherwise done after
    the last request. `fresh` asks for a new engine start, `as_model` for the model that the
    candidate's own Modelfile makes, where the engine can make one.
    """

    name: str
    place: Place
    prompts: Iterator[Prompt]
    n: int
    stop: StopRule = never
    stop_reads_answers: bool = False
    fresh: bool = False
    as_model: bool = False
