"""What each written file holds: settings that say something, where each of them stands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.report.test_result import result as result  # the fixture
from tuner.engines.ollama.knobs import KNOBS as OLLAMA
from tuner.engines.vllm.settings.knobs import KNOBS as VLLM
from tuner.report.file_contents import holds
from tuner.search.result import Result
from tuner.spec.requests.conversation import PROMPT_KNOBS

BY_CLIENT = {name: replace(knob, where="client") for name, knob in PROMPT_KNOBS.items()}
KNOBS = {**OLLAMA, **BY_CLIENT}


def of(result: Result, **candidate: object) -> Result:
    """Return a result whose best candidate is another."""
    assert result.best is not None
    best = replace(result.best, candidate=candidate)
    return replace(result, best=best, knobs=KNOBS)


def test_only_what_is_really_written_is_named(result: Result) -> None:
    """A setting that is left to the engine, or that sends nothing, stands in no file."""
    found = of(
        result, num_ctx=512, flash_attention="auto", num_parallel=4, shots=0, format="json",
        system="none",
    )  # fmt: skip

    assert holds("ollama.env", found).endswith("(the server's start, which a Modelfile cannot "
                                               "hold: num_parallel)")  # fmt: skip
    assert holds("client.json", found).endswith("can send it: format)")
    assert holds("Modelfile", found) == ""
    assert holds("ollama.env", of(result, num_ctx=512)) == ""


@pytest.mark.parametrize(
    ("speculation", "named"),
    [("none", ""), ("ngram", "speculation, draft_tokens"),
     ("/models/draft", "speculation, draft_tokens")],
)  # fmt: skip
def test_what_belongs_to_another_setting_is_named_with_it(
    result: Result, speculation: str, named: str
) -> None:
    """Where nobody drafts tokens, the file of vLLM says nothing of how many."""
    candidate = {"speculation": speculation, "draft_tokens": 3}
    found = replace(of(result, **candidate), knobs=VLLM)
    found = replace(found, study=replace(found.study, engine="vllm"))

    assert holds("vllm.yaml", found) == (f" (for vllm serve --config: {named})" if named else "")


def test_shots_that_change_with_each_request_are_named_so(result: Result) -> None:
    """They cannot be read in the file."""
    assert "dynamic shots)" in holds("client.json", of(result, shots="dynamic", format="none"))


@pytest.mark.parametrize(
    ("knob", "value", "says"),
    [
        ("temperature", 0.0, True), ("num_gpu", 0, True), ("shots", 0, False), ("shots", 2, True),
        ("system", "none", False), ("format", "schema", True), ("top_p", None, False),
    ],
)  # fmt: skip
def test_a_zero_is_a_value_where_it_is_one(knob: str, value: object, says: bool) -> None:
    """Temperature 0 is written; no shots are not."""
    assert KNOBS[knob].says_nothing(value) is not says
