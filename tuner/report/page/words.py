"""The words of a report: what terms mean, and what classes, floors and outcomes are called."""

from __future__ import annotations

from collections.abc import Mapping

METRICS: Mapping[str, str] = {
    "e2e": "time to the whole answer",
    "ttft": "time to the first token",
    "tpot": "time for each further token",
}

PROMISE: Mapping[str, str] = {
    "e2e": "have their whole answer",
    "ttft": "have their first token",
    "tpot": "have each further token",
}

CLASSES: Mapping[str, str] = {
    "correct": "correct",
    "wrong_fields": "whole, but wrong",
    "schema_violation": "against the schema",
    "unparseable": "not readable",
    "truncated": "cut off",
    "empty": "empty",
    "refused": "refused",
    "error": "failed",
}
"""Classes of answers in the order in which a bar has them."""

FLOORS: Mapping[str, str] = {
    "min_valid": "floor on whole answers",
    "min_correct": "floor on right answers",
    "max_drop": "not worse than the baseline",
}

OUTCOMES: Mapping[str, str] = {
    "met": "met all estimates",
    "too slow": "too slow",
    "min_valid": "too few whole answers",
    "min_correct": "too few right answers",
    "max_drop": "answers worse than the baseline's",
    "cut": "cut: it could not beat the best",
    "failed": "failed to start or to answer",
}
"""What came of a trial; one that breaks several things is named by what it breaks most."""

SIDES: Mapping[str, str] = {"baseline": "before", "best": "after", "measured": "measured"}

ENVIRONMENT: Mapping[str, tuple[str, str]] = {
    "engine": ("engine", "text"),
    "engine_version": ("version of the engine", "text"),
    "model": ("model", "text"),
    "model_digest": ("digest of the model", "text"),
    "server": ("server", "text"),
    "cpu": ("processor", "text"),
    "cpus_allowed": ("CPUs that it may use", "count"),
    "memory_bytes": ("memory, MiB", "mib"),
    "governor": ("CPU governor", "text"),
    "system": ("system", "text"),
    "python": ("Python", "text"),
    "tuner_version": ("version of tune", "text"),
}

GLOSSARY: Mapping[str, str] = {
    "baseline": "The settings that served before, or the engine's own: all claims are made against "
    "them, measured in turn with what is proven.",
    "block": "An uninterrupted run of requests. What differs between blocks does not average out "
    "within one, so blocks are the repetitions.",
    "certificate": "A verdict on a quantile by a test that holds at every number of requests, "
    "whatever the distribution; it may stop as soon as it knows.",
    "confidence": "How often, at least, statements made in this way are right.",
    "correct": "An answer that is valid and has what the workload expects.",
    "cut": "A trial that was ended early, since the rest of it could change nothing.",
    "decode": "Making the answer, token by token.",
    "derived": "Not measured: what is left of the whole when the measured parts are taken away.",
    "digest": "A short text that differs where what it was made from differs.",
    "distribution": "The share of requests that were answered within each time. A request that "
    "failed was never answered.",
    "disturbance": "Something else that used the machine while requests were measured: other "
    "processes, a hypervisor, heat, swap.",
    "drift": "A steady change of the machine's pace during the run, seen on the baseline.",
    "e2e": "Time from sending a request (open loop: from when it was due) to the last text of its "
    "answer.",
    "estimate": "A figure from the few requests of the search. It ranks candidates and proves "
    "nothing.",
    "finalist": "A candidate that was proven on fresh requests, in turn with the baseline.",
    "frontier": "The candidates that no other one beats in everything: latency, right answers, "
    "tokens a second and memory.",
    "guard": "The floors on the answers: a candidate that breaks one is out, however fast it is.",
    "importance": "How far the settings of the best quarter of trials differ from those of all "
    "(PED-ANOVA). It describes the trials that were made, and is no effect that was measured.",
    "interval": "The range in which the true figure lies at the stated confidence. A ? is an end "
    "that so few requests cannot show.",
    "knob": "One setting that the search could change.",
    "late": "A request that took longer than the target allows, or failed.",
    "network and queue": "What is left of a request's time beside prefill and decode. Where the "
    "engine does not tell its queue, the two cannot be told apart.",
    "noise floor": "By how much two sides with the same settings would differ. A difference below "
    "it is not called one.",
    "open and closed loop": "In an open loop requests come when they are due, whatever the server "
    "does, and waiting counts. In a closed loop the next request waits for an answer.",
    "p99": "The time within which 99 of 100 requests were answered; p50 is that of every second.",
    "prefill": "Reading the prompt, before the first token.",
    "resample": "As many trials drawn from the trials with repetition. What holds in nearly all "
    "resamples does not hang on a few trials.",
    "restart": "A start of the engine, which some settings need.",
    "template": "What prompts are made from. Answers to one template are alike, so each template "
    "counts once.",
    "trial": "One candidate, measured once in the search.",
    "ttft": "Time to the first token.",
    "valid": "An answer that is complete, can be read and fits the schema.",
    "verdict": "PASS: the target is proven. FAIL: it is shown to be missed. UNDECIDED: neither can "
    "be said with what was measured.",
    "workload": "The prompts with what is expected of their answers, and how they arrive.",
}
