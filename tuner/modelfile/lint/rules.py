"""Lint a Modelfile: find what Ollama refuses, and what has not the effect it seems to have.

The rules stem from the mistakes in 112 public Modelfiles. Each rule is a function from a draft
to findings. A healthy file has at most notes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tuner.modelfile import grammar
from tuner.modelfile.document import NO_FROM, refused
from tuner.modelfile.lint import characters, parameters, stops, template, texts
from tuner.modelfile.lint.findings import Draft, Finding, Rule
from tuner.spec.errors import InputError

RULES: Sequence[Rule] = (
    texts.base,
    texts.several,
    texts.parts,
    texts.files,
    texts.blank,
    texts.quotes,
    texts.long_system,
    texts.demanded_json,
    stops.written,
    stops.replaced,
    texts.family,
    texts.newer,
    texts.own_template,
    template.rendered,
    characters.vanishing,
    characters.encoding,
    characters.escapes,
    parameters.deprecated,
    parameters.repeated,
    parameters.pinned,
    parameters.window,
    parameters.lengths,
    parameters.without_effect,
    parameters.memory,
)


def applied(draft: Draft) -> Iterator[Finding]:
    """Yield the findings of all rules."""
    for rule in RULES:
        yield from rule(draft)


def read(text: str) -> tuple[tuple[grammar.Instruction, ...], list[Finding]]:
    """Return the instructions up to the place where Ollama's parser stops, and what it refuses."""
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
            findings.append(Finding(1, "error", "no-from", NO_FROM))
    return tuple(found), findings
