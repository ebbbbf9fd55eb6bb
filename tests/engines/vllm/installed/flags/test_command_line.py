"""The flags of a server against those that are installed, before a start is spent."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.vllm.installed.flags.known import FLAGS, RECORDED
from tuner.engines.vllm.installed.flags.command_line import Given, checked
from tuner.engines.vllm.installed.flags.flag import Flag
from tuner.engines.vllm.installed.flags.help_text import flags_of
from tuner.spec.errors import InputError

ANSWERS = json.loads((RECORDED / "parser-0.32.0.json").read_text())

SERVES_ANOTHER_MODEL = (
    ["--max-num-seqs", "1", "2"],
    ["--enable-prefix-caching", "true"],
    ["--enable-lora.x", "2"],
    ["-cc.mode", "1", "2"],
    ["--api-key=a", "b"],
    ["--max-model-len auto"],
    ["-"],
    ["--"],
)
"""What vLLM takes for the name of a model, since it belongs to no flag, is refused here."""

LEFT_TO_VLLM = (["--block-size", "None"], ["--max-num-seqs="])
"""What only the types inside of vLLM tell."""

READ_LATER = ("--speculative-config", "--watermark-config", "--diffusion-config")
"""Configs whose keys vLLM reads only after its parser, and refuses then."""

TRANSLATED = (["--kv-cache-dtype", "FP8"], ["--log-level", "info"])


def refusal(words: list[str]) -> str | None:
    """Return why words are refused, None if they are not."""
    try:
        checked(words, FLAGS)
    except InputError as refused:
        return str(refused)
    return None


@pytest.mark.parametrize(("words", "taken"), ANSWERS)
def test_it_judges_as_the_parser_of_vllm_did(words: list[str], taken: bool) -> None:
    """Recorded with 0.32.0; each exception is on one of the lists above."""
    refused = refusal(words)

    later = "no_such_key" in str(words) and words[0].startswith(READ_LATER)
    if words in SERVES_ANOTHER_MODEL or later:
        assert taken
        assert refused
    elif words in (*LEFT_TO_VLLM, *TRANSLATED):
        assert not taken
        assert refused is None
    else:
        assert (refused is None) == taken


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            "--swap-space 4",
            "vLLM 0.32.0 does not know --swap-space, which 0.18.0 took out; leave it",
        ),
        ("--device cpu", "--device, which 0.10.0 took out; leave it out: the wheel decides"),
        ("--task embed", "--task, which 0.13.0 took out; write --runner pooling"),
        ("--guided-decoding-backend xgrammar", "write --structured-outputs-config.backend"),
        ("--num-scheduler-steps 8", "which 0.10.1 took out; leave it out"),
        ("--speculative-model x", "write --speculative-config"),
        ("--max-num-partial-prefills 4", "--long-prefill-token-threshold"),
        ("--watchdog-config {}", "--watchdog-config, which came with 0.33.0"),
        ("--gpu-memory-utilisation 0.9", "did you mean --gpu-memory-utilization?"),
        ("--usp 2", "did you mean --uds?"),
        ("--nothing-like-it", "leave it out: no release from 0.8.5 to 0.33.0 knows it"),
        ("--omni", "vllm-omni, which is another program"),
        (
            "--enable-p",
            "--enable-p begins --enable-per-request-metrics, --enable-prompt-",
        ),
        ("--max-num-seqs many", "--max-num-seqs: found 'many'; expected a whole number"),
        ("--max-num-seqs 16k", "expected a whole number"),
        ("--max-model-len 1.5K", "expected auto, or a whole number, which may end in k (1000)"),
        ("--kv-cache-dtype fp7", "; did you mean fp8?"),
        ("--max-num-seqs", "--max-num-seqs has no value; write one behind it"),
        ("--headless 1", "--headless takes no value, found '1'; write it alone, or leave it out"),
        (
            "--enable-lora false",
            "found 'false'; write it alone, or --no-enable-lora",
        ),
        ("--port 1 2", "--port takes one value; '2' belongs to no flag"),
        ("model --port 1", "'model' belongs to no flag; expected flags of the server, without"),
        (
            "-cc.level 3",
            "config.level, which 0.18.0 took out; write mode (vllm#20283)",
        ),
        (
            '-cc {"pass_config":{"enable_noop":1}}',
            "config.pass_config.enable_noop, which",
        ),
        ("-ac.backnd X", "does not know --attention-config.backnd; did you mean backend?"),
        ("-cc {mode", "found '{mode'; expected JSON"),
        ("-cc..mode 3", "a key between dots is empty"),
        ("-tp.x 3", "-tp.x: -tp takes no keys; write its value behind it"),
    ],
)
def test_what_is_refused_is_told_with_the_next_step(words: str, sentence: str) -> None:
    """What was found, when it went, and what to write."""
    assert sentence in (refusal(words.split()) or "")


@pytest.mark.parametrize(
    ("words", "written", "note"),
    [
        ("--gpu-memory-util 0.9", "--gpu-memory-utilization 0.9", "is written out"),
        ("--no-enable-prefix", "--no-enable-prefix-caching", "is written out"),
        ("--kv-cache-dtype FP8", "--kv-cache-dtype fp8", "is written out"),
        (
            "--log-config-file a.json",
            "--logging-config.pylogging_config_file a.json",
            "--logging-config.pylogging_config_file is written instead: --log-config-file is",
        ),
        ("--disable-cascade-attn", "", "has no effect"),
    ],
)
def test_what_is_translated_is_named(words: str, written: str, note: str) -> None:
    """Shortened names, choices spelled otherwise, and what is deprecated."""
    read = checked(words.split(), FLAGS)

    assert read.words == tuple(written.split())
    assert len(read.translated) == 1
    assert note in read.translated[0]


OLDER = flags_of(
    """options:
  --cuda-graph-sizes SIZES [SIZES ...]
        --cuda-graph-sizes is deprecated. Please use --cudagraph-capture-sizes instead.
  --cudagraph-capture-sizes SIZES [SIZES ...]
        Which sizes. (default: None)
  --disable-cache, --no-disable-cache
        `--disable-cache` is deprecated. Please use `--cache-gb 0` instead. (default: False)
  --cache-gb CACHE_GB
        How much. (default: 4)
  --task TASK
        [DEPRECATED] What the model is for. (default: auto)
""".replace("        ", " " * 24),
    "0.12.0",
)
"""A help in the words of older releases."""


@pytest.mark.parametrize(
    ("words", "written", "note"),
    [
        ("--cuda-graph-sizes 1 2", "--cudagraph-capture-sizes 1 2", "is written instead"),
        ("--disable-cache", "--cache-gb 0", "--cache-gb is written instead"),
        ("--no-disable-cache", "--no-disable-cache", "is deprecated"),
        ("--task embed", "--task embed", "--task: [DEPRECATED] What the model is for."),
    ],
)
def test_other_releases_name_what_takes_the_place(words: str, written: str, note: str) -> None:
    """Also with the value to write; what has no substitute is kept and named."""
    read = checked(words.split(), OLDER)

    assert read.words == tuple(written.split())
    assert note in read.translated[0]


@pytest.mark.parametrize(
    "words",
    [
        "--max_model_len 1k -tp=2 -n2 -O3 -q fp8",
        "--compilation_config.mode=3 -cc.pass_config.fuse_rope_kvcache True",
        "--api-key a b --hf-token --seed -5 --max-model-len -1",
        "--middleware a --middleware b",
    ],
)
def test_what_vllm_reads_passes_unchanged(words: str) -> None:
    """A user's own flags stand in the artifacts as they were written."""
    read = checked(words.split(), FLAGS)

    assert (read.words, read.translated) == (tuple(words.split()), ())


def test_flags_are_told_by_their_names_in_the_help() -> None:
    """Whatever they were called, with keys, values and negation."""
    read = checked(["-tp=2", "--no-enable-prefix-caching", "-cc.mode", "3", "-O1"], FLAGS)

    assert read.given == (
        Given("--tensor-parallel-size", "", ("2",)),
        Given("--enable-prefix-caching", "", (), off=True),
        Given("--compilation-config", "mode", ("3",)),
        Given("--optimization-level", "", ("1",)),
    )


def value_of(flag: Flag) -> st.SearchStrategy[str]:
    """Return values that a flag takes."""
    if flag.choices:
        return st.sampled_from(flag.choices)
    numbers = st.integers(0, 10**6).map(str)
    keys = sorted(FLAGS.keys[flag.config]) if flag.config else ["a", "b c"]
    return {
        "integer": numbers,
        "size": numbers | st.sampled_from(("1k", "1K", "2.5m", "3G")),
        "length": st.sampled_from(("auto", "-1", "4096", "25.6k")),
        "number": st.floats(0, 1e6).map(str),
        "json": st.dictionaries(st.sampled_from(keys), st.integers() | st.text()).map(json.dumps),
        "text": st.text("abc/.:_ -", min_size=1).filter(lambda text: not text.startswith("-")),
        "switch": st.nothing(),
    }[flag.kind]


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """Return flags that are there, each with values that it takes."""
    words: list[str] = []
    left = [flag for flag in FLAGS.all if flag.name != "--config" and not flag.deprecated]
    for flag in draw(st.lists(st.sampled_from(left), max_size=6)):
        name = draw(st.sampled_from(flag.names))
        fewest, most = {"none": (0, 0), "one": (1, 1), "perhaps": (0, 1), "many": (1, 3)}[
            flag.takes
        ]
        words += [name, *draw(st.lists(value_of(flag), min_size=fewest, max_size=most))]
    return words


@given(command_lines())
def test_known_flags_with_values_of_their_kind_are_never_refused(words: list[str]) -> None:
    """And they pass unchanged."""
    read = checked(words, FLAGS)

    assert (list(read.words), read.translated) == (words, ())


@given(st.lists(st.text(max_size=12) | st.sampled_from([*FLAGS.names, "--", "-", "-O", "--x=1"])))
def test_any_words_are_taken_or_refused(words: list[str]) -> None:
    """Nothing but InputError is raised."""
    refusal(words)
