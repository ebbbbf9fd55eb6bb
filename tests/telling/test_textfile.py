"""Metrics of a night: what is known as Prometheus reads it, and nothing of what is not."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.telling.nights import UNKNOWN, WHOLE
from tuner.spec.errors import OutputError
from tuner.telling.night import Night, Side
from tuner.telling.textfile import write_textfile

Read = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def read(path: Path) -> Read:
    """Return each sample of a file by its name and its labels, without the name in service."""
    families = text_string_to_metric_families(path.read_bytes().decode())
    return {
        (s.name, frozenset(p for p in s.labels.items() if p[0] != "name")): s.value
        for family in families
        for s in family.samples
    }


def sample(found: Read, name: str, **labels: str) -> float | None:
    """Return a sample, None where there is none."""
    return found.get((name, frozenset(labels.items())))


def test_all_that_is_known_is_written(tmp_path: Path) -> None:
    """Under the names that dashboards and rules use."""
    found = read(write_textfile(WHOLE, tmp_path))

    assert sample(found, "tuner_retune_last_run_timestamp_seconds") == 1_790_000_000.5
    assert sample(found, "tuner_retune_last_success_timestamp_seconds") == 1_790_000_000.5
    assert sample(found, "tuner_retune_duration_seconds") == 7200.25
    assert sample(found, "tuner_retune_decision", decision="promoted") == 1
    assert sample(found, "tuner_retune_decision", decision="rolled_back") == 0
    assert sample(found, "tuner_trials_total", state="finished") == 41
    assert sample(found, "tuner_e2e_seconds", role="incumbent", quantile="0.99") == 0.91
    assert sample(found, "tuner_e2e_seconds", role="candidate", quantile="0.99") == float("inf")
    assert sample(found, "tuner_ttft_seconds", role="candidate", quantile="0.99") == 0.1
    assert sample(found, "tuner_tpot_seconds", role="incumbent", quantile="0.99") == 0.02
    assert sample(found, "tuner_goodput_requests_per_second", role="candidate") == 4.5
    assert sample(found, "tuner_json_valid_ratio", role="incumbent") == 0.98
    assert sample(found, "tuner_regression", metric="ttft") == 1
    assert sample(found, "tuner_regression", metric="e2e") == 0
    assert sample(found, "tuner_untold_targets") == 0
    config = {"engine": "pebble", "model": 'a "model"\\\n', "config_hash": "0123456789abcdef"}
    assert sample(found, "tuner_config_info", **config) == 1


def test_what_is_unknown_has_no_sample(tmp_path: Path) -> None:
    """It is not zero."""
    found = read(write_textfile(WHOLE, tmp_path))

    assert sample(found, "tuner_tpot_seconds", role="candidate", quantile="0.99") is None
    assert sample(found, "tuner_regression", metric="tpot") is None
    assert list(read(write_textfile(UNKNOWN, tmp_path))) == [
        ("tuner_retune_last_run_timestamp_seconds", frozenset())
    ]


def test_each_name_in_service_has_a_file_of_its_own(tmp_path: Path) -> None:
    """That the collector takes for one; the name itself is a label."""
    names = ["a", "a:b", "a-b", "../a", "A b"]
    paths = [write_textfile(replace(UNKNOWN, name=name), tmp_path) for name in names]

    assert len(set(paths)) == len(names)
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert all(path.suffix == ".prom" for path in paths)
    [family] = text_string_to_metric_families(paths[1].read_text())
    assert family.samples[0].labels == {"name": "a:b"}


def test_another_user_may_read_it_whatever_the_mask(tmp_path: Path) -> None:
    """node_exporter is one."""
    before = os.umask(0o077)
    try:
        path = write_textfile(UNKNOWN, tmp_path)
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_who_reads_it_meanwhile_sees_one_night_whole(tmp_path: Path) -> None:
    """Never the beginning of a file."""
    nights = [replace(WHOLE, name="chat", ran_at=float(at)) for at in range(200)]
    path = write_textfile(nights[0], tmp_path)
    whole = len(path.read_text().splitlines())
    writes = threading.Thread(target=lambda: [write_textfile(n, tmp_path) for n in nights])
    writes.start()
    lines = set()
    while writes.is_alive():
        lines.add(len(path.read_text().splitlines()))
    writes.join()

    assert lines == {whole}


@pytest.mark.parametrize("folder", ["gone", "file"])
def test_a_folder_that_cannot_be_written_is_named(folder: str, tmp_path: Path) -> None:
    """With what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(
        OutputError, match=r"cannot write the metrics .*; let notify\.textfile name"
    ):
        write_textfile(UNKNOWN, tmp_path / folder)


NUMBERS = st.none() | st.floats(allow_nan=False)
SIDES = st.builds(
    Side,
    st.dictionaries(st.floats(0.01, 0.999), NUMBERS, max_size=3),
    goodput=NUMBERS,
    valid=NUMBERS,
)


@given(
    st.builds(
        Night,
        st.text(min_size=1),
        st.floats(0, 4e9),
        st.none() | st.floats(0, 4e9),
        trials=st.dictionaries(st.text(), st.integers(0, 10**9), max_size=3),
        sides=st.dictionaries(st.sampled_from(["incumbent", "candidate"]), SIDES),
        lost=st.dictionaries(st.text(), st.none() | st.booleans(), max_size=3),
    )
)
def test_any_night_is_read_by_prometheus_s_own_parser(
    tmp_path_factory: pytest.TempPathFactory, night: Night
) -> None:
    """Whatever is in its texts, with as many samples as are known."""
    found = read(write_textfile(night, tmp_path_factory.mktemp("metrics")))

    known = [v for side in night.sides.values() for v in (*side.e2e_s.values(), side.goodput)]
    assert sum(
        n in ("tuner_e2e_seconds", "tuner_goodput_requests_per_second") for n, _ in found
    ) <= (len([v for v in known if v is not None]))
    assert sample(found, "tuner_retune_last_run_timestamp_seconds") == night.ran_at
