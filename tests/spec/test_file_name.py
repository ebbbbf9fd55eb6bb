"""Names of files and of objects that no two names in service share."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from tuner.spec.file_name import for_file, for_kubernetes

NAMES = st.text(min_size=1, max_size=80) | st.from_regex(r"[a-zA-Z0-9._:/-]{1,80}", fullmatch=True)


@given(st.lists(NAMES, min_size=2, max_size=6, unique=True))
def test_no_two_names_share_a_file_or_an_object(names: list[str]) -> None:
    """Nor do those that differ only in what cannot be written, or after what fits."""
    assert len({for_file(name) for name in names}) == len(names)
    assert len({for_kubernetes(name, 20) for name in names}) == len(names)


@given(NAMES)
def test_a_name_fits_where_it_goes(name: str) -> None:
    """A file's and a unit's; a DNS label of Kubernetes."""
    assert re.fullmatch(r"[A-Za-z0-9._-]+", for_file(name))
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?", for_kubernetes(name, 20))


def test_a_usual_name_stays_as_it_is() -> None:
    """A tag's colon is replaced, and its digest kept apart."""
    assert for_file("my-assistant") == for_kubernetes("my-assistant", 52) == "my-assistant"
    assert for_file("a:b").startswith("a-b-")
