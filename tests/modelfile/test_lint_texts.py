"""What is said of texts and names as they stand: lost characters, escapes, lengths, no names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.modelfile.test_lint import CHATML, LEGACY, findings, rules
from tuner.modelfile.document import text_of

PERSIAN, EMOJI = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\U0001f469\u200d\U0001f4bb"


def warnings(text: str) -> dict[str, str]:
    """Return what is warned of, by rule."""
    return {f.rule: f.message for f in findings(text) if f.severity == "warning"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("SYSTEM Prix : 10\u00a0000 EUR", "NO-BREAK SPACE) from SYSTEM"),
        ("SYSTEM Prix : 10\u202f000 EUR", "so 10\u202f000 becomes 10000"),
        (f'SYSTEM """{PERSIAN}"""', "ZERO WIDTH NON-JOINER"),
        (f"SYSTEM Be nice {EMOJI}", "ZERO WIDTH JOINER"),
        ("SYSTEM \u5168\u89d2\u3000\u7a7a\u767d", "IDEOGRAPHIC SPACE"),
        ("SYSTEM co\u00adoperate", "so co\u00adoperate becomes cooperate"),
        ("SYSTEM bell\x07", "U+0007"),
        ("MESSAGE user 10\u00a0000", "from MESSAGE user"),
        ("PARAMETER stop a\u200b", "ZERO WIDTH SPACE) from PARAMETER stop"),
        ("PARAMETER num_ctx 4\u00a0096", "so 4\u00a0096 becomes 4096"),
        ("SYSTEM one\u2028two", "LINE SEPARATOR"),
    ],
)
def test_what_vanishes_is_named(line: str, words: str) -> None:
    """With its code point, and with what becomes of the word that it stood in."""
    assert words in warnings(f"FROM a\n{line}\n")["dropped"]


@pytest.mark.parametrize(
    "text",
    [
        'FROM a\nSYSTEM """Caf\u00e9 \u65e5\u672c \u2026 \u201cx\u201d \u2764\ufe0f\r\n\tb"""',
        'FROM a\nLICENSE """Page 1\x0cPage 2\u00a0\ufffd"""',
        "\ufeff# a\u00a0comment\nFROM a\n",
        "FROM a\n\ufeffSYSTEM glued from two files\n",
        'FROM a\nSYSTEM """\ufeffglued from two files"""\n',
    ],
)
def test_what_stays_is_left_alone(text: str) -> None:
    """Letters, signs, tabs and line breaks; comments, licences and marks of UTF-8 do no harm."""
    assert warnings(text) == {}


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "iso8859-15", "mac-roman"])
def test_a_text_in_another_encoding_is_named(tmp_path: Path, encoding: str) -> None:
    """Ollama reads its letters as U+FFFD."""
    file = tmp_path / "Modelfile"
    file.write_bytes('FROM a\nSYSTEM """R\u00e9ponds bri\u00e8vement."""\n'.encode(encoding))

    assert "save the file as UTF-8" in warnings(text_of(file))["encoding"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_wide_text_without_a_mark_is_named(tmp_path: Path, encoding: str) -> None:
    """It looks right in an editor; with a mark Ollama reads it."""
    file = tmp_path / "Modelfile"
    file.write_bytes("FROM a\nSYSTEM be brief\n".encode(encoding))
    (found,) = findings(text_of(file))

    assert (found.severity, "UTF-16 without a mark" in found.message) == ("error", True)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("FROM\u00a0tiny:1b", "U+00A0 (NO-BREAK SPACE) follows FROM"),
        ("FROM\u3000tiny:1b", "U+3000 (IDEOGRAPHIC SPACE) follows FROM"),
        ("FROM a\nSYSTEM: Be brief.", "(COLON) follows SYSTEM"),
        ('FROM a\nSYSTEM"""x"""', "(QUOTATION MARK) follows SYSTEM"),
        ("FROM a\nPARAMETER\u00a0num_ctx 4096", "(NO-BREAK SPACE) follows PARAMETER"),
        ("FROM a\nPARAMETER num_ctx\u00a04096", "(NO-BREAK SPACE) stands between PARAMETER"),
        ("FROM a\nMESSAGE user\u2003hi", "(EM SPACE) stands between MESSAGE"),
        ("FROM a\nPARAMETER num-ctx 4096", "write PARAMETER num_ctx"),
        ("FROM a\nSYSTEM", "SYSTEM stands without a value"),
    ],
)
def test_what_stands_instead_of_a_space_is_named(line: str, words: str) -> None:
    """It looks like a space, or is what people write in other files."""
    (found,) = (f for f in findings(f"{line}\n") if f.severity == "error")

    assert words in found.message


@pytest.mark.parametrize(
    "line",
    [
        'SYSTEM "You are kind.\\n\\nBe brief."',
        "SYSTEM You are kind.\\nNever lie.",
        'SYSTEM """Rules:\\n- be kind\\n- be brief"""',
        'SYSTEM "Say \\"no\\" to that."',
        'SYSTEM """Write \\"\\"\\" around it."""',
        "MESSAGE assistant First.\\nSecond.",
        'MESSAGE user "Say \\"hi\\"."',
    ],
)
def test_escapes_in_texts_are_named(line: str) -> None:
    """They reach the model as two characters each."""
    assert "escape" in warnings(f"FROM a\n{line}\n")


@pytest.mark.parametrize(
    "line",
    [
        'SYSTEM Write \\n for a line break, or "\\n\\n" for two.',
        "SYSTEM The file lies in C:\\new\\table.",
        "SYSTEM Use $\\nabla f$, $a \\neq b$ and \\text{x}.",
        'SYSTEM """Return JSON:\n{"text": "one.\\nTwo", "quote": "a \\"b\\""}\n"""',
        'SYSTEM """print("a\\n")"""',
        "MESSAGE assistant print('x\\ty')",
    ],
)
def test_a_backslash_that_is_meant_is_left_alone(line: str) -> None:
    """Code, paths, LaTeX and talk of escapes."""
    assert warnings(f"FROM a\n{line}\n") == {}


@pytest.mark.parametrize(
    "template",
    [
        LEGACY.replace("\n", "\\n"),
        CHATML.replace("\n", "\\n"),
        "{{ .System }}\\nUSER: {{ .Prompt }}\\nASSISTANT: ",
        "{{ .System }}\\n{{ .Prompt }}",
    ],
)
def test_escapes_in_a_template_are_named(template: str) -> None:
    """Those in a string of an action are Go's own."""
    assert "escape" in warnings(f'FROM a\nTEMPLATE """{template}"""')
    inside = template.replace("\\n", '{{ "\\n" }}')
    assert "escape" not in warnings(f'FROM a\nTEMPLATE """{inside}"""')


def test_escaped_quotes_in_an_action_are_explained() -> None:
    """The parser's own words would not tell."""
    (found,) = findings('FROM a\nTEMPLATE """{{ if eq .Role \\"user\\" }}x{{ end }}"""')

    assert "Ollama knows no escapes" in found.message


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('{"city":"Bonn","pop":331885,"area":141.06,"mayor":null},', 75),
        ("\u4f60\u662f\u4e00\u4e2a\u4e25\u8c28\u7684\u6570\u636e\u5e93\u52a9\u624b\u3002", 150),
        ("\u0422\u044b \u0432\u043d\u0438\u043c\u0430\u0442\u0435\u043b\u0435\u043d. ", 300),
        (
            "\u0e04\u0e38\u0e13\u0e40\u0e1b\u0e47\u0e19\u0e1c\u0e39\u0e49\u0e0a\u0e48\u0e27\u0e22",
            200,
        ),
        ("0123456789", 150),
        ("Be brief. ", 600),
    ],
)
def test_a_long_system_text_is_long_in_any_script(text: str, count: int) -> None:
    """With blanks or without; a twentieth of it is not."""
    window = "FROM a\nPARAMETER num_ctx 2048\nSYSTEM "

    assert "long-system" in rules(f"{window}{text * count}", "warning")
    assert "long-system" not in rules(f"{window}{text * (count // 20)}")


@pytest.mark.parametrize(
    "name",
    ["./a-00001-of-00002.bin ./a-00002-of-00002.bin", "a.gguf b.gguf", "a.gguf, b.gguf",
     "tiny:1b ./eye.gguf", "tiny:", "tiny@sha256:00", "-tiny", "a/b/c/d", "tiny:1b,",
     "https://hf.co/me/mine/resolve/main/mine.gguf", "hf.co/me/mine/mine.gguf"],
)  # fmt: skip
def test_what_create_refuses_is_an_error(name: str) -> None:
    """Neither a name nor a path that may be there later."""
    assert rules(f"FROM {name}\n", "error") == {"name"}


@pytest.mark.parametrize(
    "name",
    ["tiny", "me/tiny:1b", "hf.co/me/mine:mine-Q4.gguf", "https://hf.co/me/mine", "tiny:20b-cloud",
     "localhost:5000/me/mine:q4", "./m.bin", "models/m.gguf", "tiny:1b:local"],
)  # fmt: skip
def test_what_create_takes_is_no_error(name: str) -> None:
    """Each may be there, or be fetched; a tag called as a file is no file without a template."""
    found = findings(f"FROM {name}\n")

    assert [f.severity for f in found] == (["note"] if name.endswith("m.gguf") else [])


def test_what_ollama_leaves_out_of_several_from_is_named() -> None:
    """Beside a name all else, whatever comes first; files alone are all taken."""
    (file,) = (f for f in findings("FROM tiny\nFROM ./eye.gguf\n") if f.severity == "warning")
    (name,) = (f for f in findings("FROM tiny\nFROM small\n") if f.severity == "warning")

    assert (file.rule, file.line, name.rule, name.line) == ("ignored", 2, "ignored", 1)
    assert rules("FROM ./m.gguf\nFROM ./eye.gguf\n", "warning") == set()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("num_gqa 8", "no longer knows num_gqa: remove"),
        ("rope_frequency_base 10000", "no longer knows rope_frequency_base"),
        ("rope_frequency_scale 1", "no longer knows rope_frequency_scale"),
        ("numa true", "no longer knows numa"),
        ("tfs_z 1", "no longer knows tfs_z"),
        ("system be brief", "write SYSTEM"),
        ("n_keep 4", "did you mean num_keep?"),
        ("num_cores 4", "did you mean num_thread?"),
        ("temprature 1", "did you mean temperature?"),
        ("num_ctxt 1", "did you mean num_ctx?"),
    ],
)
def test_a_hint_helps(line: str, words: str) -> None:
    """What is gone is to be removed; what is meant is named."""
    (found,) = (f for f in findings(f"FROM a\nPARAMETER {line}\n") if f.severity == "error")

    assert words in found.message


@pytest.mark.parametrize("name", ["top_a", "num_beams", "length_penalty", "num_workers", "use_gpu"])
def test_a_name_of_other_programs_is_not_taken_for_a_near_one(name: str) -> None:
    """Ollama has nothing like it, so there is no hint."""
    (found,) = findings(f"FROM a\nPARAMETER {name} 1\n")

    assert "did you mean" not in found.message


STUB = "FROM ./m.gguf\nTEMPLATE {{ .Prompt }}\nPARAMETER stop <|im_end|>\nREQUIRES 0.12.1\n"


@pytest.mark.parametrize("order", ["RENDERER x\n{}", "{}RENDERER x\n"])
@pytest.mark.parametrize(
    "template", ["{{ .Prompt }}", "{{- .Prompt -}}", "{{ .Response }}", "\\nx"]
)
def test_a_template_beside_a_renderer_is_not_used(order: str, template: str) -> None:
    """As `ollama show` prints models with one; without it the stub is warned of."""
    text = STUB.replace("{{ .Prompt }}", template)

    assert rules(order.format(text)) == set()
    assert "system-dropped" in rules(text, "warning")


def test_a_broken_template_beside_a_renderer_is_an_error() -> None:
    """Ollama reads it when the model is created."""
    assert rules(f"RENDERER x\n{STUB.replace('}}', '')}", "error") == {"template"}


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% endfor %}",
        "{% for message in messages %}{{'<|im_start|>' + message['role']}}{% endfor %}",
        "{{ bos_token }}{{ messages[0]['content'] }}",
        "{%- if x %}a{%- endif %}",
    ],
)
def test_a_template_of_jinja_is_named_so(template: str) -> None:
    """It is what Hugging Face has; Go's parser would complain of a detail."""
    (found,) = findings(f'FROM ./m.gguf\nTEMPLATE """{template}"""')

    assert (found.rule, "is Jinja's" in found.message) == ("template", True)


def test_a_part_of_a_split_model_alone_is_named() -> None:
    """Ollama creates nothing of it; with a line for each file, in whatever order, it does."""
    first, second = "FROM ./m-00001-of-00002.gguf\n", "FROM ./m-00002-of-00002.gguf\n"

    assert "one of 2 files of a model" in warnings(first)["parts"]
    assert "parts" in warnings(first + "FROM ./n-00002-of-00002.gguf\n")
    assert "parts" not in warnings(second + first)
    assert "parts" not in warnings("FROM ./m-00001.gguf\n")
