from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.modelfile.go_templates import random_template
from tests.modelfile.ollama_programs import built
from tuner.modelfile.chat_template import ChatFormat, compose, go_template
from tuner.modelfile.go_template import parse, render
from tuner.spec.errors import InputError
from tuner.spec.values import Message, Role

user = partial(Message, "user")
assistant = partial(Message, "assistant")
system = partial(Message, "system")

CHATML = (
    "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n"
    "{{ end }}<|im_start|>assistant\n"
)
LLAMA3 = (
    "{{- range $i, $m := .Messages }}<|start_header_id|>{{ $m.Role }}<|end_header_id|>\n\n"
    "{{ $m.Content }}{{ if ne (len (slice $.Messages $i)) 1 }}<|eot_id|>"
    '{{ else if ne .Role "assistant" }}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n'
    "{{ end }}{{ end }}"
)
GEMMA = (
    '{{ $system := "" }}{{ range .Messages }}{{ if eq .Role "system" }}'
    '{{ $system = printf "%s\\n\\n" .Content }}{{ continue }}{{ end }}<start_of_turn>'
    '{{ if eq .Role "assistant" }}model{{ else }}{{ .Role }}{{ end }}\n'
    "{{ $system }}{{ .Content }}<end_of_turn>\n"
    '{{ $system = "" }}{{ end }}<start_of_turn>model\n'
)
PHI3 = (
    "{{ if .System }}<|system|>\n{{ .System }}<|end|>\n{{ end }}"
    '{{ range .Messages }}{{ if or (eq .Role "user") (eq .Role "assistant") -}}\n'
    "<|{{ .Role }}|>\n{{ .Content }}<|end|>\n{{- end }}\n{{ end }}<|assistant|>\n"
)
MISTRAL = (
    '{{ range $i, $m := .Messages }}{{ if eq .Role "user" }}[INST] '
    "{{ if and (eq (len (slice $.Messages $i)) 1) $.System }}{{ $.System }}\n\n{{ end }}"
    '{{ .Content }}[/INST]{{ else if eq .Role "assistant" }} {{ .Content }}</s>{{ end }}{{ end }}'
)
TOOLS = (
    "{{ if or .System .Tools }}<sys>{{ .System }}{{ range .Tools }}{{ json .Function }}{{ end }}"
    "</sys>{{ end }}{{ range .Messages }}{{ if .ToolCalls }}{{ range .ToolCalls }}"
    "{{ .Function.Name }}{{ end }}{{ else }}<{{ .Role }}>{{ .Content }}{{ end }}{{ end }}"
    "{{ if and $.IsThinkSet (not $.Think) }}/no_think{{ end }}{{ .Thinking }}"
)
OLD_CHATML = (
    "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}"
    "{{ if .Prompt }}<|im_start|>user\n{{ .Prompt }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
)
OLD_WHOLE = OLD_CHATML + "{{ .Response }}<|im_end|>\n"
OLD_LLAMA2 = (
    "[INST] {{ if and .First .System }}<<SYS>>{{ .System }}<</SYS>>\n\n{{ end }}"
    "{{ .Prompt }} [/INST]"
)
OLD_INFILL = (
    "{{ if .Suffix }}<PRE>{{ .Prompt }}<SUF>{{ .Suffix }}<MID>{{ else }}{{ .Prompt }}{{ end }}"
)
FAMILIES = (
    *(CHATML, LLAMA3, GEMMA, PHI3, MISTRAL, TOOLS),
    *(OLD_CHATML, OLD_WHOLE, OLD_LLAMA2, OLD_INFILL),
)
CONVERSATIONS: tuple[tuple[Message, ...], ...] = (
    (),
    (user("Hi"),),
    (system("Be kind."), user("Hi"), assistant("Hello"), user("日本 <b>\n")),
    (user("a"), user("b"), assistant("c"), assistant("d"), user("e")),
    (system("1"), user("a"), system("2"), assistant("b"), system("3"), user("z")),
    (system("s"), system("t"), user(""), assistant("")),
    (assistant("I start"), user("{{ .X }}"), assistant("and end")),
)
ODDITIES = (
    "",
    "{{ `a\r\nb` }}",
    *r"""
plain
{{ . }}
{{ .First }}
{{ .Foo.Bar }}
{{ (.Foo).Bar }}
{{ $.Foo }}
{{- 3 -}} x
x {{- -3}}
{{3-}}
{{- /* c */ -}} x
{{/* c
{{ /* c */ }}
{{ .Prompt | }}
{{ | print }}
{{ }}
{{ print(1)(2) }}
{{ print "a""b" }}
{{ 1e6 }} {{ 123456.7 }} {{ 1e-5 }} {{ -2.50 }} {{ 017 }} {{ 1_0 }}
{{ 08 }}
{{ 1. }}
{{ "\x41\u00e9\U0001F600\101" }}
{{ "\q" }}
{{ '\n' }}{{ 'é' }}
{{ 'ab' }}
{{ "\xe6" }}{{ "\x97\xa5" }}
{{ slice "é" 1 }}
{{ "\ud800" }}
{{ nil }}
{{ eq nil nil .First }}
{{ eq 1 "a" }}
{{ eq 1 2 1 }}
{{ eq 1 }}
{{ lt true false }}
{{ lt 1 2.0 }}
{{ ge "b" "a" }}{{ gt 2.5 1.5 }}{{ le 1 1 }}
{{ and 1 0 (index "a" 5) }}{{ or 0 "x" (index "a" 5) }}
{{ 0 | or 1 }}{{ 0 | and 1 }}
{{ printf "%s|%v|%d|%q|%t|%%" "a" 1 2 "q\"" true }}
{{ printf "%d %s" "a" 1 nil }}
{{ printf "%s%" }}
{{ printf 1 }}
{{ print nil 1 2 "a" true }}{{ println 1 "a" }}
{{ range .Messages }}{{ . }}{{ print . }}{{ json . }}{{ end }}{{ .Tools }}{{ json $ }}
{{ range $i, $m := .Messages }}{{ eq $m (index $.Messages 0) }}{{ end }}
{{ range .Messages }}{{ .Images }}{{ .Thinking }}{{ len .ToolCalls }}{{ .ToolName }}{{ end }}
{{ range .Messages }}{{ .Foo }}{{ end }}
{{ .Prompt.Foo }}
{{ .Prompt "x" }}
{{ range 3 }}{{ . }}{{ end }}
{{ range $i, $x := 3 }}{{ end }}
{{ range "a" }}{{ end }}
{{ range $k, $v := . }}{{ $k }}={{ $v }};{{ end }}{{ .Response }}{{ .Prompt }}
{{ range . }}{{ else if true }}{{ end }}
{{ with 0 }}a{{ else with 1 }}{{ . }}{{ end }}
{{ $x = 1 }}
{{ $x }}
{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}
{{ $a, $b := 1 }}
{{ $i := 0 }}{{ $r := "" }}{{ range $i, $r = .Messages }}{{ end }}{{ $i }}{{ $r }}
{{ define "a" }}{{ .Role }}{{ end }}{{ range .Messages }}{{ template "a" . }}{{ end }}
{{ block "b" .Prompt }}<{{ . }}>{{ end }}
{{ template "x" . }}
{{ template "x" }}
{{ define "a" }}1{{ end }}{{ define "a" }}2{{ end }}
{{ if 1 }}{{ define "a" }}
{{ break }}
{{ end }}
{{ else }}
{{ if 1 }}
{{ if 1 }}{{ else }}{{ else }}{{ end }}
{{ json .Prompt }}
{{ .Response | json }}x
{{ print "x" .Response "y" }}abc
{{ if .Prompt }}{{ .Response }}{{ else }}x{{ end }}
{{ with .Response }}<{{ . }}>{{ end }}x
{{ $.Response }}abc{{ .Response }}x
{{ if .Response }}a{{ .Response }}b{{ end }}c
{{ eq .Messages nil }}{{ eq .Tools nil }}
{{ ne .Messages .Messages }}
{{ foo }}
""".strip().splitlines(),
)


@dataclass(frozen=True)
class Case:
    """One rendering, to be done by Ollama and by the code under test."""

    template: str
    messages: Sequence[Message] = ()
    prompt: str = ""
    suffix: str = ""
    think: bool | None = None

    def job(self) -> dict[str, Any]:
        return {
            "Template": self.template,
            "Messages": [{"role": m.role, "content": m.content} for m in self.messages],
            "Prompt": self.prompt,
            "Suffix": self.suffix,
            "Think": self.think,
        }

    def outcome(self) -> Outcome:
        names: list[str] | None = None
        try:
            template = parse(self.template)
            names = sorted(template.fields)
            given = {"prompt": self.prompt, "suffix": self.suffix}
            text = render(template, messages=self.messages, think=self.think, **given)
        except InputError as error:
            return Outcome(names, None, str(error))
        return Outcome(names, text)


@dataclass(frozen=True)
class Outcome:
    """What came of it: no names where the template is refused, no text where it fails."""

    names: list[str] | None
    text: str | None
    error: str = ""


@pytest.fixture(scope="session")
def ollama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the program that renders with Ollama's own package."""
    return built("ollama_template", tmp_path_factory.mktemp("ollama"))


def differences(program: Path, cases: Sequence[Case]) -> list[str]:
    """Return the cases in which Ollama and the code under test do not give the same."""
    jobs = json.dumps([case.job() for case in cases]).encode()
    done = subprocess.run([program], input=jobs, capture_output=True, check=True)
    pairs = zip(cases, map(as_outcome, json.loads(done.stdout)), strict=True)
    return [f"{c}: {theirs}, but {c.outcome()}" for c, theirs in pairs if not same(c, theirs)]


def as_outcome(result: dict[str, Any]) -> Outcome:
    """Read what the program wrote of a case."""
    text = base64.b64decode(result["Text"] or "").decode("utf-8", "replace")
    return Outcome(result["Vars"], None if result["Error"] else text, result["Error"])


def same(case: Case, theirs: Outcome) -> bool:
    """Tell whether both agree; what is documented as not supported is left to Ollama."""
    ours = case.outcome()
    if re.search("not supported here|memory addresses", ours.error):
        return True
    return (ours.names, ours.text) == (theirs.names, theirs.text)


@pytest.mark.timeout(300)
def test_templates_of_the_usual_kinds_render_as_in_ollama(ollama: Path) -> None:
    """Each kind of template gives each conversation's prompt exactly as Ollama's package does."""
    cases = [Case(t, c, think=k) for t in FAMILIES for c in CONVERSATIONS for k in (None, False)]
    cases += [Case(t, prompt="def f(", suffix="):") for t in FAMILIES]
    assert differences(ollama, cases) == []


@pytest.mark.timeout(300)
def test_odd_templates_render_or_fail_as_in_ollama(ollama: Path) -> None:
    """What is refused, dropped or printed in an unexpected form is so here too."""
    cases = [Case(t, c) for t in ODDITIES for c in CONVERSATIONS]
    cases += [Case(t, prompt="p", suffix="s") for t in ODDITIES]
    assert differences(ollama, cases) == []


@pytest.mark.timeout(300)
def test_random_templates_render_or_fail_as_in_ollama(ollama: Path) -> None:
    """Whatever the template, the text or the refusal is Ollama's."""
    cases = [Case(random_template(n), CONVERSATIONS[n % 7]) for n in range(1000)]

    assert differences(ollama, cases) == []
    assert sum(case.outcome().text is not None for case in cases[:100]) > 25


def test_chatml_puts_each_message_between_its_markers() -> None:
    """The usual ChatML template gives the usual prompt."""
    assert render(parse(CHATML), messages=[system("S"), user("U")]) == (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n"
    )


def test_messages_of_one_role_in_a_row_are_joined() -> None:
    """Two user messages in a row are one with a blank line between them."""
    template = parse("{{ range .Messages }}[{{ .Role }} {{ .Content }}]{{ end }}")
    text = render(template, messages=[user("a"), user("b"), assistant("c"), user("d")])
    assert text == "[user a\n\nb][assistant c][user d]"


def test_system_holds_all_system_messages() -> None:
    """With .Messages, .System joins the system messages wherever they stand."""
    template = parse("{{ .System }}|{{ len .Messages }}")
    assert render(template, messages=[system("1"), user("a"), system("2")]) == "1\n\n2|3"


@pytest.mark.parametrize("template", [CHATML, OLD_CHATML])
def test_a_systems_text_gives_way_to_the_messages_own(template: str) -> None:
    """SYSTEM comes first, unless the conversation starts with a system message."""
    parsed = parse(template)
    own = [system("own"), user("U")]
    assert render(parsed, messages=own, system="file") == render(parsed, messages=own)
    assert render(parsed, messages=own[1:], system="own") == render(parsed, messages=own)


def test_a_template_without_messages_is_rendered_once_a_turn() -> None:
    """An old template repeats for each prompt and response, and ends before the response."""
    text = render(parse(OLD_WHOLE), messages=[system("S"), user("a"), assistant("b"), user("c")])
    start = "<|im_start|>"
    assert text == (
        f"{start}system\nS<|im_end|>\n{start}user\na<|im_end|>\n{start}assistant\nb<|im_end|>\n"
        f"{start}user\nc<|im_end|>\n{start}assistant\n"
    )


def test_a_replayed_answer_gets_no_end_where_the_template_has_none() -> None:
    """A template without .Response gets it at its very end: nothing ends a replayed answer."""
    text = render(parse(OLD_CHATML), messages=[user("a"), assistant("b"), user("c")])
    assert "<|im_start|>assistant\nb<|im_start|>user\nc" in text


def test_an_obsolete_first_drops_the_system_text() -> None:
    """Nothing sets .First any more, so what depends on it is never written."""
    assert render(parse(OLD_LLAMA2), messages=[system("S"), user("U")]) == "[INST] U [/INST]"


def test_suffix_is_for_prompts_alone() -> None:
    """A prompt with a suffix is rendered at once, a conversation sees no suffix."""
    template = parse(OLD_INFILL)
    assert render(template, prompt="a", suffix="b") == "<PRE>a<SUF>b<MID>"
    assert render(template, messages=[user("a")]) == "a"


def test_fields_are_ollamas_names() -> None:
    """The names are in lower case; those behind parentheses are not seen."""
    assert parse(LLAMA3).fields == {"messages", "$m", "$", "$i", "role", "content"}
    assert parse("{{ .System }}").fields == {"system", "response"}
    assert parse("{{ (index .Messages 0).Content }}").fields == {"response"}


def test_dates_are_todays() -> None:
    """A template can write the date."""
    template = parse("{{ currentDate }} {{ len .Messages }}")
    assert render(template).startswith(date.today().isoformat())


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("a\n{{ if .A }}", "line 2: found the end of the template in the body of if"),
        ("{{ end }}", "line 1: {{ end }} closes no if, with or range"),
        ("\n\n{{ .A", "line 3: the action after {{ is never closed with }}"),
        ('{{ "a }}', 'line 1: the string after " is not closed'),
        ("{{/* a", "line 1: the comment after {{/* is never closed"),
        ("{{ upper .A }}", "line 1: there is no function upper: a field starts with a dot"),
        ("{{ $x }}", "line 1: the variable $x is not declared"),
        ("{{ .A-1 }}", "line 1: found '.A-1 }}', expected a name, a value or }}"),
        ("{{ (print }}", "line 1: found }}, but the parentheses before it do not match"),
        ("{{ eq .A 'b' 'ab' }}", "line 1: 'ab' is no valid char: a text stands in double quotes"),
        ("{{ break }}", "line 1: {{ break }} stands outside of a range"),
        ("{{ if }}x{{ end }}", "line 1: found no value in if, expected one"),
        ('{{ template "a" }}', "line 1: found a template action without a value"),
        ("{{ print " + "(" * 3000 + "1" + ")" * 3000 + " }}", "nested too deeply"),
    ],
)
def test_what_ollama_refuses_is_refused_with_its_place(template: str, problem: str) -> None:
    """A template that cannot be parsed is an input error that says where and what."""
    with pytest.raises(InputError, match=re.escape(problem)):
        parse(template)


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        (
            "{{ range .Messages }}\n{{ .Text }}{{ end }}",
            "line 2: a message has no .Text",
        ),
        ("{{ index .Messages 1 }}", "line 1: the index 1 is out of range"),
        ("{{ .Messages }}", "line 1: a list of messages prints as memory addresses"),
        ('{{ eq .Messages "a" }}', "line 1: slice and string cannot be compared"),
        ("{{ json .Prompt }}", "line 1: Ollama does not know json where it renders the last turn"),
        ("{{ if 1 }}{{ .Response }}{{ else }}{{ end }}", "line 1: .Response stands before an"),
        ('{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" .Messages }}', "too deeply"),
    ],
)
def test_what_fails_when_it_runs_is_an_input_error(template: str, problem: str) -> None:
    """A template that Ollama accepts and then fails at says where and why."""
    parsed = parse(template)
    with pytest.raises(InputError, match=re.escape(problem)):
        render(parsed, messages=[user("Hi")])


@given(st.text(st.sampled_from("ab {}\n\t\r<|>.-/*é日")).filter(lambda t: "{{" not in t))
def test_text_without_actions_stays_as_it_is(text: str) -> None:
    """A template without actions gives its text, and the response after it."""
    assert render(parse(text), messages=[user("u"), assistant("r")]) == text + "r"


@given(st.text(st.sampled_from("x \n\t\r\u00a0")), st.text(st.sampled_from("x \n\t\r\u00a0")))
def test_trim_markers_take_gos_blanks_alone(before: str, after: str) -> None:
    """Around a trimming action, blank, tab, CR and LF go and other spaces stay."""
    text = render(parse(before + "{{- .Prompt -}}" + after), messages=[user("|")])
    assert text == before.rstrip(" \t\r\n") + "|" + after.lstrip(" \t\r\n")


@given(st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])))
def test_a_quoted_string_prints_what_it_means(text: str) -> None:
    """Escapes that JSON and Go share read back as the text."""
    literal = json.dumps(text)
    assert render(parse(f"{{{{ {literal} }}}}"), messages=[user("u")]) == text


@given(
    st.lists(
        st.tuples(*[st.text(st.sampled_from("<|im>{}/*- \n\"'`é\\"))] * 3), min_size=4, max_size=4
    )
)
def test_a_derived_template_gives_what_its_format_composes(
    texts: list[tuple[str, str, str]],
) -> None:
    """Ollama's template for a format composes conversations as the format itself does."""
    roles: tuple[Role, ...] = ("system", "user", "assistant")
    turns = {role: text[:2] for role, text in zip(roles, texts, strict=False)}
    fmt = ChatFormat("", texts[3][0] or None, turns, texts[3][1])
    conversation = [Message(role, text[2]) for role, text in zip(roles, texts, strict=False)]
    template = parse(go_template(fmt))
    for start in (0, 1):
        messages = conversation[start:]
        assert render(template, messages=messages) == compose(fmt, messages)
