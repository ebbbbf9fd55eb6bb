"""Events and lines out of stamped chunks: the same, however the network cuts them."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.load.sse import ends_events, events, stamped_lines

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

    assert [text for _, _, text in events(cut(raw, places))] == data


@given(st.binary(max_size=400), CUTS)
def test_any_bytes_give_the_same_events_however_cut(raw: bytes, places: list[int]) -> None:
    """Whatever a server sends, the network's cuts change neither the events nor their number."""
    whole, pieces = cut(raw, []), cut(raw, places)

    assert [e[1:] for e in events(pieces)] == [e[1:] for e in events(whole)]
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


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@given(data=st.lists(st.text(alphabet="abc é:", min_size=1), min_size=1, max_size=4), places=CUTS)
def test_lines_may_end_in_any_of_three_ways(end: bytes, data: list[str], places: list[int]) -> None:
    r"""\n, \r\n and \r end a line, also where a cut falls between the two; a BOM is skipped."""
    raw = b"\xef\xbb\xbf" + b"".join(b"data:" + d.encode() + end + end for d in data)
    wanted = [d.removeprefix(" ") for d in data if d != " "]

    assert [text for _, _, text in events(cut(raw, places))] == wanted


def test_several_lines_of_data_are_one_event() -> None:
    """Lines of data are joined by line breaks, and the type is that of the event alone."""
    raw = b"event: a\ndata: 1\ndata\ndata:2\nid: 7\n\ndata: 3\n\nevent: b\n\ndata: 4\n\n"

    assert list(events([(1, raw)])) == [(1, "a", "1\n\n2"), (1, "", "3"), (1, "", "4")]


@given(st.text(max_size=9), st.sampled_from([b"", b"\n", b"\r\n"]), CUTS)
def test_the_end_of_a_whole_body_ends_its_last_line(
    text: str, end: bytes, places: list[int]
) -> None:
    """Where the body came to its end, its last event and line need no end of their own."""
    last = json.dumps(text).encode() + end
    sent, lines = cut(b"data: 1\n\ndata: " + last, places), cut(b"1\n" + last, places)

    assert [t for _, _, t in events(sent, whole=True)] == ["1", json.dumps(text)]
    assert [t.strip() for _, t in stamped_lines(lines, whole=True)] == ["1", json.dumps(text)]


def test_done_is_a_line_of_its_own() -> None:
    """The end of a stream is told by a whole line, not by a text that speaks of it."""
    assert ends_events(b"data: [DONE]")
    assert ends_events(b"data:[DONE] ")
    assert not any(map(ends_events, (b'data: {"content":"data: [DONE]"}', b"data: [DON", b"")))


def test_an_event_without_its_end_did_not_arrive() -> None:
    """Bytes after the last line break are dropped."""
    assert list(events([(1, b"data: a\n\ndata: b")])) == [(1, "", "a")]
