"""A report in short, as Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tuner.report.page.figures import Figures, escaped
from tuner.report.page.sides import Side, Target, latency_verdict, sides_of, targets_of
from tuner.report.page.words import PROMISE

_ROWS = (
    ("whole answer p50, ms", "/e2e/quantiles/0.5", "ms"),
    ("whole answer p99, ms", "/e2e/quantiles/0.99", "ms"),
    ("first token p99, ms", "/ttft/quantiles/0.99", "ms"),
    ("whole answers, %", "/guard/valid", "in_percent"),
    ("right answers, %", "/guard/correct", "in_percent"),
)
_VERDICTS = {"PASS": "Proven", "FAIL": "Missed", "UNDECIDED": "Not proven yet"}


def markdown(island: Mapping[str, Any]) -> str:
    """Return a report in short; `island` is a `tuner.report/1`."""
    document, figures = island["document"], Figures(island)
    lines = [f"## {_plain(document.get('study') or 'tune')}", ""]
    if document["schema"] == "tuner.capacity/1":
        lines += _levels(island, figures)
    else:
        sides = sides_of(document)
        lines += [*_verdict(document, sides, figures), "", *_table(sides, figures)]
    lines += _settings(document, figures)
    if service := island.get("service"):
        lines += ["", "```console", f"$ {service['apply']}", f"$ {service['back']}", "```"]
    lines += ["", f"`tune report {island['folder']}` writes the whole report."]
    # half of a surrogate pair, as a server may send it, stays an escape
    return "\n".join([*lines, ""]).encode("utf-8", "backslashreplace").decode("utf-8")


def _verdict(document: Mapping[str, Any], sides: list[Side], figures: Figures) -> Iterator[str]:
    if not sides:
        yield "**Nothing is proven**: no request was answered that could prove anything."
    elif document.get("keeps_baseline"):
        yield "**Keep what serves**: it meets the target, and nothing is better beyond noise."
    for target in targets_of(sides):
        yield f"**{_VERDICTS[target.verdict]}**: {_asked(sides[-1], target, figures)}"
    for reason in document.get("reasons", ()):
        yield f"- {_plain(reason)}"


def _asked(side: Side, target: Target, figures: Figures) -> str:
    at = f"{side.at}/verdicts/{target.index}"
    share, bound = figures.text(f"{at}/quantile", "quantile"), figures.text(f"{at}/max_ms", "of_ms")
    late, n = figures.text(f"{at}/late", "count"), figures.text(f"{at}/n", "count")
    confidence = figures.text(f"{at}/confidence", "percent")
    return (
        f"{share} % of requests {PROMISE[target.metric]} within {bound} ms ({late} of {n} late, "
        f"judged at {confidence})."
    )


def _table(sides: list[Side], figures: Figures) -> Iterator[str]:
    yield f"| | {' | '.join(side.words for side in sides)} |"
    yield "| --- |" + " ---: |" * len(sides)
    for words, place, unit in _ROWS:
        cells = [_interval(figures, side.at + place, unit) for side in sides]
        yield f"| {words} | {' | '.join(cells)} |"
    n = [figures.text(f"{side.at}/n", "count") for side in sides]
    yield f"| requests | {' | '.join(n)} |"


def _interval(figures: Figures, at: str, unit: str) -> str:
    low, high = (figures.text(f"{at}/{end}", unit, "?") for end in ("low", "high"))
    return f"{figures.text(f'{at}/value', unit)} [{low}, {high}]"


def _levels(island: Mapping[str, Any], figures: Figures) -> Iterator[str]:
    document = island["document"]
    highest = figures.text("/document/highest", "plain", "")
    proven = f"Proven up to {highest} {document['load']}" if highest else "No load is proven"
    yield f"**{proven}.**"
    yield ""
    yield "| load | verdict | whole answer p99, ms | requests/s |"
    yield "| ---: | --- | ---: | ---: |"
    for index, level in enumerate(document["levels"]):
        at = f"/document/levels/{index}"
        p99 = _interval(figures, f"{at}/e2e/quantiles/0.99", "ms")
        rate = figures.text(f"{at}/throughput/requests_per_s", "rate")
        size = figures.text(f"{at}/size", "plain")
        yield f"| {size} | {latency_verdict(level)} | {p99} | {rate} |"


def _settings(document: Mapping[str, Any], figures: Figures) -> Iterator[str]:
    changed = document.get("changed")
    if not changed:
        return
    yield ""
    yield "| setting | before | after |"
    yield "| --- | ---: | ---: |"
    for knob in changed:
        was, now = (
            figures.text(f"/document/{side}/candidate/{escaped(knob)}", "setting", "not set")
            for side in ("baseline", "best")
        )
        yield f"| `{knob}` | {_plain(was)} | {_plain(now)} |"


def _plain(text: object) -> str:
    """Return a text that Markdown takes for nothing else, in one line."""
    shown = " ".join(str(text).split())
    for sign in "\\`*_[]<>|":
        shown = shown.replace(sign, f"\\{sign}")
    return shown
