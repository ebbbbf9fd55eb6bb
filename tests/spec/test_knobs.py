"""What a knob means to other rooms."""

from __future__ import annotations

import pytest

from tuner.spec.knobs import Knob, by_name, limited
from tuner.spec.values import Setting

KNOBS = by_name(Knob("most", "request", 128, role="limit"), Knob("other", "request", 1))


@pytest.mark.parametrize(
    ("own", "wanted", "sent"),
    [(128, 3, 3), (2, 3, 2), (3, 3, 3), (-1, 3, 3), (0, 3, 3), ("auto", 3, 3), (128, None, 128)],
)
def test_a_wanted_length_bounds_the_limit(own: Setting, wanted: int | None, sent: Setting) -> None:
    """The lower of the two is in force; a limit below 1 bounds nothing."""
    candidate = {"most": own, "other": 5}

    assert limited(KNOBS, candidate, wanted) == {"most": sent, "other": 5}


def test_an_engine_without_a_limit_has_none_to_lower() -> None:
    """Its candidates stay as they are."""
    assert limited({}, {"other": 5}, 3) == {"other": 5}
