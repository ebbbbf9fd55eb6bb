"""Say what was sent and how: the load, the requests and the starts that the numbers hold for."""

from __future__ import annotations

from tuner.evaluate.measurement import Measurement
from tuner.evaluate.scope import minutes, starts_text, templates
from tuner.report.cells import COUNTS_FROM
from tuner.spec.study import Study


def sent_in_words(study: Study, m: Measurement) -> str:
    """Say how many requests of how many templates came over how many starts, and the load."""
    one = "" if templates(m) == 1 else "s"
    return (
        f"{m.n} requests from {templates(m)} template{one}, {starts_text(m.starts)}, "
        f"{_time(minutes(m))} of this machine; {load_in_words(study)}"
    )


def _time(minutes: float) -> str:
    return f"{minutes:.1f} min" if minutes >= 1 else f"{minutes * 60:.0f} s"


def load_in_words(study: Study) -> str:
    """Say how requests were sent, and from which instant latencies count."""
    load = study.workload.load
    said = f"{load}; {COUNTS_FROM[load.counts_from]}."
    if study.url and study.certificate_checked is False:
        said += f" The certificate of {study.url.origin} was not checked (engine.verify: false)."
    return said
