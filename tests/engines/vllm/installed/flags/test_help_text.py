"""Flags read from the help that argparse printed."""

from __future__ import annotations

import re
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.vllm.installed.flags.known import FLAGS, HELP, SOURCE, VERSION
from tuner.engines.vllm.installed.flags.flag import Flag, Flags
from tuner.engines.vllm.installed.flags.help_text import flags_of
from tuner.spec.errors import InputError


def flag(name: str, flags: Flags = FLAGS) -> Flag:
    """Return the flag with a name."""
    found = flags.get(name)
    assert found is not None
    return found


def test_every_option_of_the_help_is_read() -> None:
    """As many flags are found as lines begin one, but for --help."""
    begun = [line for line in HELP.splitlines() if re.match("  -{1,2}[A-Za-z]", line)]

    assert len(FLAGS.all) == len(begun) - 1 == 316


@pytest.mark.parametrize(
    ("name", "kind", "takes"),
    [
        ("--port", "integer", "one"),
        ("--max-num-seqs", "integer", "one"),
        ("--max-num-batched-tokens", "size", "one"),
        ("--max-model-len", "length", "one"),
        ("--gpu-memory-utilization", "number", "one"),
        ("--cpu-offload-gb", "number", "one"),
        ("--speculative-config", "json", "one"),
        ("--quantization", "text", "one"),
        ("--enable-prefix-caching", "switch", "none"),
        ("--headless", "switch", "none"),
        ("--api-key", "text", "many"),
        ("--cudagraph-capture-sizes", "integer", "many"),
        ("--hf-token", "text", "perhaps"),
    ],
)
def test_the_kind_of_a_value_and_how_many_follow(name: str, kind: str, takes: str) -> None:
    """Told by the place of the value, by the help, and by what the source declares."""
    assert (flag(name).kind, flag(name).takes) == (kind, takes)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("-tp", "--tensor-parallel-size"),
        ("-q", "--quantization"),
        ("-cc", "--compilation-config"),
        ("-dph", "--data-parallel-hybrid-lb"),
        ("--no-enable-prefix-caching", "--enable-prefix-caching"),
        ("--device-memory-utilization", "--gpu-memory-utilization"),
    ],
)
def test_a_flag_is_found_by_each_of_its_names(alias: str, name: str) -> None:
    """Short names, second names and negations are names of one flag."""
    assert FLAGS.get(alias) is FLAGS.get(name)


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("--scheduling-policy", ("fcfs", "priority")),
        ("--dcp-comm-backend", ("a2a", "ag_rs", "None")),
        ("--collect-detailed-traces", ("all", "model", "worker", "None")),
        ("--tool-call-parser", ()),
        ("--tokenizer-mode", ()),
    ],
)
def test_only_what_the_parser_insists_on_is_a_choice(name: str, choices: tuple[str, ...]) -> None:
    """A list that plugins may lengthen is none."""
    assert flag(name).choices == choices


def test_a_default_is_read_however_its_line_is_broken() -> None:
    """It stands at the end of the help."""
    assert flag("--kv-cache-dtype").default == "auto"
    assert flag("--gpu-memory-utilization").default == "0.92"
    assert flag("--max-num-seqs").default == "None"


def test_what_is_on_its_way_out_is_known() -> None:
    """By what its own help says; a flag that speaks of others' deprecation stays."""
    assert {f.name for f in FLAGS.all if f.deprecated} == {
        "--disable-cascade-attn", "--log-config-file",
    }  # fmt: skip


def test_newer_pythons_write_names_otherwise() -> None:
    """From 3.13 the place of the value stands once; from 3.14 there may be colours."""
    text = "options:\n  \x1b[32m--quantization, -q\x1b[0m QUANTIZATION\n\t\tHow. (default: None)\n"
    read = flags_of(text.replace("\t\t", " " * 24), "0.40.0")

    assert flag("-q", read).names == ("--quantization", "-q")
    assert (flag("-q", read).takes, flag("-q", read).default) == ("one", "None")


def test_the_class_behind_json_is_told_by_the_link_to_its_documentation() -> None:
    """So that its keys can be looked up in the source."""
    assert flag("-cc").config == "CompilationConfig"
    assert flag("--eplb-config").config == "EPLBConfig"
    assert flag("--hf-overrides").config is None
    assert {f.config for f in FLAGS.all if f.config} <= set(FLAGS.keys)


def test_without_the_source_a_whole_default_may_stand_for_a_fraction() -> None:
    """0 is the default of gigabytes as well as of a seed."""
    read = flags_of(HELP, VERSION)

    assert flag("--cpu-offload-gb", read).kind == "number"
    assert flag("--max-num-seqs", read).kind == "text"


@pytest.mark.parametrize(
    "text", ["", "usage: vllm [-h]", "Config Groups:\n  ModelConfig  The model\n"]
)
def test_a_help_without_flags_is_refused(text: str) -> None:
    """The short help lists groups only."""
    with pytest.raises(InputError, match=r"lists no flags; run `vllm serve --help=all`"):
        flags_of(text, VERSION)


@given(st.integers(20, 200))
def test_the_width_of_the_terminal_does_not_matter(width: int) -> None:
    """The same flags are read from lines that are broken elsewhere."""
    indent = " " * 24
    lines = (
        textwrap.indent(textwrap.fill(line.strip(), width, break_on_hyphens=False), indent)
        if line.startswith(indent)
        else line
        for line in HELP.splitlines()
    )
    read = flags_of("\n".join(lines), VERSION, SOURCE)

    assert [(f.names, f.kind, f.choices) for f in read.all] == [
        (f.names, f.kind, f.choices) for f in FLAGS.all
    ]


@given(st.text())
def test_any_text_is_flags_or_refused(text: str) -> None:
    """Nothing but InputError is raised."""
    try:
        flags_of(f"  --port PORT  {text}\n{text}", VERSION)
        flags_of(text, VERSION)
    except InputError:
        pass
