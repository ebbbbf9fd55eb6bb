"""The help of the installed version is read once, by running it."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from tests.engines.vllm.installed.flags.known import FLAGS, HELP, VERSION, recorded
from tuner.engines.vllm.installed.flags.installed_flags import (
    cache_folder,
    installed_flags,
    installed_variables,
)
from tuner.spec.errors import EngineMissing

PRINTS = """
    import pathlib
    runs = pathlib.Path("runs")
    runs.write_text((runs.read_text() if runs.exists() else "") + "run\\n")
    print(pathlib.Path("help.txt").read_text(encoding="utf-8"), end="")
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a package whose help a program prints from the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "help.txt").write_text(HELP, encoding="utf-8")
    folder = tmp_path / "vllm"
    for name, path in (
        ("arg_utils", "engine/arg_utils.py"),
        ("cli_args", "entrypoints/launchers/cli_args.py"),
        ("config", "config/all.py"),
        ("envs", "envs.py"),
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(recorded(name), encoding="utf-8")
    return folder


def printing(program: str) -> list[str]:
    """Return a command that runs a program."""
    return [sys.executable, "-c", textwrap.dedent(program)]


def runs() -> int:
    """Return how often the help was printed."""
    return len(Path("runs").read_text().split())


def test_the_help_is_read_once_for_each_version(package: Path, tmp_path: Path) -> None:
    """From a file afterwards; again for another version, and when the package was written anew."""
    cache, command = tmp_path / "cache", printing(PRINTS)
    first = installed_flags(command, package, VERSION, cache)
    second = installed_flags(command, package, VERSION, cache)

    assert first.all == second.all == FLAGS.all
    assert first.keys == FLAGS.keys
    assert runs() == 1
    installed_flags(command, package, "0.33.0", cache)
    assert runs() == 2
    source = package / "engine" / "arg_utils.py"
    source.write_text(source.read_text() + "\n# written anew")
    installed_flags(command, package, VERSION, cache)
    assert runs() == 3


def test_a_file_that_is_broken_is_read_anew(package: Path, tmp_path: Path) -> None:
    """Half a file is no help."""
    cache, command = tmp_path / "cache", printing(PRINTS)
    installed_flags(command, package, VERSION, cache)
    for kept in cache.iterdir():
        kept.write_bytes(b"\xff\x00")

    assert installed_flags(command, package, VERSION, cache).all == FLAGS.all
    assert runs() == 2


def test_a_folder_that_cannot_be_written_to_costs_time_only(package: Path, tmp_path: Path) -> None:
    """The help is read each time."""
    (tmp_path / "file").write_text("")

    assert installed_flags(printing(PRINTS), package, VERSION, tmp_path / "file").all == FLAGS.all


def test_without_the_source_the_help_is_enough(package: Path, tmp_path: Path) -> None:
    """Then fewer values are checked, and no variable."""
    flags = installed_flags(printing(PRINTS), tmp_path / "nowhere", VERSION, tmp_path / "cache")

    assert len(flags.all) == len(FLAGS.all)
    assert installed_variables(tmp_path / "nowhere") is None
    assert len(installed_variables(package) or ()) == 316


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("raise SystemExit('No module named vllm')", r"exit code 1: No module named vllm"),
        ("raise SystemExit(3)", r"exit code 3: without a word"),
        ("print('usage: something else')", r"lists no flags; run `vllm serve --help=all`"),
    ],
)
def test_a_program_without_flags_is_no_engine(
    package: Path, tmp_path: Path, program: str, sentence: str
) -> None:
    """And nothing of it is kept."""
    with pytest.raises(EngineMissing, match=sentence):
        installed_flags(printing(program), package, VERSION, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_program_that_is_not_there_is_told(package: Path, tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(EngineMissing, match=r"no-vllm --help=all` cannot be run"):
        installed_flags([str(tmp_path / "no-vllm"), "--help=all"], package, VERSION, tmp_path)


def test_the_folder_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where other programs keep such files too."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "modelfile-tuner" / "vllm"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "modelfile-tuner" / "vllm"
