"""Lint a Modelfile: what Ollama refuses, and what it takes but does not do as it seems to.

The rules are what 112 public Modelfiles got wrong. Each is a function from a draft to
findings; a healthy file has none above the severity `note`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tuner.render import grammar, lint_parameters, lint_template, lint_texts
from tuner.render.findings import Draft, Finding, Rule
from tuner.render.modelfile import refused
from tuner.spec.errors import InputError

RULES: Sequence[Rule] = (
    lint_texts.base,
    lint_texts.blank,
    lint_texts.long_system,
    lint_texts.demanded_json,
    lint_texts.outer_space,
    lint_texts.stops,
    lint_texts.family,
    lint_texts.newer,
    lint_texts.own_template,
    lint_template.rendered,
    lint_parameters.deprecated,
    lint_parameters.repeated,
    lint_parameters.pinned,
    lint_parameters.lengths,
    lint_parameters.without_effect,
    lint_parameters.quotes,
    lint_parameters.memory,
)


def applied(draft: Draft) -> Iterator[Finding]:
    """Yield what the rules say of a draft."""
    for rule in RULES:
        yield from rule(draft)


def read(text: str) -> tuple[tuple[grammar.Instruction, ...], list[Finding]]:
    """Return the instructions up to where Ollama's parser stops, and what it refuses."""
    found, findings = list[grammar.Instruction](), list[Finding]()
    try:
        for instruction in grammar.instructions(text.removeprefix("\ufeff"), ""):
            found.append(instruction)
            problem = refused(instruction)
            if problem:
                findings.append(Finding(instruction.line, "error", "refused", problem))
    except InputError as stopped:
        _, line, problem = str(stopped).split(":", 2)
        findings.append(Finding(int(line), "error", "syntax", problem.strip()))
    else:
        if not any(i.word == "FROM" for i in found):
            missing = "no FROM line: name the base model or file, as in FROM llama3."
            findings.append(Finding(1, "error", "no-from", missing))
    return tuple(found), findings
