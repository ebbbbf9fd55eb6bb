"""Which release had which flag, and what to write instead of those that are gone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.engines.vllm.installed.flags.known import FLAGS, VARIABLES, VERSION
from tools import vllm_releases
from tuner.engines.vllm.installed.flags import releases, remedies
from tuner.engines.vllm.installed.flags.releases import absent, release, was_known

READ = releases._releases()  # noqa: SLF001


def had(what: releases.What, version: str) -> set[str]:
    """Return the names that a release had."""
    asked = release(version)
    return {
        name
        for name, span in READ[what].items()
        if release(span[0]) <= asked and not (span[1:] and release(span[1]) <= asked)
    }


def test_the_table_agrees_with_the_help_and_the_source_of_its_release() -> None:
    """Read from wheels, it says of 0.32.0 what that release says of itself."""
    named = {name for flag in FLAGS.all for name in flag.names if name.startswith("--")}

    assert had("flags", VERSION) == {name for name in named if not name.startswith("--no-")}
    assert had("variables", VERSION) == VARIABLES
    assert had("keys", VERSION) == {f"{c}.{k}" for c, held in FLAGS.keys.items() for k in held}


@pytest.mark.parametrize("name", list(remedies._REMEDIES))  # noqa: SLF001
def test_a_remedy_names_flags_that_there_are(name: str) -> None:
    """And its source; what it replaces is not in 0.32.0."""
    text = remedies.remedy(name) or ""
    advised = re.findall(r"--[a-z][a-z0-9-]*", text)

    assert re.search(r"\((vllm#\d+|.*vLLM 0\.12\.0|vllm/.*\.py)\)$", text)
    assert [flag for flag in advised if FLAGS.get(flag) is None] == []
    assert all(name not in had(what, VERSION) for what in ("flags", "variables", "keys"))


@pytest.mark.parametrize(
    ("name", "version", "sentence"),
    [
        (
            "--max-num-active-seqs",
            "0.20.2",
            "vLLM 0.20.2 does not know --max-num-active-seqs, which",
        ),
        ("--swap-space", "0.18.0", "which 0.18.0 took out"),
        ("--swap-space", "0.17.0", "which releases since 0.8.5 have: this build differs"),
        ("--monokernel", "0.32.0+cpu", "which came with 0.33.0; leave it out, or use a release"),
        ("--monokernel", "unknown", "does not know --monokernel; leave it out"),
    ],
)
def test_a_name_is_judged_from_the_version_that_is_installed(
    name: str, version: str, sentence: str
) -> None:
    """What is gone for one is still to come for another."""
    assert sentence in absent("flags", name, version, ())


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("0.32.0", (0, 32, 0)), ("0.32.0+cpu", (0, 32, 0)), ("0.30.1.dev7", (0, 30, 1)), ("dev", ())],
)
def test_a_version_is_read_by_its_numbers(version: str, numbers: tuple[int, ...]) -> None:
    """What a build adds to them does not matter."""
    assert release(version) == numbers


def test_a_flag_of_another_release_is_never_taken_for_a_beginning() -> None:
    """Argparse would read --device as --device-ids, which means something else."""
    assert was_known("flags", "--device")
    assert FLAGS.beginning("--device") == ("--device-ids", "--device-memory-utilization")


def test_the_table_is_made_from_unpacked_wheels(tmp_path: Path) -> None:
    """When each name came, and when it was gone; the versions in their order as numbers."""
    for version, flag, variable, key in (
        ("0.9.0", "--old", "VLLM_OLD", "level"),
        ("0.10.0", "--old", "VLLM_NEW", "mode"),
        ("0.11.0", "--new", "VLLM_NEW", "mode"),
    ):
        package = tmp_path / version / "vllm"
        (package / "engine").mkdir(parents=True)
        (package / "engine" / "arg_utils.py").write_text(f"group.add_argument('{flag}', '-f')")
        (package / "envs.py").write_text(f"environment_variables = {{'{variable}': None}}")
        (package / "config.py").write_text(f"class AConfig:\n    {key}: int = 3")
    vllm_releases.main(tmp_path, tmp_path / "releases.json")

    assert json.loads((tmp_path / "releases.json").read_text()) == {
        "read": ["0.9.0", "0.10.0", "0.11.0"],
        "flags": {"--new": ["0.11.0"], "--old": ["0.9.0", "0.11.0"]},
        "variables": {"VLLM_NEW": ["0.10.0"], "VLLM_OLD": ["0.9.0", "0.10.0"]},
        "keys": {"AConfig.level": ["0.9.0", "0.10.0"], "AConfig.mode": ["0.10.0"]},
    }
