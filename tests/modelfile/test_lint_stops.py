"""Stop texts: what cannot match is warned of, whatever is meant as it stands is left alone."""

from __future__ import annotations

import pytest

from tests.modelfile.test_lint import CHATML, findings
from tuner.modelfile import grammar


def warned(line: str) -> list[str]:
    """Return the rules that warn of a stop line."""
    text = f'FROM a\nPARAMETER stop {line}\nTEMPLATE """{CHATML}"""'
    found = [f for f in findings(text) if f.severity == "warning" and f.rule != "stop"]

    assert {f.line for f in found} <= {2}
    return [f.rule for f in found]


@pytest.mark.parametrize(
    "line",
    [
        '"<|im_start|>" "<|im_end|>"',
        '"<|im_start|>", "<|im_end|>"',
        '"User:" "Assistant:" "System:"',
        '"User:","Assistant:"',
        '"User:" or "Assistant:"',
        "'User:' 'Assistant:'",
        "“User:” “Assistant:”",
        "<|im_start|> <|im_end|>",
        "<|im_start|>, <|im_end|>",
        "<s>;</s>",
        "[INST] [/INST]",
        '["</s>", "<s>"]',
        "[<|im_start|> <|im_end|>]",
        "[USER: ASSISTANT:]",
        "[### Human: ### Assistant:]",
        "[<|im_end|>]",
        "[[INST] [/INST]]",
    ],
)
def test_several_texts_on_one_line_are_one_text(line: str) -> None:
    """However they are parted: as JSON, as Go prints them, by blanks or commas."""
    assert warned(line) == ["list"]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ('""', "blank"),
        ('""""""', "blank"),
        ("<|im_end|> # end of turn", "comment"),
        ("</s> #end", "comment"),
        ("</s> // end", "comment"),
        ("User: # who asks", "comment"),
        ('"\\n"', "escape"),
        ('"\\nUser:"', "escape"),
        ('"\\n\\nuser:"', "escape"),
        ("\\t", "escape"),
        ('"say \\"stop\\" now"', "escape"),
        ("\\u003c/s\\u003e", "escape"),
        ("'</s>'", "quotes"),
        ("“<|im_end|>”", "quotes"),
        ("„</s>“", "quotes"),
        ("«</s>»", "quotes"),
        ('"""<|im_end|>\n"""', "space"),
        ('"</s> "', "space"),
    ],
)
def test_a_stop_that_no_answer_holds_is_warned_of(line: str, rule: str) -> None:
    """Once, and by its line."""
    assert warned(line) == [rule]


@pytest.mark.parametrize(
    "line",
    [
        "<|im_end|>", '"<|im_end|>"', "</s>", "[INST]", "User:", '"User:"', "### Response:", "###",
        '"# "', "#", '"""\n"""', '"""\n\n"""', '"""\nUser:"""', "User: ", "END OF TEXT",
        "[END OF TEXT]", "[DONE]", "<|im_end|><|im_start|>", "a, b", "\\end{document}", "\\[",
        "\\text{", "\\]", "```", "---", "C# ", "a # b"[:3], '"}"', "}", "Q:", "</tool_call>", "...",
    ],
)  # fmt: skip
def test_a_stop_that_is_meant_so_is_left_alone(line: str) -> None:
    """Tokens, roles, headings, line breaks, words in brackets, LaTeX and code."""
    assert warned(line) == []


def test_each_of_several_lines_is_looked_at() -> None:
    """Right ones between wrong ones are not named."""
    text = 'FROM a\nPARAMETER stop "\\n"\nPARAMETER stop </s>\nPARAMETER stop </s> # c\n'
    found = [(f.line, f.rule) for f in findings(text) if f.severity == "warning"]

    assert found == [(2, "escape"), (4, "comment")]


def test_what_is_warned_of_is_what_ollama_reads() -> None:
    """The quotes inside of a line are part of the one value."""
    (_, stop) = grammar.instructions('FROM a\nPARAMETER stop "x" "y"', "x")

    assert stop.value == 'x" "y'
