"""The space of a first study: it fits the machine, and the baseline lies inside."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tuner.engines.first_study import Machine, Origin
from tuner.engines.ollama.first_study import draft, parameter_space
from tuner.spec.space import Range

SMALL = Origin("m.gguf", "m.gguf", "m", "llamacpp", 90_000_000, 23_040, 8192)
MACHINE = Machine(2, 2 * 2**30)


@given(
    st.integers(1, 300),
    st.integers(0, 2**40),
    st.integers(0, 2**38),
    st.none() | st.integers(1, 2**20),
    st.none() | st.integers(1, 2**21),
)
def test_the_space_fits_the_machine(
    cores: int, memory: int, weights: int, trained: int | None, kv: int | None
) -> None:
    """No thread beyond the cores, no context beyond training or memory, but the baseline's."""
    origin = replace(SMALL, weights_bytes=weights, train_ctx=trained, kv_bytes=kv)
    values = {"num_ctx": 3000, "num_predict": 256, "num_batch": 512, "temperature": 0.8,
              "top_k": 40, "top_p": 0.9}  # fmt: skip
    found = parameter_space.space(values, origin, Machine(cores, memory))
    others = [n for n in found["num_ctx"] if n != 3000]

    assert 3000 in found["num_ctx"]
    assert max(found.get("num_thread", [cores])) == cores
    assert all(n & (n - 1) == 0 and n >= 512 for n in others)
    assert all(trained is None or n <= trained for n in others)
    assert all(kv is None or weights + n * kv <= 0.8 * memory for n in others)


@given(st.integers(1, 100_000))
def test_steps_hit_the_baseline_s_limit(limit: int) -> None:
    """The range of output limits ends exactly at the baseline's, in a moderate number of steps."""
    knobs = {"num_ctx": 4096, "num_batch": 512, "temperature": 0.8, "top_k": 40, "top_p": 0.9}
    found = parameter_space.space({**knobs, "num_predict": limit}, SMALL, MACHINE)["num_predict"]
    dimension = Range(found["low"], found["high"], found["step"])

    assert dimension.nearest(limit) == limit
    assert (found["high"] - found["low"]) % found["step"] == 0
    assert len(dimension) <= 130


def test_what_ollama_does_unasked_lies_in_the_space() -> None:
    """Its own choice of threads is searched beside each number of them."""
    knobs = {"num_ctx": 4096, "num_batch": 512, "temperature": 0.8, "top_k": 40, "top_p": 0.9}
    found = draft.space({**knobs, "num_predict": 64}, replace(SMALL, engine="ollama"), MACHINE)

    assert found["num_thread"] == [
        0,
        *parameter_space.space({**knobs, "num_predict": 64}, SMALL, MACHINE)["num_thread"],
    ]


def test_memory_that_bounds_nothing_leaves_the_trained_context() -> None:
    """Where a GPU's memory counts, only training bounds a window."""
    large = replace(SMALL, weights_bytes=2**40, kv_bytes=2**20)
    boundless = replace(MACHINE, memory_bytes=None)
    found = [parameter_space.most_context(large, m) for m in (MACHINE, boundless)]

    assert found == [0, 8192]
