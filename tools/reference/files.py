"""The page of what a run, a measurement and `tune apply` leave on disk.

A test runs a study and finds every file, and every key of its documents, described here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from tools.reference.markdown import code, table
from tools.reference.markdown import page as written
from tuner.spec.values import Sample

_INTRODUCTION = """\
`--out` names the folder; by default it is `out/<study>/<time>`, and `out/<study>/latest` is a link
to the newest one. Times are in seconds, stamps in nanoseconds of one monotonic clock. What is
unknown is `null`. Intervals are `{"value", "low", "high"}`; a bound that so few requests cannot
support is `null`."""

FILES: Mapping[str, str] = {
    "Modelfile": "The best candidate for Ollama; its header says what it was proven on.",
    "ollama.env": "Environment of the server, which no Modelfile can hold. systemd's "
    "EnvironmentFile and docker's `--env-file` read it.",
    "client.json": "What only the client can send: format, thinking, rules for dynamic shots; with "
    "engines `openai` and `command` every field of a request.",
    "ask_ollama.py": "A program that asks the model as it was measured, with Ollama's library.",
    "ask_openai.py": "The same with OpenAI's library.",
    "serve.sh": "Engines `command` and `vllm`: starts the server as it was proven. With `command` "
    "`PORT` says where, with `vllm` further words such as `--port 8080`.",
    "vllm.yaml": "Options of the server, for vLLM's own `--config`.",
    "vllm.env": "Environment of a vLLM server. systemd's EnvironmentFile and docker's `--env-file` "
    "read it.",
    "vllm.service": "A unit of systemd that starts the vLLM server.",
    "compose.yaml": "The vLLM server in a container, for docker compose.",
    "deployment.yaml": "The vLLM server as a Deployment of Kubernetes; secrets are only named.",
    "result.json": "Everything that the run found (`tuner.result/1`, below).",
    "report.txt": "What the run printed at its end, with all that `--verbose` adds.",
    "report.html": "The same as a page to read, in one file; `tune report` writes it anew.",
    "run.json": "What the run is about. `--resume` refuses to continue a run of something else.",
    "study.db": "The trials as an Optuna study (SQLite), for looking at. Nothing reads it back.",
    "trials/NAME/": "A folder for each trial and each block of a proof (below).",
    "rounds/N/": "`tune run --iterate`: the folder of each round, with all of the above.",
    "engine/": "Logs of the engine's starts.",
    ".lock": "Held while a `tune` uses the folder.",
    "measurement.json": "`tune measure`: the measurement (`tuner.measurement/1`, below).",
    "sweep.json": "`tune sweep`: each value with its measurement and changes (`tuner.sweep/1`).",
    "capacity.json": "`tune capacity`: each load with its measurement (`tuner.capacity/1`).",
    "check.json": "`tune check`: what was found and why, with its measurement (`tuner.check/1`).",
    "validation.json": "`tune validate`: the verdict, what it rests on, and a measurement of each "
    "side (`tuner.validation/1`).",
    "night.json": "`tune retune`: what the night came to, with its evidence (`tuner.night/1`).",
    "watched.jsonl": "`tune check --watch`: each look, one a line (`tuner.watched/1`).",
    "samples.jsonl": "`tune check --watch`: every request, one a line (below).",
    "service/": "`tune apply`: the server's environment for `--target`.",
}

TRIAL_FILES: Mapping[str, str] = {
    "candidate.json": "The knobs with their values, as asked.",
    "effective.json": "What was in force, as the engine says; `unverified` could not be read.",
    "samples.jsonl": "Every request, one a line (below), warm-up included.",
    "trial.json": "Its place in the run, time spent, memory, disturbances, checksums.",
    "engine.log": "The end of the engine's log.",
    "Modelfile": "The candidate as a Modelfile, and the other files of a result that it needs.",
}

RESULT: Mapping[str, str] = {
    "schema": "`tuner.result/1`",
    "tuner_version": "Version of `tune`.",
    "study": "Name of the study.",
    "verdict": "PASS, FAIL or UNDECIDED, for all targets and the guard together.",
    "target": "The targets.",
    "objective": "What was made best among candidates that meet them.",
    "load": "How requests arrived, in words.",
    "loop": "`open` or `closed`.",
    "counts_from": "The instant that latency counts from: `planned` or `sent`.",
    "reasons": "What stood in the way of a PASS, and what would decide it.",
    "scope": "What the result leaves unproven on a server that `tune` did not start.",
    "baseline": "The baseline's measurement beside the finalists.",
    "best": "The chosen candidate's measurement.",
    "changed": "Knobs in which the best differs from the baseline, with their new values.",
    "set_by_study": "Knobs that the study names.",
    "gain": "Ratio of the targets' quantile, best to baseline.",
    "mean_gain": "Ratio of mean latencies, prompt by prompt.",
    "median_gain": "Ratio of median latencies, prompt by prompt.",
    "late_gain": "Difference of the shares of late requests.",
    "keeps_baseline": "true: the baseline meets everything, and nothing is better beyond noise.",
    "noise_floor": "By how much like sides would differ; null where too little was measured.",
    "drift": "Whether the baseline's pace changed during the run.",
    "cold": "What a cold start costs (engine `ollama`).",
    "continued": "What a larger budget was spent on after `--resume`.",
    "disturbances": "What else used the machine, with the names of the trials.",
    "finalists": "Measurements of all candidates whose proof began.",
    "trials": "All candidates of the search with their estimates.",
    "frontier": "Candidates that no other beats in everything; estimates only.",
    "screening": "How often the search's estimate and the proof disagreed about the target.",
    "artifacts": "The files that were written.",
    "environment": "Machine, engine, model and versions.",
    "workload_hash": "Digest of prompts, slots and schema.",
    "seed": "Seed of every random choice.",
    "sampler": "What proposed candidates.",
    "spent": "Seconds, requests, engine starts.",
    "starting": "Each start's seconds, whether it was cold or warm, what it compiled, and the "
    "share of the time; null where the engine does not tell.",
    "files_checked": "What the engine's own parser says of the files, null where it has none.",
    "inert": "Knobs that make no difference, and how that shows.",
}

ROUNDS: Mapping[str, str] = {
    "best_round": "The round that everything else is of, but `spent`, which is that of all rounds.",
    "rounds": "Each round: folder, verdict, its part of the error, seconds, trials, the finalists "
    "that failed, its noise floor and pace, whether its best `lacks_requests` alone, and in "
    "`prospect` what another round is expected to bring (`gain`, a log ratio; null: unknown) by "
    "`count` more trials, as `trials` so far show it.",
    "iteration": "Why no further round was held: `ended` (`proven`, `no gain`, `no error`, `no "
    "time`) and in a sentence; null where it was interrupted.",
    "error": "The error that all rounds share.",
}

MEASUREMENT: Mapping[str, str] = {
    "schema": "`tuner.measurement/1`",
    "tuner_version": "Version of `tune`.",
    "candidate": "The knobs with their values.",
    "effective": "What was in force, as the engine says.",
    "n": "Requests, without the warm-up.",
    "engine_starts": "Engine starts that they were spread over.",
    "warmups": "Requests of the warm-up.",
    "slowest_warmup_s": "The slowest of these.",
    "load": "How requests arrived, in words.",
    "loop": "`open` or `closed`.",
    "counts_from": "The instant that latency counts from: `planned` or `sent`.",
    "prompts": "Which prompts were sent: `search`, `held-out`, or both.",
    "threads": "Threads in force.",
    "verdict": "Of all targets together.",
    "verdicts": "Of each target: verdict, confidence, n, late requests, the dependence `m`, the "
    "longest burst of late requests up to which it stands, the evidence for and against.",
    "e2e": "Quantiles of the whole answer's latency, with intervals.",
    "ttft": "Quantiles of the time to the first token.",
    "tpot": "Quantiles of the time for each further token.",
    "breakdown": "Where the time went: network, queue, prefill, decode.",
    "guard": "Classes of answers, shares valid and correct, the verdict on each floor.",
    "failures": "Failed requests by outcome.",
    "failure_reasons": "The same by reason.",
    "throughput": "Requests and output tokens a second.",
    "output": "Who counted the tokens, and how many answers are shorter than they were to be.",
    "memory_bytes": "Memory of the engine's processes.",
    "resources": "CPU and GPUs that they used meanwhile.",
    "client": "Whether the client kept up; `valid` is false where it did not.",
    "machine": "What else used the machine meanwhile.",
    "observed": "What the server told of itself meanwhile, null where it tells nothing: growth of "
    "its counters, levels of its gauges, and the reason for its pace with what might help.",
    "environment": "Machine, engine, model and versions.",
    "certificate_checked": "Whether an https server's certificate was checked.",
    "workload_hash": "Digest of prompts, slots and schema.",
    "holds_for": "What the verdict speaks of, in words.",
    "starts": "How far engine starts differ, and how a further one would fare.",
    "declared": "Digests of what the study says of engine and load: they make measurements alike.",
}

SAMPLE: Mapping[str, str] = {
    "prompt_id": "Which prompt.",
    "kind": "Its kind, as the workload names it.",
    "planned_ns": "When it was to be sent.",
    "sent_ns": "When it was sent.",
    "first_ns": "Arrival of the first chunk with output.",
    "last_ns": "Arrival of the last chunk with output.",
    "connect_ns": "Time to connect, which no latency holds.",
    "prompt_tokens": "Tokens of the prompt, as the server counts.",
    "output_tokens": "Tokens of the answer.",
    "finish": "Why the answer ended: `stop`, `length`, ...",
    "outcome": "`ok`, `error`, `timeout` or `incomplete`; all but `ok` count as late.",
    "error": "What went wrong.",
    "answer": "The text.",
    "guard": "Class of the answer.",
    "server": "The server's own timings, as given.",
    "engine_start": "Number of the engine start.",
    "warmup": "true: counted in no number.",
    "cluster": "The template that it came from.",
    "loop_lag_ns": "Lag of the client's event loop when it was sent.",
    "end_ns": "Arrival of the last byte.",
    "by_chunks": "true: tokens are chunks, as the server told no number.",
    "unknown_fields": "Fields that were taken for output by their look alone.",
    "block": "Number of the uninterrupted run of requests that it belongs to.",
    "wanted_tokens": "How long the answer was to be (`output_tokens` of the prompt).",
}


def page() -> str:
    """Return the page; raise KeyError for a field of a sample that is not described."""
    sample = {f.name: SAMPLE[f.name] for f in fields(Sample)}
    return written(
        "Files of a result",
        _INTRODUCTION,
        _section("The folder", "file", FILES),
        _section("A trial's folder", "file", TRIAL_FILES),
        _section("`result.json`", "key", RESULT),
        _section("`result.json` of `tune run --iterate`, beside these", "key", ROUNDS),
        _section("`measurement.json`, and each measurement of a result", "key", MEASUREMENT),
        _section("A line of `samples.jsonl`", "key", sample),
    )


def _section(title: str, what: str, described: Mapping[str, str]) -> str:
    rows = [(code(name), meaning) for name, meaning in described.items()]
    return f"## {title}\n\n{table((what, 'meaning'), rows)}"
