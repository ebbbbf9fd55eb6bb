"""The keys of a study for vLLM, what they come to as flags, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.vllm.pythons import model, python
from tuner.engines.vllm.create import create, preview
from tuner.engines.vllm.installed.flags.flag import Flags
from tuner.engines.vllm.installed.flags.help_text import flags_of
from tuner.engines.vllm.kind import KIND
from tuner.engines.vllm.settings import command
from tuner.engines.vllm.settings.knobs import cpu_cache_bytes, knobs, of_version
from tuner.engines.vllm.settings.section import Fixed, VllmSection, fixed
from tuner.spec.engine_section import Place
from tuner.spec.errors import InputError
from tuner.spec.requests.workload import Workload
from tuner.spec.study import Study

RECORDED = Path(__file__).parents[1] / "recorded"


def section(**keys: Any) -> VllmSection:
    """Return a section with a few keys."""
    return VllmSection.model_validate({"kind": "vllm", "model": "m", **keys})


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"flags": {"port": 1}}, "port is set by the tuner itself"),
        ({"flags": {"max-num-seqs": 4}}, "set it as baseline.max_num_seqs"),
        ({"flags": {"--max_num_seqs": 4}}, "set it as baseline.max_num_seqs"),
        ({"flags": {"Not a flag": 4}}, "cannot name a flag"),
        ({"flags": {"seed": None}}, "expected a value, a list or a mapping"),
        ({"flags": {"chat-template": "-x"}}, "begins with -"),
        ({"flags": ["--seed"]}, "expected a mapping as in vllm.yaml"),
        ({"env": {"HF_TOKEN": "x"}}, "a secret belongs in no file"),
        ({"env": {"VLLM_CPU_OMP_THREADS_BIND": "0"}}, "set it as baseline.cpu_omp_threads_bind"),
        ({"url": "http://h:1", "python": "/p"}, "url is a server that runs"),
    ],
)
def test_what_cannot_be_is_refused(keys: dict[str, Any], said: str) -> None:
    """Each says what is wrong, and what to write in its place."""
    with pytest.raises(ValidationError, match=said):
        section(**keys)


def test_flags_pass_through_unchanged(tmp_path: Path) -> None:
    """A user's own flags, with a mapping and a list, are those of every start."""
    told = fixed(
        section(flags={"tool_call_parser": "hermes", "lora-modules": ["a=/a", "b=/b"],
                       "enable-auto-tool-choice": True}),
        tmp_path, "s.yaml",
    )  # fmt: skip
    candidate = {name: knob.default for name, knob in knobs("m").items()}

    assert command.flags(candidate, told) == {
        "tool-call-parser": "hermes",
        "lora-modules": ["a=/a", "b=/b"],
        "enable-auto-tool-choice": True,
    }


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("ngram", '{"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 4}'),
        ("suffix", '{"method": "suffix", "num_speculative_tokens": 4}'),
        (
            "/drafts",
            '{"method": "draft_model", "model": "/drafts", "num_speculative_tokens": 4}',
        ),
    ],
)
def test_who_drafts_is_one_flag(who: str, said: str) -> None:
    """Two knobs, who drafts and how much, come to vLLM's one mapping."""
    candidate = {name: knob.default for name, knob in knobs("m").items()}
    drafting = {**candidate, "speculation": who, "draft_tokens": 4}

    assert command.flags(drafting, Fixed())["speculative-config"] == said
    assert command.speculation(candidate) is None


def test_a_server_of_ours_keeps_its_traces_to_itself(tmp_path: Path) -> None:
    """The startup plan, which would keep the first size of the cache, is off."""
    private = command.private(tmp_path)

    assert private["VLLM_ENABLE_STARTUP_PLAN"] == "0"
    assert private["VLLM_CACHE_ROOT"] == str(tmp_path)


def test_a_python_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The path is named, relative to the study."""
    with pytest.raises(InputError, match=r"engine\.python: no file"):
        KIND.declared(section(python="gone"), Place(tmp_path, "s.yaml", {}))


def test_a_folder_beside_the_study_is_the_model(tmp_path: Path) -> None:
    """A name that is a folder there means it; others are names at a hub."""
    model(tmp_path / "small")

    assert section().source("small", tmp_path) == str(tmp_path / "small")
    assert section().source("someone/small", tmp_path) == "someone/small"


def test_a_cache_without_gpus_has_a_size() -> None:
    """A power of two, at most 4 GiB and 0.4 of all memory."""
    assert cpu_cache_bytes(2**35) == 2**32
    assert cpu_cache_bytes(2**32) == 2**30


def study(tmp_path: Path, **settings: Any) -> Study:
    """Return a study over the stand-in."""
    told = Fixed(python=python(tmp_path / "bin"), **settings)
    folder = str(model(tmp_path / "model"))
    return Study("s", "vllm", folder, Workload((), {}, None, hash="w"), engine_settings=told)


def test_knobs_that_a_version_lacks_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the help does not list is named with the version; all else is there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert preview(study(tmp_path)).left_out == {}
    known = flags_of((RECORDED / "help-0.32.0.txt").read_text(), "0.32.0")
    older = Flags("0.8.0", tuple(f for f in known.all if f.name != "--watermark"))
    found, left_out = of_version(knobs("m"), older)

    assert left_out == {"watermark": "vLLM 0.8.0 has no --watermark"}
    assert found.keys() == knobs("m").keys() - {"watermark"}


def test_an_unknown_flag_is_refused_before_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name is told, by what the installed version lists."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    with pytest.raises(InputError, match="no-such-flag"):
        create(study(tmp_path, flags={"no-such-flag": 1}), tmp_path / "logs")
