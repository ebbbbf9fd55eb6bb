"""The memory pre-check: what cannot fit is refused with both numbers, before it is started."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tuner.testing
from tests import gguf_files
from tests.kernel_files import write
from tuner.engines.llamacpp.engine import KNOBS, LlamaCpp
from tuner.engines.memory import (
    BYTES_PER_VALUE,
    Room,
    cache_bytes,
    cached_per_token,
    ensure_fits,
    f16_bytes_per_token,
    needed_bytes,
    room,
)
from tuner.engines.models import default_path, from_gguf
from tuner.machine.kernel import Kernel
from tuner.spec.errors import StartFailed
from tuner.spec.values import Model
from tuner.testing.fake_engine import MODEL

RECORDED = Path(tuner.testing.__file__).parent / "recorded"
LOG = (RECORDED / "startup.log").read_text()
DEFAULT = {name: knob.default for name, knob in KNOBS.items()}
SMOLLM2 = Model("m", "m.gguf", weights_bytes=93 * 2**20, cached_per_token=30 * 3 * 2 * 64)

contexts = st.integers(1, 200_000)
slots = st.integers(1, 64)
kinds = st.sampled_from(sorted(BYTES_PER_VALUE))


def settings(num_ctx: int, num_parallel: int, kind: str = "f16") -> dict[str, Any]:
    """Return a candidate of the embedded engine."""
    return DEFAULT | {"num_ctx": num_ctx, "num_parallel": num_parallel, "kv_cache_type": kind}


def logged_facts() -> dict[str, Any]:
    """Return the numbers of the metadata that the recorded start printed."""
    pairs = re.findall(r"kv +\d+: +(\S+) u32 += (\d+)", LOG)
    return {name: int(value) for name, value in pairs} | {"general.architecture": "llama"}


def test_the_cache_is_as_large_as_llama_cpp_said() -> None:
    """Metadata and settings of the recorded start give the size that it logged."""
    (size,), (cells, seqs) = (
        re.findall(r"llama_kv_cache: size = +([\d.]+) MiB", LOG),
        re.findall(r"\( *(\d+) cells, +\d+ layers, +(\d+)/\d+ seqs\)", LOG)[0],
    )
    model = replace(SMOLLM2, cached_per_token=cached_per_token(logged_facts()))

    assert cache_bytes(model, settings(int(cells), int(seqs))) == float(size) * 2**20


@given(contexts, contexts, slots, kinds)
def test_a_longer_context_never_needs_less(one: int, other: int, parallel: int, kind: str) -> None:
    """The estimate grows with num_ctx, in steps of 256."""
    low, high = sorted((one, other))
    less = needed_bytes(SMOLLM2, settings(low, parallel, kind))
    more = needed_bytes(SMOLLM2, settings(high, parallel, kind))

    assert less <= more
    assert (less < more) == (-(-low // 256) < -(-high // 256))


@given(contexts, slots, kinds)
def test_each_slot_needs_as_much_again(num_ctx: int, parallel: int, kind: str) -> None:
    """The cache is proportional to num_parallel, the weights are there once."""
    one = cache_bytes(SMOLLM2, settings(num_ctx, 1, kind))
    all_of_them = cache_bytes(SMOLLM2, settings(num_ctx, parallel, kind))

    assert all_of_them == pytest.approx(parallel * one, abs=parallel)
    assert needed_bytes(SMOLLM2, settings(num_ctx, parallel, kind)) == all_of_them + 93 * 2**20


@given(contexts, slots)
def test_fewer_bits_need_less(num_ctx: int, parallel: int) -> None:
    """f16 takes more than q8_0, and q8_0 more than q4_0."""
    sizes = [cache_bytes(SMOLLM2, settings(num_ctx, parallel, k)) for k in ("f16", "q8_0", "q4_0")]

    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, 11520),
        ({"llama.attention.head_count_kv": [3] * 10 + [0] * 20}, 3840),
        ({"llama.attention.key_length": 128, "llama.attention.value_length": 128}, 23040),
        ({"llama.attention.sliding_window": 512}, None),
        ({"llama.attention.kv_lora_rank": 512}, None),
        ({"general.architecture": "mamba"}, None),
    ],
)
def test_what_one_token_keeps(changes: dict[str, Any], found: int | None) -> None:
    """Layers may differ, heads may be wider than usual; what caches otherwise is not guessed."""
    assert cached_per_token(logged_facts() | changes) == found


def test_what_cannot_fit_is_refused_with_both_numbers(tmp_path: Path) -> None:
    """Nothing is started, and the sentence holds what is needed and what is there."""
    huge = replace(MODEL, weights_bytes=2**50)
    engine = LlamaCpp(huge, tmp_path, ("never-started",))

    with pytest.raises(StartFailed, match=r"need 1073741824 MiB, available are \d+ MiB") as failed:
        asyncio.run(engine.apply(DEFAULT))

    assert failed.value.reason == "out_of_memory"
    assert list(tmp_path.iterdir()) == []


def test_what_fits_is_let_through() -> None:
    """Exactly as much as there is fits, and an unknown model is never refused."""
    needed = needed_bytes(SMOLLM2, DEFAULT)

    ensure_fits(SMOLLM2, DEFAULT, Room(needed, 2**40))
    ensure_fits(MODEL, DEFAULT, Room(0, 2**40))
    with pytest.raises(StartFailed):
        ensure_fits(SMOLLM2, DEFAULT, Room(needed - 1, 2**40))


MIB = 2**20
MEMINFO = {"proc/meminfo": f"MemTotal: {4 * 2**20} kB\nMemAvailable: {2**20} kB\n"}
INNER = {"proc/self/cgroup": "0::/outer/inner\n", "sys/fs/cgroup/outer/inner/cgroup.procs": ""}


def v2(folder: str, limit: int | str, taken: int = 0, stat: str = "") -> dict[str, str]:
    """Return the files of a cgroup of version 2 that has so many MiB and has taken some."""
    at = f"sys/fs/cgroup/{folder}"
    allowed = f"{limit * MIB}" if isinstance(limit, int) else limit
    return {
        f"{at}memory.max": f"{allowed}\n",
        f"{at}memory.current": f"{taken * MIB}\n",
        f"{at}memory.stat": stat,
    }


@pytest.mark.parametrize(
    ("files", "mib", "limit_mib", "cgroup"),
    [
        ({}, 1024, 4096, None),
        (v2("", "max", 900), 1024, 4096, None),
        (v2("", 2048, 900), 1024, 4096, None),  # it leaves more than the machine has
        (v2("", 512, 100), 412, 512, "sys/fs/cgroup"),
        (v2("", 512, 600), 0, 512, "sys/fs/cgroup"),
        (v2("", 512, 300, f"inactive_file {200 * MIB}\nactive_file {50 * MIB}\n"), 462, 512,
         "sys/fs/cgroup"),
        ({**v2("", "max"), "sys/fs/cgroup/memory.high": f"{300 * MIB}"}, 300, 300,
         "sys/fs/cgroup"),
        (INNER | v2("outer/inner/", 512, 100), 412, 512, "sys/fs/cgroup/outer/inner"),
        (INNER | v2("outer/inner/", 512, 100) | v2("outer/", 600, 500), 100, 600,
         "sys/fs/cgroup/outer"),
        (INNER | v2("outer/inner/", "max", 100) | v2("outer/", 600, 500), 100, 600,
         "sys/fs/cgroup/outer"),
        ({"proc/self/cgroup": "3:cpu:/x\n2:memory:/box\n",
          "sys/fs/cgroup/memory/box/memory.limit_in_bytes": f"{256 * MIB}\n",
          "sys/fs/cgroup/memory/box/memory.usage_in_bytes": f"{200 * MIB}\n",
          "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2**63 - 4096}\n"},
         56, 256, "sys/fs/cgroup/memory/box"),
        (v2("", "nonsense", 900), 1024, 4096, None),
    ],
)  # fmt: skip
def test_the_tightest_of_machine_and_cgroups_counts(
    tmp_path: Path, files: dict[str, str], mib: int, limit_mib: int, cgroup: str | None
) -> None:
    """What a cgroup leaves is its limit less what is taken in it, cached files aside."""
    found = room(write(tmp_path, MEMINFO | files))

    expected = None if cgroup is None else tmp_path / cgroup
    assert found == Room(mib * MIB, limit_mib * MIB, expected)


def test_the_refusal_names_the_limit(tmp_path: Path) -> None:
    """Whether it is the machine's or a cgroup's tells what has to be raised."""
    kernel = write(tmp_path, MEMINFO | v2("", 20))

    with pytest.raises(StartFailed, match=r"are 20 MiB within the limit of 20 MiB of the cgroup"):
        ensure_fits(SMOLLM2, DEFAULT, room(kernel))
    with pytest.raises(StartFailed, match=r"are 0 MiB of the machine's 4096 MiB"):
        ensure_fits(SMOLLM2, DEFAULT, Room(0, 4096 * MIB))


def test_without_files_it_is_what_the_machine_says(tmp_path: Path) -> None:
    """Another system has no such files, and memory all the same."""
    found = room(Kernel(tmp_path / "proc", tmp_path / "sys"))

    assert 0 < found.bytes <= found.total == psutil.virtual_memory().total


@pytest.mark.embedded
def test_the_default_model_tells_its_size() -> None:
    """The packaged model's own file gives weights and cache."""
    model = from_gguf(default_path())

    assert model.weights_bytes == default_path().stat().st_size
    assert model.cached_per_token == SMOLLM2.cached_per_token


def test_the_cache_of_a_token_follows_from_the_metadata() -> None:
    """30 layers x 3 KV heads x (64 + 64) x 2 bytes, as for SmolLM2-135M."""
    assert f16_bytes_per_token(gguf_files.LLAMA) == 23_040


def test_heads_may_differ_by_layer_and_lengths_be_given() -> None:
    """Lists count layer by layer; key and value lengths win over the embedding's."""
    facts = dict(gguf_files.LLAMA) | {
        "llama.attention.head_count_kv": [0, 2, 4],
        "llama.attention.key_length": 128,
        "llama.attention.value_length": 32,
    }

    assert f16_bytes_per_token(facts) == 2 * 6 * 160


@pytest.mark.parametrize(
    "changes",
    [
        {"general.architecture": "other"},
        {"llama.attention.head_count": 0},
        {"llama.embedding_length": "wide"},
        {"llama.block_count": None, "llama.attention.head_count_kv": None},
        {"llama.attention.key_length": "long"},
    ],
)
def test_metadata_that_does_not_tell_gives_none(changes: dict[str, Any]) -> None:
    """A file that lacks a number, or has another type for it, bounds no context."""
    assert f16_bytes_per_token(dict(gguf_files.LLAMA) | changes) is None
