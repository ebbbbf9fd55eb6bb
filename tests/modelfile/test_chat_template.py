from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tests.modelfile.ollama_programs import built
from tuner.modelfile.chat_template import ChatFormat, compose, derive, go_template
from tuner.modelfile.document import Modelfile, parse, write
from tuner.spec.errors import InputError
from tuner.spec.values import Message

SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
    "<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA3 = (
    "{% for m in messages %}{% set content = '<|start_header_id|>' + m['role'] + "
    "'<|end_header_id|>\n\n' + m['content'] + '<|eot_id|>' %}{% if loop.index0 == 0 %}"
    "{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
    "{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + m['content'] + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
BRACES = (
    "{% for m in messages %}{% if loop.first and m.role != 'system' %}{{ '{{ SYS \"\"\"\\r\n"
    "\\u00a0\\\\ }}' }}{% endif %}{{ '{{{' + m.role + '}}' + m.content + '}{' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '{{/* a */}}' }}{% endif %}"
)
TEMPLATES = {
    "smollm2": SMOLLM2,
    "chatml": CHATML,
    "llama3": LLAMA3,
    "gemma": GEMMA,
    "braces": BRACES,
}
NOT_DERIVABLE = {
    "trims": CHATML.replace("m.content", "m.content | trim"),
    "merges the system message": (
        "{% for m in messages %}{% if m.role == 'user' %}[INST] {% if loop.index0 == 1 and "
        "messages[0].role == 'system' %}{{ messages[0].content }}\n\n{% endif %}{{ m.content }}"
        " [/INST]{% elif m.role == 'assistant' %} {{ m.content }}</s>{% endif %}{% endfor %}"
    ),
    "writes the date": "{{ strftime_now('%d %b %Y') }}" + CHATML,
    "drops what the assistant thought": CHATML.replace(
        "{{ m.content }}",
        "{{ m.content.split('and')[-1] if m.role == 'assistant' else m.content }}",
    ),
    "numbers the turns": CHATML.replace("{{ m.role }}", "{{ m.role }}{{ loop.index }}"),
    "repeats the question": CHATML + "{{ messages[-1].content }}",
    "is broken": "{% for m in messages %}",
    "counts on a number": "{{ messages + 1 }}",
}
BOS, EOS = "<s>", "</s>"

CONVERSATIONS = [
    [Message("user", "Hi there")],
    [Message("user", " \n a {{ b }} \"c\" 'd' \\ {% e %} \n")],
    [Message("user", "日本 👩‍🚀"), Message("assistant", '{"x": [1]}'), Message("user", "\n\n")],
    [
        Message("user", "1"),
        Message("assistant", "2"),
        Message("user", "3"),
        Message("assistant", ""),
        Message("user", "5"),
    ],
]


def jinja(source: str, messages: list[Message]) -> str:
    """Render a chat template as transformers does, apart from the code under test."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source).render(
        messages=[{"role": m.role, "content": m.content} for m in messages],
        add_generation_prompt=True,
        bos_token=BOS,
        eos_token=EOS,
    )


def conversations(fmt: ChatFormat) -> list[list[Message]]:
    """Return the test conversations, with a system message too where the format takes one."""
    if "system" not in fmt.turns:
        return CONVERSATIONS
    system = Message("system", ' Answer "so": {"a": "{{ b }}"}\n')
    return CONVERSATIONS + [[system, *messages] for messages in CONVERSATIONS]


def derived(name: str) -> ChatFormat:
    """Derive one of the templates that are derivable."""
    fmt = derive(TEMPLATES[name], BOS, EOS)
    assert fmt is not None
    return fmt


@pytest.fixture(scope="session")
def go_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the program that renders with Ollama's own package."""
    return built("ollama_template", tmp_path_factory.mktemp("go"))


def go(program: Path, template: str, messages: list[list[Message]]) -> list[str]:
    """Return what Ollama makes of a template and some conversations."""
    jobs = [
        {"Template": template, "Messages": [{"role": m.role, "content": m.content} for m in ms]}
        for ms in messages
    ]
    done = subprocess.run(
        [program], input=json.dumps(jobs).encode(), capture_output=True, check=True
    )
    return [base64.b64decode(r["Text"] or "").decode() for r in json.loads(done.stdout)]


def test_a_turn_marker_that_is_named_bos_stays_in_every_turn() -> None:
    """SmolLM2 names its ChatML marker as BOS: the prompt still starts with it."""
    fmt = derive(SMOLLM2, "<|im_start|>", "<|im_end|>")

    assert fmt is not None
    assert fmt.before_all == ""
    assert (fmt.default_system or "").startswith("<|im_start|>system")
    assert "<|im_start|>system" in go_template(fmt)


@pytest.mark.parametrize("name", TEMPLATES)
def test_compose_gives_jinjas_prompt(name: str) -> None:
    """A derived format composes exactly what the Jinja template renders."""
    fmt = derived(name)
    for messages in conversations(fmt):
        assert compose(fmt, messages) == jinja(TEMPLATES[name], messages)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", TEMPLATES)
def test_go_gives_jinjas_prompt_without_bos(name: str, go_program: Path) -> None:
    """The TEMPLATE, read back from a Modelfile, gives Jinja's prompt without its BOS."""
    fmt = derived(name)
    template = parse(write(Modelfile("m", template=go_template(fmt)))).template
    assert template is not None
    expected = [jinja(TEMPLATES[name], m).removeprefix(BOS) for m in conversations(fmt)]
    assert go(go_program, template, conversations(fmt)) == expected


@pytest.mark.parametrize("name", NOT_DERIVABLE)
def test_what_does_more_than_surround_turns_is_not_derivable(name: str) -> None:
    """A template that changes, moves or adds what a format cannot say gives None."""
    assert derive(NOT_DERIVABLE[name], BOS, EOS) is None


def test_the_parts_of_smollm2_are_read_off() -> None:
    """The derived parts are those a person would name."""
    default = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    assert derived("smollm2") == ChatFormat(
        default_system=f"<|im_start|>system\n{default}<|im_end|>\n",
        turns={
            "user": ("<|im_start|>user\n", "<|im_end|>\n"),
            "assistant": ("<|im_start|>assistant\n", "<|im_end|>\n"),
            "system": ("<|im_start|>system\n", "<|im_end|>\n"),
        },
        generation_prompt="<|im_start|>assistant\n",
    )


def test_bos_stays_out_of_the_go_template() -> None:
    """A BOS that Jinja writes is known but not written: the tokenizer adds it."""
    assert derived("llama3").before_all == BOS
    assert BOS not in go_template(derived("llama3"))


def test_a_role_that_is_not_taken_is_refused() -> None:
    """Composing names the roles that the template takes."""
    with pytest.raises(InputError, match="takes no system message, only user, assistant"):
        compose(derived("gemma"), [Message("system", "x"), Message("user", "y")])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.sampled_from("<|im>{}% \n\tsé\u00a0x'\"")), min_size=1, max_size=5))
def test_any_content_composes_as_jinja(texts: list[str]) -> None:
    """Whatever stands in the messages, the derived format agrees with Jinja."""
    messages = [Message("assistant" if i % 2 else "user", t) for i, t in enumerate(texts)]
    assert compose(derived("smollm2"), messages) == jinja(SMOLLM2, messages)
