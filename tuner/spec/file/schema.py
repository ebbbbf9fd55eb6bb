"""The JSON Schema of the study file, for editors and for those who write studies by program.

Made from `StudyFile`, the model that reads the file; what a key means is said here, once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tuner.spec.file.study_file import study_file

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ID = "urn:modelfile-tuner:study:1"

DESCRIPTIONS = {
    "StudyFile.version": "Version of this format.",
    "StudyFile.name": "Name of the study: letters, digits, dot, dash and underscore.",
    "StudyFile.engine": "What serves which model.",
    "StudyFile.workload": "What is sent, what is expected of the answers, and the load.",
    "StudyFile.slo": "Targets, all of which have to hold.",
    "StudyFile.guard": "Floors on the answers, so that nothing wins by answering badly.",
    "StudyFile.claim": "What a proof is asked to hold for, beyond what it holds for by itself.",
    "StudyFile.baseline": "What is in service today, knob by knob; what is not named stands at "
    "the engine's default. Every claim is made against it.",
    "StudyFile.space": "The knobs that the search may set: a list is a choice, low and high a "
    "range. Without it a study can only be measured.",
    "StudyFile.search": "How long and how to search.",
    "StudyFile.objective": "What to make best among candidates that meet targets and guard. "
    "Default: correct answers where every prompt has `expect`, else the p99 of e2e.",
    "StudyFile.notify": "Who is told what nights come to: see `tune notify`.",
    "NotifyPart.urls_from": "Name of the environment variable that holds the targets: URLs of "
    "apprise, with blanks between them. They hold secrets, and never stand in a study.",
    "NotifyPart.urls_file": "In its place a file with one URL a line, outside of the study's "
    "folder.",
    "NotifyPart.events": "Which events are told. An all-clear is told whatever stands here.",
    "NotifyPart.textfile": "Folder of node_exporter's textfile collector, for the nights' metrics.",
    "ClaimPart.starts": "Engine starts that a proof rests on; more cost their time.",
    "ClaimPart.in_flight": "together: requests in flight together may all be late together, and a "
    "proof takes as many times more of them. apart: each is taken as evidence of its own.",
    "StudyFile.beside": "What runs in production on the same machine: how little the engine may "
    "take beside it, and when it may run.",
    "BesidePart.nice": "Niceness of an engine that `tune` starts, from 0 to 19, the most yielding.",
    "BesidePart.cpus": "How many CPUs that engine may use (the last ones), such as 2, or which, "
    "such as 2-3.",
    "BesidePart.memory": "Most memory that its processes may hold together, such as 4GiB.",
    "BesidePart.pause_while": "Loads of production from which on nothing is started.",
    "BesidePart.pause": "Command that stops production, as a list of words; no shell reads it.",
    "BesidePart.resume": "Command that starts production again.",
    "BesidePart.health": "URL that answers 2xx while production serves.",
    "BesidePart.deadline": "Time for each of these commands, and for production to serve again.",
    "PauseWhilePart.cpu": "Share of the CPUs that other programs take.",
    "PauseWhilePart.gpu": "Share of the time in which a GPU works while our engine rests.",
    "PauseWhilePart.gpu_memory": "Share of a GPU's memory that other programs hold.",
    "PauseWhilePart.metrics": "Numbers on pages of metrics, one or a list.",
    "PauseWhilePart.patience": "How long to wait at a time; then the run ends, and all that was "
    "measured is kept.",
    "MetricPart.url": "A page in Prometheus' text format.",
    "MetricPart.name": "Name of the number; what differs only in labels is summed.",
    "MetricPart.above": "Production is busy above it.",
    "MetricPart.below": "Production is busy below it.",
    "StudyFile.deploy": "How files of a result serve, for `tune apply`: engines `vllm`, `command` "
    "and `llamacpp`.",
    "StudyFile.promote": "Whether `tune retune` puts what is shown to be better into service, "
    "or waits for a person's word.",
    "DeployPart.folder": "The folder of the versions; its link `current` names what serves.",
    "DeployPart.reload": "Command that has the server start from `current`: a list of words, or a "
    "text that is split as a shell does. No shell runs it; its output goes to `reload.log`.",
    "DeployPart.health": "URL that answers GET with 200 as soon as the server can be used.",
    "DeployPart.within": "Time from the start of the command until the server has to answer.",
    "WorkloadPart.prompts": "JSON-lines file: template or messages, expect, kind, weight, "
    "held_out, id.",
    "WorkloadPart.slots": "YAML file with a list of values for each {slot} of the templates; they "
    "are sent as they are written.",
    "WorkloadPart.schema": "JSON Schema that a valid answer fits.",
    "WorkloadPart.prompt": "What the knobs system and shots choose from.",
    "WorkloadPart.load": "How requests arrive: closed loop with a concurrency, or open loop.",
    "PromptPart.system": "Text files by the name that the knob `system` calls them.",
    "PromptPart.shots": "JSON-lines file of example turns: id, user, assistant.",
    "PromptPart.dynamic": "Rules for `shots: dynamic`, or the YAML file that holds them.",
    "DynamicPart.rules": "Tried in order; the first that matches the request text decides.",
    "DynamicPart.default": "Ids of the shots where no rule matches.",
    "Rule.match": "Regular expression on the request text; case does not matter.",
    "Rule.shots": "Ids of shots.",
    "LoadPart.concurrency": "Requests in flight (closed loop).",
    "LoadPart.rate": "Requests a second (open loop), however the server does.",
    "LoadPart.arrivals": "Arrivals in open loop: random, in bursts, evenly spaced, or recorded.",
    "LoadPart.burstiness": "Shape of gamma arrivals: 1 is Poisson, less comes in bursts.",
    "LoadPart.client_processes": "Processes that send the load, where one cannot keep up.",
    "LoadPart.timeout": "A request that takes longer has failed.",
    "SloPart.metric": "e2e (whole answer), ttft (first token) or tpot (time for a token).",
    "SloPart.quantile": "The share of requests that has to keep the bound.",
    "SloPart.max_ms": "The bound in milliseconds.",
    "GuardPart.min_valid": "Least share of answers that are complete, parse and fit the schema.",
    "GuardPart.min_correct": "Least share of answers that hold what `expect` says.",
    "GuardPart.max_drop": "By how much the share of right answers may lie below the baseline's.",
    "RangePart.low": "The smallest value.",
    "RangePart.high": "The largest value.",
    "RangePart.step": "Distance between values; without it numbers are whole where the knob's "
    "default is (where that is a word, where both ends are), else continuous.",
    "RangePart.log": "Spread values evenly on a log scale.",
    "SearchPart.budget": "Time for everything, search and proof.",
    "SearchPart.sampler": "How candidates are proposed.",
    "SearchPart.seed": "Seed of every random choice.",
    "SearchPart.stop_when_met": "Prove the first promising candidate and stop when it is proven.",
    "ObjectivePart.maximize": "The share of right answers, or output tokens a second.",
    "ObjectivePart.minimize": "The p99 of a latency, or memory.",
}
"""Part.key -> what it means; the sections of engines say it themselves."""


def study_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the study file."""
    schema = study_file().model_json_schema(by_alias=True)
    for part, properties in _parts(schema):
        for key, described in properties.items():
            described.pop("title", None)
            if text := DESCRIPTIONS.get(f"{part}.{key}"):
                described["description"] = text
    return {
        "$schema": DIALECT,
        "$id": ID,
        **schema,
        "title": "A study of modelfile-tuner",
        "description": "What to serve, what to send, what to reach, where to search (tune.yaml).",
    }


def _parts(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the properties of the file and of each of its parts."""
    yield "StudyFile", schema["properties"]
    for name, part in schema["$defs"].items():
        yield name, part.get("properties", {})
