"""Find mistakes in a TEMPLATE by rendering a conversation with it.

The conversation has a system text, a question, its answer and another question. The findings
come from what the prompt shows of these four, not from the text of the template.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tuner.modelfile.go_template import parse, render
from tuner.modelfile.grammar import Instruction
from tuner.modelfile.lint.findings import Draft, Finding, error, note, warn
from tuner.modelfile.lint.stops import SPECIAL
from tuner.spec.errors import InputError
from tuner.spec.values import Message

SYSTEM, FIRST, ANSWER, SECOND = "q7Sx", "q7Ax", "q7Bx", "q7Cx"
PROBE = (
    Message("system", SYSTEM),
    Message("user", FIRST),
    Message("assistant", ANSWER),
    Message("user", SECOND),
)

OUTER = frozenset({
    "<s>", "</s>", "<bos>", "<eos>", "<|endoftext|>", "<|startoftext|>", "<|begin_of_text|>",
    "<|end_of_text|>", "<|eom_id|>", "<EOT>", "<|EOT|>", "<BOS_TOKEN>", "<EOS_TOKEN>", "<|return|>",
    "<\uff5cbegin\u2581of\u2581sentence\uff5c>", "<\uff5cend\u2581of\u2581sentence\uff5c>",
})  # fmt: skip
"""What models begin and end a whole text with, whatever their template: the bos_token and
eos_token of tokenizer_config.json in the families that Ollama has templates for."""

_TURNS = {FIRST: "an earlier question", ANSWER: "an earlier answer", SECOND: "the last question"}
_JINJA = re.compile(
    r"\{%|\{\{-?\s*(?:'|(?:messages?|msg|m|loop|tools?)(?:\.[a-z]|\[)|[be]os_token\b)"
)
_ESCAPE = re.compile(r"\\n(?![a-z])|\\n(?=q7|user|assistant|system)")  # no \nabla
_TOKEN = re.compile(r"<[^<>\s]+>|\[[A-Z_]+\]")
_END = re.compile(r"/|end|eot|eos", re.IGNORECASE)
_ROLE = re.compile(r"\s*(user|human|inst|system|assistant)", re.IGNORECASE)


def rendered(draft: Draft) -> Iterator[Finding]:
    """Yield what the prompt of a short conversation shows of the template."""
    at = draft.templated
    if at is None:
        return
    try:
        template = parse(at.value)
        prompt = render(template, messages=PROBE)
    except InputError as problem:
        yield error(at, "template", _reason(at.value, str(problem)))
        return
    if "{%" in at.value:
        yield warn(at, "template", _reason(at.value))
    elif draft.prompting:
        yield from _seen(draft, at, prompt)
        if "messages" not in template.fields:
            yield _legacy(draft, at)


def _reason(template: str, problem: str = "") -> str:
    """Return what is wrong with a template, in terms of the language that its author meant."""
    if _JINJA.search(template):
        return (
            "this TEMPLATE is Jinja's, and Ollama wants Go's text/template: leave it out, so that "
            "the model's own is used, or write {{ range .Messages }} for {% for message in "
            "messages %}, {{ .Role }} and {{ .Content }}."
        )
    hint = ' Ollama knows no escapes: write " without a \\.' if '\\"' in template else ""
    return f"{problem}{hint}"


def _seen(draft: Draft, at: Instruction, prompt: str) -> Iterator[Finding]:
    """Yield all that a prompt shows of the template."""
    yield from _outer_space(at, prompt)
    yield from _stops(draft, at, prompt)
    yield from _system(at, prompt)
    yield from _turns(at, prompt)
    yield from _ends(at, prompt)


def _outer_space(at: Instruction, prompt: str) -> Iterator[Finding]:
    """Warn of invisible parts of a prompt: blanks at its start, carriage returns, escapes."""
    if prompt[:1].isspace():
        yield warn(at, "stray-space", f"TEMPLATE starts each prompt with {prompt[0]!r}: begin "
                   "right after the quotes, or trim it with {{-.")  # fmt: skip
    if "\r" in prompt:
        yield warn(at, "crlf", "TEMPLATE writes carriage returns, which reach the model: save the "
                   "file with LF line ends.")  # fmt: skip
    if found := _ESCAPE.search(prompt):
        yield warn(at, "escape", f"TEMPLATE writes {found[0]} as it stands, for Ollama knows no "
                   "escapes: break the line there, between three quotes.")  # fmt: skip


def _stops(draft: Draft, at: Instruction, prompt: str) -> Iterator[Finding]:
    """Report special stop texts that the model is never shown; warn if it is shown no other."""
    texts = (i.value for i in (*draft.all("SYSTEM"), *draft.all("MESSAGE")))
    shown = "\n".join((prompt, at.value, *texts))  # of the source, what other requests render
    own = {draft.base.bos_token, draft.base.eos_token} if draft.base else set()
    others = any(i.value in shown for i in draft.stops)
    for i in draft.stops:
        if not SPECIAL.fullmatch(i.value) or i.value in OUTER | own:
            continue
        if i.value in shown or i.value.replace("/", "", 1) in shown:  # </a> may end what <a> begins
            continue
        never = f"the model is never shown {i.value}, which TEMPLATE does not write: "
        if others:
            yield note(i, "stop", f"{never}leave it out, unless the model ends with it by itself.")
        else:
            yield warn(i, "stop", f"{never}stop at what ends a turn there.")


def _system(at: Instruction, prompt: str) -> Iterator[Finding]:
    """Warn where the system text does not reach the model, or several times."""
    times = prompt.count(SYSTEM)
    if times == 0:
        yield warn(at, "system-dropped", "TEMPLATE leaves the system text out, be it that of "
                   "SYSTEM or of a request: write {{ .System }}, or all .Messages.")  # fmt: skip
    elif times > 1:
        yield warn(at, "system-repeated", f"TEMPLATE writes the system text {times} times in a "
                   "conversation of two questions: it costs tokens at each turn.")  # fmt: skip


def _turns(at: Instruction, prompt: str) -> Iterator[Finding]:
    """Warn of turns that do not reach the model, or in another order."""
    lost = [what for mark, what in _TURNS.items() if mark not in prompt]
    if lost:
        yield warn(at, "turns-dropped", f"TEMPLATE leaves out {' and '.join(lost)}: range over "
                   "all .Messages.")  # fmt: skip
    elif not prompt.find(FIRST) < prompt.find(ANSWER) < prompt.rfind(SECOND):
        yield warn(at, "turn-order", "TEMPLATE writes the turns of a conversation in another order "
                   "than they came in.")  # fmt: skip


def _ends(at: Instruction, prompt: str) -> Iterator[Finding]:
    """Warn where an earlier answer runs into the next question.

    It does where the next token ends nothing, and names a role or stands before a role's name.
    """
    after = _TOKEN.search(prompt.partition(ANSWER)[2].partition(SECOND)[0])
    if after is None or _END.search(after.group()):
        return
    if _ROLE.search(after.group()) or _ROLE.match(after.string, after.end()):
        yield warn(at, "no-end-token", f"TEMPLATE plays back an answer without a token that ends "
                   f"it: {after.group()} of the next turn follows at once, so the model learns not "
                   "to stop. Write the end token after .Content or .Response.")  # fmt: skip


def _legacy(draft: Draft, at: Instruction) -> Finding:
    """Return a finding on a template without .Messages."""
    if draft.all("MESSAGE"):
        return warn(at, "no-messages", "TEMPLATE does not know .Messages, through which MESSAGE "
                    "lines are played back: Ollama runs it once for each question "
                    "and answer instead, with what that makes of it.")  # fmt: skip
    return note(at, "no-messages", "TEMPLATE does not know .Messages: Ollama runs it once for each "
                "question and answer of a conversation, and tools do not work.")  # fmt: skip
