"""A look at a watched server shows what its requests carry, and no more."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

from rich.console import Console

from tuner.evaluate.watched import Figures, Late, Watched
from tuner.report.watch import line, summary, table, watched_document
from tuner.stats.quantiles import Bound

FIGURES = Figures(
    n=120,
    quantiles={
        "e2e": {
            0.5: Bound(0.2, 0.19, 0.21),
            0.95: Bound(0.5, 0.4, None),
            0.99: Bound(0.6, None, None),
        }
    },
    late={"e2e p99 <= 800 ms": Late(0, 2, 120)},
    throughput={"requests_per_s": 0.2, "output_tokens_per_s": None},
    guard={"valid": Bound(1.0, 0.97, 1.0)},
)
SEEN = Watched(3723.4, 600.0, "lost", "met", FIGURES, missed=("e2e p99 <= 800 ms",))
NONE = Figures(0, {"e2e": {0.5: Bound(None, None, None)}}, {}, {"requests_per_s": None})


def test_no_percentile_is_shown_that_n_does_not_carry() -> None:
    """A lower end stands alone where there is one; without any there is a dash."""
    said = line(SEEN)

    assert said.startswith("1:02:03  n 120, e2e p50 ms 200 [190, 210], ")
    assert "e2e p95 ms [400, ?], e2e p99 ms -, late 0 to 2, req/s 0.2, " in said
    assert "tok/s" not in said
    assert said.endswith("* lost: e2e p99 <= 800 ms")


def test_the_document_has_no_value_there_either() -> None:
    """It is JSON, with every number in seconds."""
    document = json.loads(json.dumps(watched_document(SEEN), allow_nan=False))

    assert document["e2e"]["0.99"] == {"value": None, "low": None, "high": None}
    assert document["e2e"]["0.95"] == {"value": None, "low": 0.4, "high": None}
    assert document["late"] == {"e2e p99 <= 800 ms": {"least": 0, "most": 2, "n": 120}}
    assert (document["state"], document["changed"]) == ("lost", True)


def test_a_window_without_requests_says_so() -> None:
    """It is undecided, with no figure."""
    empty = replace(SEEN, state="undecided", before="undecided", figures=NONE, missed=())

    assert line(empty) == "1:02:03  n 0, e2e p50 ms -  undecided: no request in the last window"
    assert summary(empty, "it adds little")[0].endswith("after 1:02:03; it adds little")
    assert summary(None, "") == ["undecided: nothing was seen yet"]


def test_a_table_has_a_row_for_each_look() -> None:
    """And a column for what any of them tells."""
    console = Console(width=200, file=StringIO())
    console.print(table([SEEN, replace(SEEN, figures=NONE)]))
    shown = console.file.getvalue().splitlines()  # type: ignore[attr-defined]

    assert [w in shown[0] for w in ("after", "e2e p99 ms", "req/s", "state")] == [True] * 4
    assert len(shown) == 4
