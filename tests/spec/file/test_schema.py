"""The JSON Schema says what the reader of study files accepts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tuner.spec.errors import InputError
from tuner.spec.file.schema import DESCRIPTIONS, study_schema
from tuner.spec.file.study_file import StudyFile, check
from tuner.spec.shipped import studies

DOCS = Path(__file__).parents[3] / "docs"
SCHEMA = study_schema()
MINIMAL: dict[str, Any] = {"version": 1, "name": "x", "workload": {"prompts": "p.jsonl"}}


def valid(content: Any) -> bool:
    """Tell whether the schema accepts a study."""
    return bool(Draft202012Validator(SCHEMA).is_valid(content))


def test_it_is_a_json_schema_of_2020_12() -> None:
    """It names its dialect and itself, and is valid under it."""
    Draft202012Validator.check_schema(SCHEMA)

    assert SCHEMA["$schema"].endswith("2020-12/schema")
    assert SCHEMA["$id"].startswith("urn:")
    assert SCHEMA["additionalProperties"] is False


def test_studies_of_ours_fit() -> None:
    """The packaged study and the examples of the documents are valid."""
    packaged = yaml.safe_load((studies() / "task-api.yaml").read_text(encoding="utf-8"))
    pages = "".join(p.read_text("utf-8") for p in DOCS.rglob("*.md"))
    examples = re.findall(r"```yaml[^\n]*\n(version.*?)```", pages, re.DOTALL)

    assert valid(packaged)
    assert examples
    assert all(valid(yaml.safe_load(example)) for example in examples)


@pytest.mark.parametrize(
    "changes",
    [
        {"search": {"budget": "10m"}},
        {"search": {"budget": 90}},
        {"search": {"budget": "1.5h", "seed": 3}},
        {"workload": {"prompts": "p", "schema": "s.json", "load": {"rate": 2.0, "timeout": "9s"}}},
        {"workload": {"prompts": "p", "prompt": {"dynamic": {"rules": []}}}},
        {"space": {"num_ctx": [512, 1024], "system": ["none"], "top_p": {"low": 0.1, "high": 1}}},
        {"guard": {"min_valid": 0.9, "max_drop": None}},
        {"beside": {"nice": 5, "cpus": 2, "memory": "4GiB"}},
        {"beside": {"cpus": "0-1,3", "pause_while": {"cpu": 0.5, "patience": "1h"}}},
        {"beside": {"pause_while": {"metrics": {"url": "http://h/", "name": "x", "above": 4}}}},
        {"beside": {"pause_while": {"metrics": [{"url": "http://h/", "name": "x", "below": 1}]}}},
        {"deploy": {"folder": "f", "reload": "a b", "health": "http://h/health"}},
        {"deploy": {"folder": "f", "reload": ["a", 1], "health": "http://h:1/", "within": "5m"}},
    ],
)
def test_what_the_reader_accepts_the_schema_accepts(changes: dict[str, Any]) -> None:
    """Durations are numbers or text, a knob of the space is a list or a range."""
    check(MINIMAL | changes, "study")

    assert valid(MINIMAL | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"spce": {}},
        {"search": {"budget": "soon"}},
        {"search": {"budget": -1}},
        {"search": {"sampler": "magic"}},
        {"space": {}},
        {"space": {"num_ctx": []}},
        {"space": {"num_ctx": {"low": 1, "high": 2, "stp": 1}}},
        {"workload": {"prompts": "p", "load": {"concurrency": "two"}}},
        {"version": 2},
        {"name": "a b"},
        {"deploy": {"folder": "f"}},
        {"deploy": {"folder": "f", "reload": [], "health": "http://h/health"}},
        {"deploy": {"folder": "f", "reload": "a", "health": "http://h/", "withn": 3}},
    ],
)
def test_what_the_schema_refuses_the_reader_refuses(changes: dict[str, Any]) -> None:
    """An unknown key, a wrong type, an empty choice: both say no."""
    with pytest.raises(InputError):
        check(MINIMAL | changes, "study")

    assert not valid(MINIMAL | changes)


def test_every_key_is_explained() -> None:
    """No key without a description, no description without a key."""
    parts = {"StudyFile": SCHEMA, **SCHEMA["$defs"]}
    keys = {
        f"{part}.{key}": described
        for part, s in parts.items()
        for key, described in s.get("properties", {}).items()
    }

    assert [key for key, described in keys.items() if not described.get("description")] == []
    assert set(DESCRIPTIONS) <= set(keys)
    assert set(StudyFile.model_fields) <= {k.split(".")[1] for k in keys}
