"""The section `beside` of a study: sizes, sets of CPUs, and what belongs together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tuner.spec.beside import (
    Beside,
    Limits,
    Metric,
    PauseWhile,
    Production,
    Threshold,
    cpu_list,
)
from tuner.spec.errors import InputError
from tuner.spec.file.beside_part import parse_cpus, parse_size
from tuner.spec.study import Study, load

HEALTH = "http://127.0.0.1:8000/health"
METRIC = {"url": "http://127.0.0.1:8000/metrics", "name": "vllm:num_requests_running", "above": 4}


def read(folder: Path, beside: Any) -> Study:
    """Return a study with such a section."""
    (folder / "prompts.jsonl").write_text('{"template": "one"}\n')
    study = {
        "version": 1, "name": "small", "engine": {"kind": "fake"},
        "workload": {"prompts": "prompts.jsonl"}, "beside": beside,
    }  # fmt: skip
    (folder / "tune.yaml").write_text(yaml.safe_dump(study))
    return load(folder / "tune.yaml")


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GiB", 2**32), ("512M", 2**29), (" 1.5 G ", 3 * 2**29), ("2T", 2**41), ("16384KiB", 2**24)],
)
def test_sizes_are_binary(text: str, size: int) -> None:
    """As systemd and Docker read them."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["4", 4, "4GB", "-1G", "1KiB", "lots", "", None, True, "1e3G"])
def test_a_size_without_a_unit_or_a_sense_is_refused(text: Any) -> None:
    """A bare 4 may have been meant as anything; less than 16 MiB holds no model."""
    with pytest.raises(ValueError, match="expected a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "cpus"),
    [(2, 2), ("2", 2), ("2-3", (2, 3)), ("0,2", (0, 2)), ("3,", (3,)), ("2-2", (2,)),
     ("4, 0-1", (0, 1, 4)), ("1,1", (1,))],
)  # fmt: skip
def test_a_number_is_how_many_cpus_and_a_list_is_which(text: Any, cpus: Any) -> None:
    """The one CPU number 3 is a list of one."""
    assert parse_cpus(text) == cpus


@pytest.mark.parametrize("text", [0, "0", "3-2", "a", "", "1-", "-1", 1.5, True, None, "9999", ","])
def test_other_cpus_are_refused(text: Any) -> None:
    """With what was expected."""
    with pytest.raises(ValueError, match="expected"):
        parse_cpus(text)


@given(st.sets(st.integers(0, 300), min_size=2))
def test_a_list_of_cpus_reads_as_it_is_written(cpus: set[int]) -> None:
    """Whatever the numbers, `cpu_list` writes what `parse_cpus` reads."""
    assert parse_cpus(cpu_list(cpus)) == tuple(sorted(cpus))


def test_so_many_cpus_are_the_last_ones() -> None:
    """And no more than there are, and none that may not be used."""
    assert Limits(cpus=2).cpus_of({0, 1, 4, 7}) == (4, 7)
    assert Limits(cpus=(0, 7)).cpus_of({0, 1, 4, 7}) == (0, 7)
    assert Limits().cpus_of({0}) is None
    with pytest.raises(ValueError, match="at most 1 CPUs, found 2"):
        Limits(cpus=2).cpus_of({5})
    with pytest.raises(ValueError, match="expected CPUs of 0-1, found 7"):
        Limits(cpus=(1, 7)).cpus_of({0, 1})


def test_a_section_says_all(tmp_path: Path) -> None:
    """Limits, loads and commands arrive as values."""
    study = read(tmp_path, {
        "nice": 10, "cpus": "0-1", "memory": "4GiB", "pause": ["stop", 1], "resume": ["start"],
        "health": HEALTH, "deadline": "30s",
        "pause_while": {"cpu": 0.5, "gpu_memory": 0.8, "metrics": METRIC, "patience": "1h"},
    })  # fmt: skip

    metric = Metric(METRIC["url"], METRIC["name"], Threshold(4.0))  # type: ignore[arg-type]
    assert study.limits == Limits(10, (0, 1), 2**32)
    assert study.beside == Beside(
        PauseWhile(Threshold(0.5), None, Threshold(0.8), (metric,), 3600.0),
        Production(("stop", "1"), ("start",), HEALTH, 30.0),
    )


def test_metrics_may_be_several_and_a_load_may_be_low(tmp_path: Path) -> None:
    """What is busy where a number is small, as free slots are, says `below`."""
    free = {"url": METRIC["url"], "name": "free_slots", "below": 2}
    study = read(tmp_path, {"pause_while": {"metrics": [METRIC, free]}})

    assert study.beside is not None and study.beside.pause_while is not None
    assert [m.threshold for m in study.beside.pause_while.metrics] == [
        Threshold(4.0), Threshold(2.0, above=False),
    ]  # fmt: skip
    assert study.limits is None


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        ({"nice": -5}, "beside.nice"),
        ({"nice": 20}, "beside.nice"),
        ({"cpus": "3-1"}, "beside.cpus: expected CPUs from 0"),
        ({"memory": 4}, "beside.memory: expected a size such as 4GiB"),
        ({"pause": ["a"]}, "pause, resume and health belong together"),
        ({"pause": "systemctl stop x", "resume": ["a"], "health": HEALTH}, "beside.pause"),
        ({"pause": [], "resume": ["a"], "health": HEALTH}, "beside.pause"),
        ({"pause": ["a"], "resume": ["a"], "health": "nowhere"}, "beside.health: expected"),
        ({"pause_while": {}}, "name at least one of cpu, gpu, gpu_memory and metrics"),
        ({"pause_while": {"cpu": 50}}, "beside.pause_while.cpu"),
        ({"pause_while": {"metrics": []}}, "beside.pause_while.metrics"),
        ({"pause_while": {"metrics": {**METRIC, "below": 1}}}, "exactly one of above and below"),
        ({"pause_while": {"metrics": {**METRIC, "url": "x"}}}, "beside.pause_while.metrics"),
        ({"pause_while": {"metrics": [{**METRIC, "abov": 1}]}}, "abov"),
        ({"paus": ["a"]}, "did you mean pause?"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, beside: Any, said: str) -> None:
    """With the key and what was expected."""
    with pytest.raises(InputError) as wrong:
        read(tmp_path, beside)

    assert said in str(wrong.value)
    assert "tune.yaml" in str(wrong.value)


@given(st.floats(0.01, 1e6), st.booleans(), st.floats(0, 1e6))
def test_no_load_is_busy_and_calm_at_once(limit: float, above: bool, load: float) -> None:
    """Between the two lies what is neither, so that a load that wavers switches nothing."""
    threshold = Threshold(limit, above)

    assert not (threshold.crossed(load) and threshold.calm(load))
