"""A report shows what its folder holds, each number by its place in the data that it carries."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.report.page.parsed import Page, ensure_recomputed, unplaced
from tuner.report.markdown import markdown
from tuner.report.page.page import page
from tuner.spec.errors import InputError
from tuner.workflow.reporting.report import data, in_markdown, write_at_the_end, write_report


@pytest.fixture(scope="module")
def shown(folder: Path) -> Page:
    """Give the page that the run wrote at its end."""
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def samples(trial: Path) -> Iterator[dict[str, Any]]:
    """Yield the measured requests of a trial's folder."""
    for line in (trial / "samples.jsonl").read_text().splitlines():
        if not (sample := json.loads(line))["warmup"]:
            yield sample


def seconds(trial: Path) -> list[float]:
    """Return the latencies of a trial's folder, from its stamps alone."""
    return [
        (s["last_ns"] - s["sent_ns"]) / 1e9 if s["outcome"] == "ok" else math.inf
        for s in samples(trial)
    ]


def facts(trial: Path) -> dict[str, Any]:
    """Return what a trial's folder tells of it."""
    found: dict[str, Any] = json.loads((trial / "trial.json").read_text())
    return found


def test_each_number_is_what_the_data_say(shown: Page) -> None:
    """Whatever the page shows, its place in the data gives the same number, to the last digit."""
    assert len(shown.figures) > 200 and shown.data["knobs"]["found"]
    ensure_recomputed(shown)


def test_no_number_is_without_a_place(shown: Page) -> None:
    """Outside of figures, code and explanations there is no digit but in the name of a quantile."""
    assert unplaced(shown) == []


def test_the_page_carries_what_the_command_prints(shown: Page, folder: Path) -> None:
    """`tune report --json` and the page's data are one document."""
    assert shown.data == data(folder)
    assert shown.data["schema"] == "tuner.report/1"


def test_latencies_are_those_of_the_samples(shown: Page, folder: Path) -> None:
    """Each point of a curve is the latency of its rank, and the slowest are all there."""
    for side in ("baseline", "best"):
        candidate = shown.data["document"][side]["candidate"]
        trials = [
            t for t in (folder / "trials").iterdir()
            if facts(t)["place"]["phase"] == "confirmation"
            and json.loads((t / "candidate.json").read_text()) == candidate
        ]  # fmt: skip
        every = sorted(s for t in trials for s in seconds(t))
        told = shown.data["latencies"]["e2e"][side]

        assert told["n"] == len(every) == shown.data["document"][side]["n"]
        assert all(every[rank - 1] == s for rank, s in told["points"])
        ranks = [rank for rank, _ in told["points"]]
        assert ranks[-1] == len(every) - told["never"] and ranks[0] == 1
        assert max(np.diff(ranks)) - 1 == told["gap"]
        assert ranks[-told["slowest"] :] == list(
            range(ranks[-1] - told["slowest"] + 1, ranks[-1] + 1)
        )


def place(chart: dict[str, str], axis: str, value: float) -> float:
    """Return where a value lies on a scale, as the drawing says."""
    low, high, start, end, kind = chart[f"data-{axis}"].split()
    a, b = float(low), float(high)
    share = math.log(value / a) / math.log(b / a) if kind == "log" else (value - a) / (b - a)
    return float(start) + share * (float(end) - float(start))


def test_curves_are_drawn_where_the_latencies_are(shown: Page) -> None:
    """A request of rank r of n lies at its latency and at the share (r - 0.5) / n."""
    curves = [e for e in shown.drawn if "data-side" in e.attributes]

    assert {c.attributes["data-side"] for c in curves} == {"baseline", "best"}
    for curve in curves:
        told = shown.data["latencies"]["e2e"][curve.attributes["data-side"]]
        drawn = re.findall(r"[MH]([\d.]+)[ V]([\d.]+)", curve.attributes["d"])
        assert len(drawn) == len(told["points"]) == told["drawn"]
        for (x, y), (rank, s) in zip(drawn, told["points"], strict=True):
            rarity = -math.log10(1 - (rank - 0.5) / told["n"])
            assert float(x) == pytest.approx(place(curve.chart, "x", s), abs=0.06)
            assert float(y) == pytest.approx(place(curve.chart, "y", rarity), abs=0.06)


def test_ticks_say_where_they_are(shown: Page) -> None:
    """Each tick has the number of its value, and stands at its place."""
    factors = {"ms": 1000, "minutes": 1 / 60, "share": 100, "rarity": 100, "mib": 2.0**-20}
    ticks = [e for e in shown.drawn if e.tag == "tick"]

    assert len(ticks) > 30
    for t in ticks:
        value, unit = float(t.attributes["data-tick"]), t.attributes["data-as"]
        told = float(t.text.removesuffix(" %").replace(",", ""))
        assert told == pytest.approx(value * factors.get(unit, 1), rel=1e-5)
        if "data-x" in t.chart and t.attributes["y"] == "205":
            assert float(t.attributes["x"]) == pytest.approx(place(t.chart, "x", value), abs=0.1)


def test_estimates_of_trials_are_those_of_their_samples(shown: Page, folder: Path) -> None:
    """What the frontier and the trials show is computed again from each trial's folder."""
    shortlisted = [f.name.split("-")[0] for f in (folder / "trials").glob("*-more*")]
    once = [t for t in shown.data["document"]["trials"] if f"{t['number']:04d}" not in shortlisted]
    found = 0
    for trial in once:
        place = folder / "trials" / f"{trial['number']:04d}"
        if not place.exists():
            continue
        p95, estimate = np.quantile(seconds(place), [0.95, 1 - 0.5 / 20], method="higher")
        assert trial["e2e_p99_s"] == pytest.approx(estimate)
        assert trial["estimates_s"] == {"e2e p95 <= 300 ms": pytest.approx(p95)}
        right = [s["guard"] == "correct" for s in samples(place)]
        assert trial["correct"] == pytest.approx(sum(right) / len(right))
        found += 1
    assert found > 5


def test_the_course_adds_up(shown: Page, folder: Path) -> None:
    """Times, requests and starts of the parts are those of the whole run."""
    whole, parts = shown.data["document"]["spent"], shown.data["spent"]

    for ours, theirs in (("seconds", "seconds"), ("requests", "requests")):
        assert sum(p[ours] for p in parts) == pytest.approx(whole[theirs])
    assert sum(p["restarts"] for p in parts) <= whole["restarts"]
    blocks = {b["name"]: b for b in shown.data["blocks"]}
    assert len(blocks) > 3
    for name, block in blocks.items():
        assert block["median_s"] == pytest.approx(np.median(seconds(folder / "trials" / name)))
    counted = {o["outcome"]: o["trials"] for o in shown.data["outcomes"]}
    assert sum(counted.values()) == len(shown.data["document"]["trials"])


def test_headings_come_in_order(shown: Page) -> None:
    """One h1, and no level is left out on the way down."""
    assert shown.headings[0] == 1 and shown.headings.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(shown.headings, shown.headings[1:], strict=False))


def test_how_to_put_it_into_service_and_back(folder: Path) -> None:
    """The page shows the commands as they are typed."""
    text = (folder / "report.html").read_text()

    assert f"tune apply {folder} --name NAME\n" in text
    assert "tune rollback NAME" in text


def test_in_markdown(folder: Path) -> None:
    """The short form has the verdict, both sides, the settings and the commands."""
    text = in_markdown(folder)

    assert text.startswith(
        "## world\n\n**Proven**: 95 % of requests have their whole answer within"
    )
    assert "| | before | after |" in text and "| `num_batch` | 32 |" in text
    assert f"$ tune apply {folder} --name NAME\n$ tune rollback NAME\n" in text


def test_a_report_that_cannot_be_written_fails_no_run(folder: Path, tmp_path: Path) -> None:
    """What happened is told, and nothing is raised."""
    out = Path(shutil.copytree(folder, tmp_path / "copy"))
    notes: list[str] = []
    write_at_the_end(out, notes.append)
    (out / "report.html").unlink()
    (out / "report.html").mkdir()
    write_at_the_end(out, notes.append)
    (out / "result.json").write_text('{"schema": "tuner.result/1"}')
    write_at_the_end(out, notes.append)

    assert notes[0] == f"a page to show: {out / 'report.html'}"
    assert notes[1].startswith(f"report.html was not written: cannot write {out}")
    assert notes[2].startswith("report.html was not written (KeyError: ")


def changed(shown: Page, **document: Any) -> Page:
    """Return the page of a result that says something else."""
    island = shown.data | {"document": shown.data["document"] | document}
    return Page(page(island))


def test_what_a_server_says_cannot_become_a_part_of_the_page(shown: Page) -> None:
    """Neither in a text nor in the data; half of a surrogate pair stays an escape."""
    evil = '</script><script>alert("1")</script><img src=x onerror=alert(2)> & \u2028 \ud800'
    found = changed(shown, study=evil, reasons=[evil], verdict="UNDECIDED")

    assert found.html.count("<script") == 2 and "<img" not in found.html
    assert found.data["document"]["reasons"] == [evil]
    short = markdown(found.data)
    assert "<script" not in re.sub(r"\\<", "", short) and "\\ud800" in short


def test_unknown_is_no_number(shown: Page) -> None:
    """What nobody knows is shown as unknown."""
    best = shown.data["document"]["best"] | {"memory_bytes": None, "breakdown": None}
    best["throughput"] = {"requests_per_s": None, "output_tokens_per_s": None}
    text = changed(shown, best=best, noise_floor=None, drift=None, late_gain=None).html

    assert re.search(r'memory, MiB</th><td>.*?</td><td><span class="unknown">unknown</span>', text)
    assert "The noise floor is unknown" in text
    assert "Whether the pace of the machine moved is unknown" in text


def test_forty_trials_of_many_knobs_stay_small(shown: Page) -> None:
    """The page of forty trials that differ in fifteen knobs, with full curves, is below 300 kB."""
    document, island = shown.data["document"], dict(shown.data)
    wide = {f"some_setting_{i}": 0.123 * i for i in range(15)}
    trials = [
        document["trials"][i % 8] | {"number": i, "candidate": wide, "changed": list(wide),
                                      "reason": "after 20 of 31 requests: e2e p99 missed " * 2}
        for i in range(40)
    ]  # fmt: skip
    points = [[rank, 0.123456789 * rank] for rank in range(1, 301)]
    curve = shown.data["latencies"]["e2e"]["best"] | {"points": points, "n": 300}
    island["latencies"] = {m: {"baseline": curve, "best": curve} for m in ("e2e", "ttft")}
    island["outcome"] = {str(i): "too slow" for i in range(40)}
    island["ended_s"] = {str(i): 10.0 * i for i in range(40)}
    island["document"] = document | {"trials": trials}

    assert 100_000 < len(page(island).encode()) < 300_000


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda out: shutil.rmtree(out), "there is no such folder"),
        (lambda out: (out / "result.json").unlink(), "broken off: `tune run --resume` goes on"),
        (lambda out: (out / "result.json").write_text('{"schema": "tuner.re'), "not a document"),
        (lambda out: (out / "result.json").write_text('{"schema": "tuner.result/9"}'),
         "expected schema tuner.result/1, found tuner.result/9"),
        (lambda out: (out / "trials" / "0000" / "samples.jsonl").write_text("{}"),
         "0000: not a trial as it was written"),
    ],
)  # fmt: skip
def test_what_is_no_finished_run_is_refused(
    spoil: Any, said: str, folder: Path, tmp_path: Path
) -> None:
    """In one sentence that names the folder, and nothing is written."""
    out = Path(shutil.copytree(folder, tmp_path / "copy"))
    (out / "report.html").unlink()
    spoil(out)

    with pytest.raises(InputError, match=re.escape(said)):
        write_report(out)
    assert not (out / "report.html").exists()


def test_without_its_trials_a_result_is_shown_all_the_same(folder: Path, tmp_path: Path) -> None:
    """The curves are missing then, and the page says so."""
    out = Path(shutil.copytree(folder, tmp_path / "copy"))
    shutil.rmtree(out / "trials")
    text = write_report(out).read_text()

    assert "Not known: the samples of the measurement are not all in" in text


@pytest.mark.parametrize(
    ("verdict", "lateness", "guard", "said"),
    [
        ("PASS", "PASS", {"min_valid": "PASS"}, "The floors on the answers hold as well."),
        ("PASS", "PASS", {}, "Nothing was asked of the answers."),
        ("FAIL", "FAIL", {"min_valid": "PASS"}, "The target is missed."),
        ("FAIL", "PASS", {"min_valid": "FAIL"}, "The answers are not good enough."),
        ("UNDECIDED", "UNDECIDED", {"min_valid": "PASS"}, "Not proven yet."),
    ],
)
def test_the_first_sentence_says_what_is_so(
    verdict: str, lateness: str, guard: dict[str, str], said: str, shown: Page
) -> None:
    """Target and answers are told apart, and what was not asked is not claimed."""
    best = dict(shown.data["document"]["best"])
    best["verdicts"] = [best["verdicts"][0] | {"verdict": lateness}]
    best["guard"] = best["guard"] | {"verdicts": guard, "verdict": verdict}
    found = changed(shown, verdict=verdict, best=best)
    first = found.html.partition('<p class="verdict')[2].partition("</p>")[0]

    assert said in first
    assert ("Proven" in first) == (verdict == "PASS")


def test_why_requests_failed_is_told(shown: Page) -> None:
    """With their number; what a server answered is only text."""
    best = shown.data["document"]["best"] | {"failure_reasons": {"500 a/b <b>": 3}}
    found = changed(shown, best=best)

    assert " <code>500 a/b &lt;b&gt;</code>" in found.html
    ensure_recomputed(found)
