"""Events and lines out of stamped chunks: the same, however the network cuts them."""

from __future__ import annotations

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from tuner.load.sse import events, stamped_lines

Chunks = list[tuple[int, bytes]]
CUTS = st.lists(st.integers(0, 400), max_size=12)


def cut(raw: bytes, places: list[int]) -> Chunks:
    """Return the bytes in pieces, cut at these places and stamped by where they end."""
    ends = sorted({min(p, len(raw)) for p in places} | {0, len(raw)})
    return [(b, raw[a:b]) for a, b in itertools.pairwise(ends)]


@given(st.lists(st.text(alphabet="abc é東\t", min_size=1), min_size=1, max_size=4), CUTS)
def test_events_do_not_depend_on_chunking(data: list[str], places: list[int]) -> None:
    """Comments, CRLF and any cut between chunks, within characters too, leave the same events."""
    raw = b"".join(b": ping\r\ndata: " + d.encode() + b"\r\n\r\n" for d in data)

    assert [text for _, text in events(cut(raw, places))] == data


@given(st.binary(max_size=400), CUTS)
def test_any_bytes_give_the_same_events_however_cut(raw: bytes, places: list[int]) -> None:
    """Whatever a server sends, the network's cuts change neither the events nor their number."""
    whole, pieces = cut(raw, []), cut(raw, places)

    assert [t for _, t in events(pieces)] == [t for _, t in events(whole)]
    assert [t for _, t in stamped_lines(pieces)] == [t for _, t in stamped_lines(whole)]


@given(st.binary(max_size=400), CUTS)
def test_a_line_has_arrived_with_its_last_byte(raw: bytes, places: list[int]) -> None:
    """A line's stamp is that of the chunk which held its end, never an earlier one."""
    ends = [i + 1 for i, byte in enumerate(raw) if byte == 0x0A]
    pieces = cut(raw, places)

    stamps = [stamp for stamp, _ in stamped_lines(pieces)]

    assert stamps == [min(at for at, _ in pieces if at >= end) for end in ends]


@given(st.lists(st.dictionaries(st.text(max_size=4), st.integers()), max_size=5), CUTS)
def test_lines_of_json_survive_any_cut(documents: list[dict[str, int]], places: list[int]) -> None:
    """NDJSON is read by the same lines: each document comes back whole."""
    raw = b"".join(json.dumps(d, ensure_ascii=False).encode() + b"\n" for d in documents)

    assert [json.loads(line) for _, line in stamped_lines(cut(raw, places))] == documents


def test_an_event_without_its_end_did_not_arrive() -> None:
    """Bytes after the last line break are dropped."""
    assert list(events([(1, b"data: a\n\ndata: b")])) == [(1, "a")]
