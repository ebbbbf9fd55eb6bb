"""A first study: whatever it is started from, it loads and says what is in service."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests import gguf_files
from tests.ollama.stored import stored
from tuner.engines.first_study import Machine, Origin
from tuner.engines.registry import kind_by_name, preview
from tuner.modelfile.document import Modelfile, parse, write
from tuner.spec.errors import InputError
from tuner.spec.requests.conversation import conversation
from tuner.spec.space import Choices
from tuner.spec.study import Study, load
from tuner.spec.values import Candidate, Message
from tuner.workflow.measuring.candidates import baseline
from tuner.workflow.start.init import init
from tuner.workflow.start.sources import Asked, read
from tuner.workflow.start.starter import starter
from tuner.workflow.start.study_check import check_study
from tuner.workflow.tune.preparation import check

SMALL = Origin("m.gguf", "m.gguf", "m", "llamacpp", 90_000_000, 23_040, 8192)
MACHINE = Machine(2, 2 * 2**30)
WHOLE = """# mine
FROM ./m.gguf
PARAMETER num_ctx 6000
PARAMETER num_predict 100
PARAMETER temperature 0.2
PARAMETER stop "<|im_end|>"
PARAMETER seed 7
SYSTEM You answer {briefly}.
MESSAGE user What is 2 + 2?
MESSAGE assistant 4
MESSAGE user Reply with {"a": 1}
MESSAGE assistant {"a": 1}
MESSAGE user And now?
"""


def started(folder: Path, text: str = WHOLE, **options: Any) -> tuple[Study, Candidate]:
    """Start a study from a Modelfile, load it, and see that it can be tuned as it is."""
    gguf_files.write(folder / "m.gguf")
    (folder / "Modelfile").write_text(text, newline="")
    out = folder / "tune.yaml"
    init(Asked(str(folder / "Modelfile")), out, **options)
    return usable(out)


def usable(file: Path) -> tuple[Study, Candidate]:
    """Return a study and its whole baseline; it passes every check that a run makes."""
    study = load(file)
    check(study)
    return study, baseline(study, preview(study))


def test_a_modelfile_becomes_the_baseline(tmp_path: Path) -> None:
    """Its parameters, system text and message pairs are what is measured first."""
    study, base = started(tmp_path)

    assert {n: base[n] for n in ("num_ctx", "num_predict", "temperature", "system", "shots")} == {
        "num_ctx": 6000, "num_predict": 100, "temperature": 0.2, "system": "own", "shots": 2,
    }  # fmt: skip
    assert study.model == str(tmp_path / "m.gguf")
    sent = conversation((Message("user", "x"),), base, study.workload)
    assert sent == (
        Message("system", "You answer {briefly}."), Message("user", "What is 2 + 2?"),
        Message("assistant", "4"), Message("user", 'Reply with {"a": 1}'),
        Message("assistant", '{"a": 1}'), Message("user", "x"),
    )  # fmt: skip
    texts = [t.messages[0].content for t in study.workload.templates]
    assert texts == ["What is 2 + 2?", 'Reply with {"a": 1}', "And now?"]


def test_what_is_no_knob_is_named(tmp_path: Path) -> None:
    """Nothing of the Modelfile is lost without a word."""
    started(tmp_path)
    text = (tmp_path / "tune.yaml").read_text()

    assert '#   PARAMETER stop "<|im_end|>"' in text
    assert '#   PARAMETER seed "7"' in text
    assert "#   1 MESSAGE lines that are no question with its answer" in text


def test_a_gguf_file_gets_defaults_and_examples(tmp_path: Path) -> None:
    """Without a Modelfile the engine's defaults are the baseline, with an output limit."""
    model = gguf_files.write(tmp_path / "my model, 7b.gguf")
    init(Asked(str(model)), tmp_path / "tune.yaml")
    study, base = usable(tmp_path / "tune.yaml")

    assert study.name == "my-model-7b"
    assert study.model == str(model)
    assert (base["num_ctx"], base["num_predict"], base["temperature"]) == (4096, 256, 0.8)
    assert {t.kind for t in study.workload.templates} == {"short", "follow-up", "list"}
    assert study.workload.held_out
    assert check_study(study).plan


@pytest.mark.embedded
@pytest.mark.parametrize("source", [None, "default"])
def test_the_packaged_model(tmp_path: Path, source: str | None) -> None:
    """Without a source the model is the packaged one, by its name and not its path."""
    init(Asked(source), tmp_path / "tune.yaml")
    study, _ = usable(tmp_path / "tune.yaml")

    assert study.model == "default"
    assert study.space["num_ctx"] == Choices((512, 1024, 2048, 4096, 8192))


def test_the_model_is_found_from_another_folder(tmp_path: Path) -> None:
    """FROM is relative to the Modelfile, the study's paths to the study."""
    (tmp_path / "models").mkdir()
    gguf_files.write(tmp_path / "models" / "m.gguf")
    (tmp_path / "models" / "Modelfile").write_text("FROM ./m.gguf\n")
    init(Asked(str(tmp_path / "models" / "Modelfile")), tmp_path / "tune.yaml")
    init(Asked(str(tmp_path / "models" / "Modelfile")), tmp_path / "studies" / "one.yaml")

    assert "model: models/m.gguf" in (tmp_path / "tune.yaml").read_text()
    assert preview(load(tmp_path / "studies" / "one.yaml")).train_ctx == 8192


NUMBERS = st.integers(-3, 200_000).map(str)
FLOATS = st.floats(0, 3).map(lambda f: f"{f:.3f}") | st.sampled_from(["1e-5", "2E3", ".5"])
PARAMETERS = st.one_of(
    *(st.tuples(st.just(n), NUMBERS) for n in ("num_ctx", "num_batch", "num_predict", "top_k")),
    *(st.tuples(st.just(n), NUMBERS) for n in ("num_thread", "seed", "repeat_last_n")),
    *(st.tuples(st.just(n), FLOATS) for n in ("temperature", "top_p", "min_p", "repeat_penalty")),
    st.tuples(st.just("stop"), st.text(max_size=50)),
)
TEXTS = st.text(alphabet="ab{}:\"'#\n\r\\ é日\x85\u2028%", max_size=20) | st.text(max_size=8)
MODELFILES = st.builds(
    Modelfile,
    base=st.just("./m.gguf"),
    template=st.none() | st.just("{{ .Prompt }}"),
    system=st.none() | TEXTS,
    parameters=st.lists(PARAMETERS, max_size=6).map(tuple),
    messages=st.lists(
        st.builds(Message, st.sampled_from(["system", "user", "assistant"]), TEXTS), max_size=5
    ).map(tuple),
)


@given(MODELFILES)
def test_whatever_a_modelfile_holds_the_study_is_usable(
    tmp_path_factory: pytest.TempPathFactory, modelfile: Modelfile
) -> None:
    """The study loads, can be tuned, and its baseline lies inside of its space."""
    try:
        text = write(modelfile)
    except InputError:
        assume(False)
    try:
        study, base = started(tmp_path_factory.mktemp("m"), text)
    except InputError as refused:
        assert "PARAMETER" in str(refused)  # a number below the least that has a meaning
        return

    inside = {n for n, d in study.space.items() if d.contains(base[n])}
    assert set(study.space) - inside <= {"num_predict"}
    assert "num_predict" in inside or base["num_predict"] == -1
    assert (base.get("system") == "own") == bool((modelfile.system or "").strip())


def test_a_model_of_ollama_starts_a_study_with_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its layers give the baseline and the texts, and the space reaches the server's tier."""
    layers = {"params": '{"num_ctx": 2048, "stop": ["a", "b"]}', "system": "Be brief."}
    stored(tmp_path / "models", "small", "q4", layers)
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "models"))
    init(Asked("small:q4"), tmp_path / "tune.yaml")
    study, base = usable(tmp_path / "tune.yaml")

    assert (study.engine, study.model, study.name) == ("ollama", "small:q4", "small-q4")
    assert (base["num_ctx"], base["system"]) == (2048, "own")
    assert (tmp_path / "system.txt").read_text() == "Be brief.\n"
    assert {"num_ctx", "num_predict", "flash_attention"} <= set(study.space)


def test_what_a_model_of_ollama_sets_stays_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pins are the baseline's, and its MESSAGE lines are not sent once more as shots."""
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    params = '{"num_gpu": 0, "seed": 42, "repeat_penalty": 1.3, "use_mmap": false}'
    stored(tmp_path / "models", "prod", "latest", {"params": params, "messages": json.dumps(turns)})
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "models"))
    init(Asked("prod"), tmp_path / "tune.yaml")
    study, base = usable(tmp_path / "tune.yaml")

    assert (base["num_gpu"], base["seed"], base["repeat_penalty"]) == (0, 42, 1.3)
    assert "shots" not in {*study.space, *study.baseline}
    assert "MESSAGE lines go before each request" in (tmp_path / "tune.yaml").read_text()


def test_a_modelfile_over_a_model_of_ollama_names_what_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers that Ollama knows are the baseline's; texts that no study holds are named."""
    stored(tmp_path / "models", "base", "latest", {"template": "{{ .Prompt }}"})
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "models"))
    text = (
        'FROM base\nPARAMETER num_gpu 0\nPARAMETER seed 7\nPARAMETER stop "a"\n'
        "TEMPLATE {{ .Prompt }}!\nLICENSE mine\n"
    )
    study, base = started(tmp_path, text)
    written = (tmp_path / "tune.yaml").read_text()

    assert (study.engine, base["num_gpu"], base["seed"]) == ("ollama", 0, 7)
    assert all(f"#   {w}" in written for w in ('PARAMETER stop "a"', "TEMPLATE: base's", "LICENSE"))
    assert "PARAMETER seed" not in written


@pytest.mark.parametrize("source", ["name", "Modelfile"])
def test_a_tag_may_be_called_as_a_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """So are the models of Hugging Face; the name is no path, in the study neither."""
    name = "hf.co/me/Mine-GGUF:Mine-Q4_K_M.gguf"
    stored(tmp_path / "models", "Mine-GGUF", "Mine-Q4_K_M.gguf", under=("hf.co", "me"))
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "models"))
    (tmp_path / "Modelfile").write_text(f"FROM {name}\nPARAMETER num_ctx 2048\n")
    init(Asked(name if source == "name" else str(tmp_path / source)), tmp_path / "tune.yaml")
    study, _ = usable(tmp_path / "tune.yaml")

    assert (study.engine, study.model) == ("ollama", name)


@pytest.mark.parametrize("base", ["hf.co/me/Mine-GGUF:gone.gguf", "https://hf.co/me/mine", "a,b"])
def test_a_name_that_ollama_does_not_have_is_no_missing_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    """It is answered as a name is: what there is, and how to fetch it."""
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "models"))
    with pytest.raises(InputError, match="Ollama has no model"):
        started(tmp_path, f"FROM {base}\n")


def test_a_name_is_no_folder_that_happens_to_be_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FROM is read beside its Modelfile, not where `tune` runs."""
    stored(tmp_path / "models", "small", "latest")
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "models"))
    (tmp_path / "small").mkdir()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "Modelfile").write_text("FROM small\n")
    monkeypatch.chdir(tmp_path)
    origin = read(Asked("sub/Modelfile"), tmp_path)

    assert (origin.engine, origin.model) == ("ollama", "small")


@pytest.mark.parametrize("engine", ["fake", "llamacpp"])
def test_another_engine_may_be_asked_for(tmp_path: Path, engine: str) -> None:
    """It starts from the same source, and says its own name in the study."""
    model = gguf_files.write(tmp_path / "m.gguf")
    init(Asked(str(model), engine), tmp_path / "tune.yaml")

    assert load(tmp_path / "tune.yaml").engine == engine


def test_the_weights_are_tuned_and_not_their_projector(tmp_path: Path) -> None:
    """Whichever FROM comes first."""
    gguf_files.write(
        tmp_path / "p.gguf", {"general.architecture": "clip", "clip.has_vision_encoder": 1}
    )
    study, base = started(tmp_path, "FROM ./p.gguf\nFROM ./m.gguf\n")

    assert (study.model, base["num_ctx"]) == (str(tmp_path / "m.gguf"), 4096)


@pytest.mark.parametrize("line", ["num_ctx 0", "num_batch -1", "temperature -0.5"])
def test_a_number_without_a_meaning_is_refused(tmp_path: Path, line: str) -> None:
    """What no engine can run is named, with what to do."""
    with pytest.raises(InputError, match=f"PARAMETER {line}: expected"):
        started(tmp_path, f"FROM ./m.gguf\nPARAMETER {line}\n")


def test_no_limit_and_auto_threads(tmp_path: Path) -> None:
    """num_predict -2 is no limit, and num_thread 0 is what the engine takes by itself."""
    text = "FROM ./m.gguf\nPARAMETER num_predict -2\nPARAMETER num_thread 0\n"
    study, base = started(tmp_path, text)

    assert base["num_predict"] == -1
    assert "num_thread" not in study.baseline
    assert any("num_predict -1" in w for w in check_study(study).warnings)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FROM llama3.2\n", "Ollama has no model 'llama3.2'"),
        ("FROM ./model\n", "ln -s"),
        ("FROM ./folder\n", "is empty; expected config.json and weights"),
        ("FROM ./gone.gguf\n", "gone.gguf: no such file"),
        ("FROM ./m.gguf\nADAPTER ./a.gguf\n", "does not take adapters yet"),
    ],
)
def test_what_cannot_be_served_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """Each refusal says what to do instead, and nothing is written."""
    gguf_files.write(tmp_path / "model")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=words):
        started(tmp_path, text)

    assert not (tmp_path / "tune.yaml").exists()


def test_files_of_the_user_are_kept(tmp_path: Path) -> None:
    """Prompts always stay; the study and system.txt are replaced only when that is asked for."""
    mine = json.dumps({"template": "mine"})
    (tmp_path / "prompts.jsonl").write_text(mine)
    started(tmp_path)
    with pytest.raises(InputError, match=r"tune\.yaml is there already.*--force"):
        started(tmp_path)
    (tmp_path / "tune.yaml").unlink()
    (tmp_path / "system.txt").write_text("another")
    with pytest.raises(InputError, match=r"system\.txt is there already"):
        started(tmp_path)

    study, _ = started(tmp_path, force=True)

    assert study.workload.systems["own"].startswith("You answer")
    assert (tmp_path / "prompts.jsonl").read_text() == mine


def test_a_link_keeps_its_name(tmp_path: Path) -> None:
    """The engine knows a GGUF file by its name, so a link to a blob is not followed."""
    gguf_files.write(tmp_path / "sha256-abc")
    (tmp_path / "m.gguf").symlink_to(tmp_path / "sha256-abc")

    assert read(Asked(str(tmp_path / "m.gguf")), tmp_path).model == "m.gguf"


def test_weights_that_do_not_fit_are_said(tmp_path: Path) -> None:
    """The study is written all the same: it may be meant for another machine."""
    found = starter(replace(SMALL, weights_bytes=2**40), MACHINE, "tune.yaml")

    assert "1024.0 GiB" in found.notes[0]
    assert "num_ctx: [4096]" in found.study


def test_a_gpu_s_memory_is_ollama_s_to_judge() -> None:
    """Free memory bounds the embedded engine's study beside a GPU, and Ollama's without one."""
    beside = replace(MACHINE, gpu=True)
    large = replace(SMALL, weights_bytes=2**40, kv_bytes=2**20, train_ctx=8192)
    of_ollama = replace(large, engine="ollama")
    notes = [starter(o, m, "f").notes for o in (large, of_ollama) for m in (MACHINE, beside)]

    assert [bool(n) for n in notes] == [True, True, True, False]
    spaces = [kind_by_name(o.engine).draft(o, beside).space for o in (large, of_ollama)]
    assert [max(s["num_ctx"].value) for s in spaces] == [4096, 8192]


def test_the_text(snapshot: Any) -> None:
    """What someone new reads."""
    origin = replace(SMALL, label="Modelfile", modelfile=parse(WHOLE))

    assert starter(origin, MACHINE, "tune.yaml").study == snapshot
