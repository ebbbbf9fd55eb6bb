"""Lint rules: each finds its mistake on its line, and a healthy file has none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuner.modelfile.lint.findings import Draft, Finding
from tuner.modelfile.lint.rules import applied, read
from tuner.spec.values import Model

CHATML = (
    "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}"
    "<|im_start|>assistant\n"
)
HEALTHY = f'''# what a careful person writes
FROM qwen3:0.6b
PARAMETER num_ctx 8192
PARAMETER num_predict 256
PARAMETER temperature 0.1
PARAMETER stop <|im_end|>
SYSTEM """Answer with one JSON object."""
TEMPLATE """{CHATML}"""
MESSAGE user "Add milk"
MESSAGE assistant "{{}}"
'''
GGUF = Model("m", "m.gguf", weights_bytes=100 * 2**20, cached_per_token=2048, train_ctx=4096)


def findings(text: str, base: Model | None = None, **given: int) -> list[Finding]:
    """Return all findings of a text."""
    instructions, found = read(text)
    return [*found, *applied(Draft(instructions, base, **given))]


def rules(text: str, severity: str | None = None, base: Model | None = None) -> set[str]:
    """Return the rules that found something."""
    return {f.rule for f in findings(text, base) if severity in (None, f.severity)}


def test_a_healthy_file_has_no_findings() -> None:
    """Few false alarms: what is as it should be is not talked about, not even in notes."""
    assert findings(HEALTHY) == []


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("FROM a\n\nTEMPERATURE 0.3\n", 3, "PARAMETER temperature 0.3"),
        ("FROM a\nPARAMETER max_tokens 100\n", 2, "num_predict"),
        ("FROM a\nPARAMETER num_gpu_layers 1\n", 2, "num_gpu"),
        ("FROM a\nPARAMETER keep_alive 5m\n", 2, "field keep_alive"),
        ("FROM a\nPARAMETER flash_attn 1\n", 2, "OLLAMA_FLASH_ATTENTION"),
        ("FROM a\nPARAMETER num_ctx 4096 # x\n", 2, "line of its own"),
        ("FROM a\nI am a stray line\n", 2, "a line starts with one of"),
        ('FROM a\nSYSTEM """never closed\n', 2, "never closed"),
        ("# nothing else\n", 1, "no FROM"),
        ("FROM a # c\n", 1, "comments have lines of their own"),
        ("FROM the llama 3 model\n", 1, "has no spaces"),
        ("FROM llama3\tinstruct\n", 1, "has no spaces"),
        ('FROM a\nTEMPLATE """{{ if .System }}"""\n', 2, ""),
    ],
)
def test_what_ollama_refuses_is_an_error(text: str, line: int, words: str) -> None:
    """The line is named, and so is what to write instead."""
    errors = [f for f in findings(text) if f.severity == "error"]

    assert [f.line for f in errors] == [line]
    assert words in errors[0].message


@pytest.mark.parametrize("path", ["./my model.gguf", "my model.gguf", "../my models", "~/a b/m"])
def test_a_path_with_spaces_is_legal(path: str) -> None:
    """It may be put there later; a folder of another form has to be there."""
    (instruction,), _ = read("FROM my models\n")

    assert rules(f"FROM {path}\n", "error") == set()
    assert list(applied(Draft((instruction,), present=frozenset({"my models"})))) == []


def test_all_refused_parameters_are_named_at_once() -> None:
    """Two wrong names are two errors: nobody has to run the linter twice for them."""
    found = findings("FROM a\nPARAMETER max_tokens 1\nPARAMETER temp 1\n")

    assert [f.line for f in found if f.severity == "error"] == [2, 3]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("FROM /path/to/model.gguf", "placeholder"),
        ("FROM <your-model>", "placeholder"),
        ("FROM ${BASE_MODEL}", "placeholder"),
        ("FROM /home/me/m.gguf", "absolute"),
        ("FROM C:\\models\\m.gguf", "absolute"),
        ('FROM a\nSYSTEM """"""', "blank"),
        ("FROM a\nPARAMETER mirostat 1", "deprecated"),
        ("FROM a\nPARAMETER num_ctx 1024\nPARAMETER num_ctx 2048", "repeated"),
        ("FROM a\nSYSTEM one\nSYSTEM two", "repeated"),
        ("FROM a\nPARAMETER num_ctx 1024\nPARAMETER num_predict 2048", "lengths"),
        ("FROM a\nPARAMETER num_predict 0", "no-limit"),
        ("FROM a\nPARAMETER num_ctx -1\nPARAMETER num_predict 128", "window"),
        ("FROM a\nPARAMETER num_ctx 0", "window"),
        ("FROM a\nPARAMETER num_ctx 3", "window"),
        ("FROM a\nPARAMETER repeat_penalty 1.2\nPARAMETER repeat_last_n 0", "no-effect"),
        ("FROM a\nPARAMETER stop '</s>'", "quotes"),
        ('FROM a\nPARAMETER stop ["</s>"]', "list"),
        ("FROM a\nPARAMETER stop [a, b]", "list"),
        ("FROM a\nSYSTEM 'You are kind.'", "quotes"),
        ("FROM a\nSYSTEM “You\u2019re terse.”", "quotes"),
        ("FROM a\nSYSTEM „Fasse dich kurz.“", "quotes"),
        ("FROM a\nTEMPLATE “““{{ .System }}{{ .Prompt }}”””", "quotes"),
        ("FROM “tiny:1b”", "quotes"),
        ('FROM qwen3\nTEMPLATE """{{ .Prompt }}\r\n{{ .Response }}"""', "crlf"),
        (f'FROM qwen3\nPARAMETER stop <|eot_id|>\nTEMPLATE """{CHATML}"""', "stop"),
        (f'FROM llama3.2\nTEMPLATE """{CHATML}"""', "family"),
        (f"FROM a\nPARAMETER num_ctx 512\nSYSTEM {'word ' * 300}", "long-system"),
        (f"FROM a\nSYSTEM {'word ' * 4200}", "long-system"),
    ],
)
def test_mistakes_are_warnings(text: str, rule: str) -> None:
    """What does not do what it seems to is warned of."""
    assert rule in rules(text, "warning")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (f"FROM a\nSYSTEM {'word ' * 300}", "long-system"),
        (f"FROM a\nSYSTEM {'word ' * 2900}", "long-system"),
        ("FROM a\nPARAMETER num_thread 8", "pinned"),
        ("FROM a\nPARAMETER temperature 0\nPARAMETER top_p 0.9", "no-effect"),
        ("FROM a\nPARAMETER stop x", "stop"),
        ("FROM a\nPARAMETER temperature 1\nSYSTEM Reply in JSON.", "json"),
        ("FROM a\nRENDERER qwen3-coder", "requires"),
        ("FROM ./m.gguf", "no-template"),
        ('FROM a\nTEMPLATE "{{ .System }} {{ .Prompt }}"', "no-messages"),
    ],
)
def test_what_is_worth_knowing_is_a_note(text: str, rule: str) -> None:
    """Notes are no warnings."""
    assert rule in rules(text, "note")
    assert rules(text, "warning") == set()


@pytest.mark.parametrize("line", ["num_thread 0", "num_gpu -1", "main_gpu 0", "num_thread -1"])
def test_what_ollama_does_by_itself_is_no_pin(line: str) -> None:
    """It fits each machine."""
    assert findings(f"FROM a\nPARAMETER {line}") == []


def test_a_window_too_small_is_told_once() -> None:
    """To lower num_predict would not help."""
    text = "FROM a\nPARAMETER num_ctx -1\nPARAMETER num_predict 128\nPARAMETER num_keep 9"

    assert [(f.rule, f.line) for f in findings(text)] == [("window", 2)]


@pytest.mark.parametrize(
    "text", ["“No” is an answer, “yes” is none.", "Say 'yes' or 'no'.", "don't"]
)
def test_quotes_inside_a_text_are_left_alone(text: str) -> None:
    """Only a pair around all of it was meant for Ollama."""
    assert rules(f"FROM a\nSYSTEM {text}", "warning") == set()


def test_the_memory_of_the_window_is_estimated() -> None:
    """4096 x 2 tokens of 2048 values in f16 are 32 MiB, 132 with the weights."""
    text = "FROM ./m.gguf\nPARAMETER num_ctx 4096"
    (noted,) = [f for f in findings(text, GGUF, parallel=2) if f.rule == "memory"]
    (warned,) = [f for f in findings(text, GGUF, parallel=2, available=2**20) if f.rule == "memory"]

    assert "keeps 32 MiB of cache, with the weights 132 MiB" in noted.message
    assert (noted.severity, warned.severity) == ("note", "warning")


def test_a_window_beyond_the_training_is_named() -> None:
    """Ollama would lower it without a word, so memory is that of 4096 tokens."""
    found = {f.rule: f for f in findings("FROM ./m.gguf\nPARAMETER num_ctx 8192", GGUF)}

    assert found["beyond-training"].severity == "warning"
    assert "num_ctx 4096 x OLLAMA_NUM_PARALLEL 1 keeps 16 MiB" in found["memory"].message


@pytest.mark.parametrize(
    ("window", "hints"),
    [(2048, ("raise num_ctx or lower num_predict", "raise num_ctx")),
     (4096, ("any prompt: lower num_predict", "shorten it")),
     (8192, ("any prompt: lower num_predict", "shorten it"))],
)  # fmt: skip
def test_num_ctx_is_raised_only_where_that_helps(window: int, hints: tuple[str, str]) -> None:
    """Beyond the training Ollama would lower it again."""
    text = f"FROM ./m.gguf\nPARAMETER num_ctx {window}\nPARAMETER num_predict 5000"
    found = {f.rule: f.message for f in findings(f"{text}\nSYSTEM {'word ' * 2400}", GGUF)}

    assert hints[0] in found["lengths"]
    assert found["long-system"].endswith(f"{hints[1]}.")


def test_a_gguf_without_a_chat_template_is_warned_of() -> None:
    """Prompts would reach the model bare; one with a template says whose it is."""
    with_one = Model("m", "m.gguf", chat_template="{{ '<|im_start|>' }}")

    assert "no-template" in rules("FROM ./m.gguf", "warning", GGUF)
    (found,) = findings("FROM ./m.gguf", with_one)
    assert (found.severity, "of ChatML" in found.message) == ("note", True)


LLAMA3 = (
    "{{ range .Messages }}<|start_header_id|>{{ .Role }}<|end_header_id|>\n\n{{ .Content }}"
    "<|eot_id|>{{ end }}<|start_header_id|>assistant<|end_header_id|>\n\n"
)
MISTRAL = (
    '{{- range $i, $_ := .Messages }}{{ if eq .Role "user" }}[INST] '
    "{{ if and $.System (eq (len (slice $.Messages $i)) 1) }}{{ $.System }}\n\n{{ end }}"
    '{{ .Content }} [/INST]{{ else if eq .Role "assistant" }} {{ .Content }}</s>{{ end }}{{ end }}'
)
LEGACY = (
    "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}"
    "{{ if .Prompt }}<|im_start|>user\n{{ .Prompt }}<|im_end|>\n{{ end }}"
    "<|im_start|>assistant\n{{ .Response }}<|im_end|>\n"
)  # fmt: skip


VICUNA = (
    '{{ range .Messages }}{{ if eq .Role "user" }}USER: {{ .Content }}\n'
    '{{ else if eq .Role "assistant" }}ASSISTANT: {{ .Content }}</s>\n'
    "{{ else }}{{ .Content }}\n\n{{ end }}{{ end }}ASSISTANT:"
)


@pytest.mark.parametrize("template", [CHATML, LLAMA3, MISTRAL, VICUNA])
def test_templates_that_are_right_are_left_alone(template: str) -> None:
    """Four families as they should be give nothing at all."""
    assert findings(f'FROM x\nTEMPLATE """{template}"""') == []


@pytest.mark.parametrize("start", ["\n", "  ", "\r\n"])
def test_space_that_is_trimmed_reaches_no_prompt(start: str) -> None:
    """What `{{-` takes away is not warned of; without the dash each prompt starts with it."""
    trimmed = f'FROM x\nTEMPLATE """{start}{CHATML}"""'

    assert findings(trimmed) == []
    assert "stray-space" in rules(trimmed.replace("{{-", "{{"), "warning")


def test_space_behind_an_action_is_seen() -> None:
    """A newline between an action without output and the first text starts each prompt too."""
    text = f'FROM x\nTEMPLATE """{{{{ $a := 1 }}}}\n{CHATML.replace("{{-", "{{")}"""'

    assert rules(text, "warning") == {"stray-space"}


ENDS = (
    "<|endoftext|>", "</s>", "<s>", "<|end_of_text|>",
    "<\uff5cbegin\u2581of\u2581sentence\uff5c>",
)  # fmt: skip


@pytest.mark.parametrize("stop", [*ENDS, "<|system|>", "<|user|>", "</reply>", "</note>", "<tool>"])
def test_stops_that_a_model_may_write_are_left_alone(stop: str) -> None:
    """Beside any template: ends of text, what .Role, SYSTEM or another request writes."""
    zephyr = "{{ range .Messages }}<|{{ .Role }}|>\n{{ .Content }}<|im_end|>\n{{ end }}"
    tools = "{{ if .Tools }}<tool>{{ end }}<|assistant|>\n"
    system = "SYSTEM Answer in <note>, end with </reply>."
    text = f'FROM x\nPARAMETER stop {stop}\nTEMPLATE """{zephyr}{tools}"""\n{system}'

    assert findings(text) == []


def test_a_stop_of_the_base_is_left_alone() -> None:
    """The end token that a GGUF file names is one its model writes."""
    text = f'FROM ./m.gguf\nPARAMETER stop <|fin|>\nTEMPLATE """{CHATML}"""'

    assert rules(text, "warning", GGUF) == {"stop"}
    assert findings(text, replace(GGUF, eos_token="<|fin|>")) == []


def test_a_needless_stop_is_a_note() -> None:
    """It is a mistake only where no other stop text is shown: then answers do not end."""
    with_one = (
        f'FROM x\nPARAMETER stop <|eot_id|>\nPARAMETER stop <|im_end|>\nTEMPLATE """{CHATML}"""'
    )
    with_none = with_one.replace("stop <|im_end|>", "stop </s>")

    assert [(f.line, f.severity) for f in findings(with_one)] == [(2, "note")]
    assert [(f.line, f.severity) for f in findings(with_none)] == [(2, "warning")]


@pytest.mark.parametrize("stop", ["[INST]", "[/INST]"])
def test_a_token_in_brackets_is_no_list(stop: str) -> None:
    """Each Modelfile of Mistral and of Llama 2 stops at them."""
    assert findings(f'FROM x\nPARAMETER stop "{stop}"\nTEMPLATE """{MISTRAL}"""') == []


@pytest.mark.parametrize(
    ("template", "rule"),
    [
        (CHATML.replace("<|im_end|>", ""), "no-end-token"),
        (LLAMA3.replace("<|eot_id|>", ""), "no-end-token"),
        (LEGACY.replace("{{ .Response }}<|im_end|>\n", "{{ .Response }}"), "no-end-token"),
        (LEGACY.replace("{{ if .System }}", "{{ if .First }}"), "system-dropped"),
        ("{{ .System }}\n" + CHATML, "system-repeated"),
        (
            '{{ range .Messages }}{{ if eq .Role "user" }}{{ .Content }}{{ end }}{{ end }}',
            "turns-dropped",
        ),
    ],
)
def test_what_a_template_does_is_seen_by_rendering(template: str, rule: str) -> None:
    """Each is right but for one thing, and that is what is found."""
    assert rule in rules(f'FROM x\nTEMPLATE """{template}"""', "warning")


def test_messages_of_a_file_need_a_template_that_knows_them() -> None:
    """With MESSAGE lines a legacy template is a warning, without them a note."""
    text = f'FROM x\nTEMPLATE """{LEGACY}"""'

    assert ("no-messages" in rules(text, "note")) and not rules(text, "warning")
    assert "no-messages" in rules(f"{text}\nMESSAGE user hi", "warning")
