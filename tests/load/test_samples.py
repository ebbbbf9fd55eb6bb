"""Samples in a file: what was measured comes back, and a line that is none is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.load import samples as sample_file
from tuner.spec.errors import InputError
from tuner.spec.values import Sample


@given(
    st.lists(
        st.builds(
            Sample,
            prompt_id=st.text(max_size=5), kind=st.text(max_size=5),
            planned_ns=st.integers(0), sent_ns=st.integers(0),
            first_ns=st.none() | st.integers(0), last_ns=st.none() | st.integers(0),
            connect_ns=st.integers(0), prompt_tokens=st.none() | st.integers(0),
            output_tokens=st.none() | st.integers(0), finish=st.none() | st.text(max_size=5),
            outcome=st.sampled_from(["ok", "error"]), error=st.none() | st.text(max_size=5),
            answer=st.text(max_size=20), guard=st.none(), by_chunks=st.booleans(),
            unknown_fields=st.lists(st.text(max_size=3), max_size=2).map(tuple),
            server=st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
        ),
        max_size=4,
    )
)  # fmt: skip
def test_samples_survive_their_file(
    tmp_path_factory: pytest.TempPathFactory, samples: list[Sample]
) -> None:
    """Line breaks, quotes and any Unicode in an answer come back as they were."""
    path = tmp_path_factory.mktemp("s") / "samples.jsonl"
    sample_file.write(path, samples)

    assert list(sample_file.read(path)) == samples


@pytest.mark.parametrize("line", ["{oops", "[]", "7", "null", "{}", '{"unknown_fields": null}'])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    """File and line number are in the message."""
    path = tmp_path / "samples.jsonl"
    path.write_text(f"\n{line}\n")

    with pytest.raises(InputError, match=r"samples\.jsonl:2: not a sample"):
        sample_file.read(path)
