"""vLLM's own resolver, through a process in its Python; the stand-in is what it finds there."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from tests.vllm.pythons import model, python, script
from tuner.engines.vllm.preflight.resolver import Answer, Resolver, Unusable, in_a_sentence
from tuner.machine.counters import usable_cpus
from tuner.spec.beside import Limits

T = TypeVar("T")


def ask(folder: Path, *questions: tuple[str, ...], **variables: str) -> list[Answer]:
    """Return the answers of one helper to several questions."""

    async def work(resolver: Resolver) -> list[Answer]:
        return [await resolver.ask(words, {}) for words in questions]

    return use(Resolver(python(folder / "bin", **variables), folder / "log.txt"), work)


def use(resolver: Resolver, work: Callable[[Resolver], Awaitable[T]]) -> T:
    """Run work with a resolver and end it."""

    async def session() -> T:
        try:
            return await work(resolver)
        finally:
            await resolver.aclose()

    return asyncio.run(session())


def test_it_tells_what_becomes_of_flags(tmp_path: Path) -> None:
    """Values that vLLM cuts come back cut, with its warning, and the others as they were asked."""
    served = str(model(tmp_path / "model"))
    (answer,) = ask(tmp_path, (served, "--max-cudagraph-capture-size", "42", "--block-size", "16"))

    assert answer.refused is None
    assert answer.values["compilation.max_cudagraph_capture_size"] == 40
    assert answer.values["cache.block_size"] == 16
    assert "Truncating max_cudagraph_capture_size from 42 to 40" in answer.notes


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines so")
def test_it_yields_as_the_engine_does(tmp_path: Path) -> None:
    """Importing vLLM takes a core for many seconds, and production runs beside it."""
    last = max(usable_cpus())

    async def work(resolver: Resolver) -> list[tuple[int, list[int]]]:
        await resolver.ask((str(model(tmp_path / "model")),), {})
        return [(int(p.nice()), p.cpu_affinity()) for p in helpers()]

    limits = Limits(nice=7, cpus=(last,))
    found = use(Resolver(python(tmp_path / "bin"), tmp_path / "log.txt", limits), work)

    assert found == [(7, [last])]


def test_what_is_said_once_is_told_each_time(tmp_path: Path) -> None:
    """The first question, before vLLM sets up its logging, and later ones hear its warnings."""
    served = str(model(tmp_path / "model"))
    cut = (served, "--max-cudagraph-capture-size", "42")
    answers = ask(tmp_path, cut, (*cut, "--block-size", "16"))

    assert all("Truncating" in " ".join(answer.notes) for answer in answers)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--max-model-len", "9000"), "User-specified max_model_len (9000) is greater than"),
        (("--max-num-seqs", "9", "--max-num-batched-tokens", "8"), "must be greater than or equal"),
        (("--no-such-flag", "4"), "unrecognized arguments: --no-such-flag 4"),
        (("--block-size", "many"), "argument --block-size: invalid int value: 'many'"),
    ],
)
def test_what_vllm_refuses_is_told_in_a_sentence(
    words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    """A refusal is its own words, without what libraries write around them."""
    (answer,) = ask(tmp_path, (str(model(tmp_path / "model")), *words))

    assert answer.refused is not None
    assert said in answer.refused
    assert "\n" not in answer.refused
    assert "pydantic" not in answer.refused


def test_the_hash_names_what_is_compiled(tmp_path: Path) -> None:
    """Settings of the scheduler share it, others do not."""
    served = str(model(tmp_path / "model"))
    base, warm, cold = ask(
        tmp_path,
        (served, "--max-num-seqs", "8"),
        (served, "--max-num-seqs", "8", "--no-enable-prefix-caching"),
        (served, "--max-num-seqs", "16"),
    )

    assert base.compiled == warm.compiled != cold.compiled


def test_a_vllm_without_its_resolver_is_unusable(tmp_path: Path) -> None:
    """A version that keeps it elsewhere, or a broken one, says what is missing."""
    broken = tmp_path / "broken" / "vllm"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("__version__ = '0.1'\n")
    alone = script(tmp_path / "bin", f'PYTHONPATH={broken.parent} exec {_us()} -s "$@"')

    with pytest.raises(Unusable, match="make_arg_parser"):
        use(Resolver(alone, tmp_path / "log.txt"), lambda r: r.ask(("m",), {}))


@pytest.mark.parametrize("text", ["exit 3", "echo nonsense", "echo 5"])
def test_what_is_no_python_is_unusable(text: str, tmp_path: Path) -> None:
    """A program that ends, or answers otherwise, is told with where its log is."""
    other = script(tmp_path / "bin", text)

    with pytest.raises(Unusable):
        use(Resolver(other, tmp_path / "log.txt"), lambda r: r.ask(("m",), {}))


def test_nothing_of_it_is_left(tmp_path: Path) -> None:
    """Closing ends the helper, and so does the end of who asked."""
    served = str(model(tmp_path / "model"))
    ask(tmp_path, (served,))

    assert helpers() == []


def test_pydantic_is_taken_off() -> None:
    """What stands between "Value error" and the brackets is the sentence."""
    raised = "ValidationError: 1 validation error for X\n  Value error, a  b\n c. [type=value_error"

    assert in_a_sentence(raised) == "a b c."
    assert in_a_sentence("Refused: no such thing") == "no such thing"


def helpers() -> list[psutil.Process]:
    """Return the helpers that run; other tests of this process may have children of their own."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            found += [child] if "resolver_helper" in " ".join(child.cmdline()) else []
    return found


def _us() -> str:
    import sys

    return sys.executable
