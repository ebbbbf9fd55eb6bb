"""What a check of a study says before anything is started."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests import gguf_files
from tuner.report.study_check import check_document, show_check
from tuner.search.error import ALPHAS
from tuner.spec.errors import InputError
from tuner.spec.shipped import studies
from tuner.spec.space import Choices
from tuner.spec.study import Study, load
from tuner.spec.values import Guard
from tuner.stats.shares import judge_share
from tuner.workflow.start.study_check import check_study, least_templates

PACKAGED = load(studies() / "task-api.yaml")


def small(folder: Path, prompts: int = 3, **changes: Any) -> Study:
    """Return a study of few prompts over a GGUF file without weights."""
    gguf_files.write(folder / "m.gguf")
    lines = [json.dumps({"template": f"prompt {n}"}) for n in range(prompts)]
    (folder / "p.jsonl").write_text("\n".join(lines))
    content = {
        "version": 1, "name": "small", "engine": {"kind": "llamacpp", "model": "m.gguf"},
        "workload": {"prompts": "p.jsonl"}, "slo": [{"metric": "e2e", "max_ms": 500}],
        "baseline": {"num_ctx": 1024}, "space": {"num_ctx": [512, 1024]},
    }  # fmt: skip
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content | changes))
    return load(path)


def said(study: Study, words: str) -> bool:
    """Tell whether a warning about a study holds some words."""
    return any(words in warning for warning in check_study(study).warnings)


@pytest.mark.embedded
def test_the_packaged_study_is_without_fault() -> None:
    """What ships draws no warning, and its prompts are counted."""
    found = check_study(PACKAGED)

    assert found.warnings == ()
    assert min(found.distinct) > 10_000
    assert found.baseline["shots"] == 3


def test_few_prompts_are_counted(tmp_path: Path) -> None:
    """Too few prompts, and none held out, is what makes a proof worth little."""
    study = small(tmp_path)

    assert check_study(study).distinct == (3, 3)
    assert said(study, "3 different prompts for some")
    assert said(study, "no prompt is held out")


def test_no_guard(tmp_path: Path) -> None:
    """Without a floor the fastest candidate is the one that cuts most."""
    assert said(small(tmp_path), "no guard")
    assert not said(small(tmp_path, guard={"min_valid": 0.5}), "no guard")


def test_a_floor_out_of_reach(tmp_path: Path) -> None:
    """A floor that the prompts cannot show is said before ten minutes are spent."""
    needed = least_templates(0.8)

    assert said(small(tmp_path, needed - 1, guard={"min_valid": 0.8}), f"takes {needed} prompt")
    assert not said(small(tmp_path, needed, guard={"min_valid": 0.8}), "takes")


@pytest.mark.parametrize("floor", [0.3, 0.8, 0.95])
def test_least_templates_is_what_the_guard_needs(floor: float) -> None:
    """With that many flawless templates the floor is proven, with one fewer it is not."""
    needed = least_templates(floor)

    assert judge_share(np.ones(needed), floor, ALPHAS[0]) == "PASS"
    assert judge_share(np.ones(needed - 1), floor, ALPHAS[0]) == "UNDECIDED"


def test_a_baseline_outside_of_the_space(tmp_path: Path) -> None:
    """The knob and its value are named."""
    study = small(tmp_path, baseline={"num_ctx": 2048})

    assert said(study, "the baseline's num_ctx 2048 lies outside")


def test_contexts_beyond_training(tmp_path: Path) -> None:
    """The model's file tells how far its context reaches."""
    study = small(tmp_path, space={"num_ctx": [1024, 16384]})

    assert said(study, "the model was trained with 8192")


def test_a_study_that_can_only_be_measured(tmp_path: Path) -> None:
    """It is no error: `tune measure` takes it. Why it cannot be tuned is a warning."""
    found = check_study(small(tmp_path, baseline={}, space={"temperature": [0.0, 1.0]}, slo=[]))

    assert found.plan is None
    assert check_document(found)["plan"] is None
    assert found.warnings[-1:] != ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"space": {"num_ctxx": [1, 2]}}, "did you mean num_ctx?"),
        ({"space": {"num_ctx": ["big"]}}, "expected a number, found 'big'"),
        ({"space": {"system": ["own"]}}, "system: 'own' is not there"),
        ({"baseline": {"shots": 2}}, "shots: 2 is not there"),
        ({"engine": {"kind": "llamacpp", "model": "gone.gguf"}}, "no such model file"),
        ({"engine": {"kind": "llamacpp", "model": "llama3"}}, "ends in .gguf"),
    ],
)
def test_what_is_wrong_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    """Knobs, values and the model are looked at without an engine."""
    with pytest.raises(InputError) as error:
        check_study(small(tmp_path, **changes))

    assert words in str(error.value)


def test_the_document_and_the_lines_agree(tmp_path: Path) -> None:
    """Both name prompts, knobs, the size of the space, targets and the guard."""
    study = small(tmp_path, guard={"min_valid": 0.8})
    found = check_study(study)
    document, lines = check_document(found), show_check(found)

    assert document["schema"] == "tuner.study-check/1"
    assert document["space"] == {"knobs": ["num_ctx"], "candidates": 2, "continuous": []}
    assert document["templates"]["distinct_prompts"] == {"search": 3, "proof": 3}
    assert document["warnings"] == list(found.warnings)
    assert lines.splitlines()[0] == f"{study.file}: ok"
    for words in ("3 in the file", "1 knobs (num_ctx), 2 candidates", "e2e p99 <= 500 ms",
                  "min_valid 0.8", "Plan for 10.0 minutes"):  # fmt: skip
        assert words in lines


def test_the_price_of_a_proof_is_told_beforehand(tmp_path: Path) -> None:
    """How many requests it takes, what they speak of, and what more and less would take."""
    eight = {"prompts": "p.jsonl", "load": {"concurrency": 8}}
    one, together = check_study(small(tmp_path)), check_study(small(tmp_path, workload=eight))
    more = check_study(small(tmp_path, claim={"starts": 8}))

    assert check_document(one)["proof"]["requests"] == 409
    assert check_document(together)["proof"]["requests"] == 8 * 409
    assert check_document(together)["proof"]["seconds"] == pytest.approx(
        check_document(one)["proof"]["seconds"], rel=0.05
    )
    assert "it speaks of these 3 templates and 4 engine starts" in show_check(one)
    assert "templates like them too: 409 held out" in show_check(one)
    assert "claim.in_flight: apart 409 requests are enough" in show_check(together)
    assert "8 engine starts" in show_check(more)


def test_a_proof_beyond_the_budget_is_told_beforehand(tmp_path: Path) -> None:
    """Where the requests of a proof take more than its time, both ways out are named."""
    load = {"prompts": "p.jsonl", "load": {"rate": 2.0}}
    study = small(tmp_path, workload=load, search={"budget": "2m"})

    assert said(study, "use a larger --budget, or claim.in_flight: apart")
    assert not said(small(tmp_path), "use a larger --budget")


def test_no_floor_is_needed_where_there_is_one() -> None:
    """A study is judged by its own values, whoever made it."""
    study = replace(PACKAGED, guard=Guard(), space={"num_ctx": Choices((512, 4096))})

    assert said(study, "no guard")
