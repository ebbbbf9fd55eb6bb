"""A server of one's own in the study file: what it gives, and what its errors say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spec.test_study import loaded
from tuner.engines.command.server import Server, command_line
from tuner.spec.errors import InputError
from tuner.spec.knobs import Knob, ReadBack

KNOBS: dict[str, Any] = {
    "batch": {"tier": "restart", "default": 8, "read": {"get": "/props", "at": "total_slots"}},
    "flash": {"tier": "restart", "default": False, "read": {"log": r"flash_attn\s+= (\w+)"}},
    "temperature": {"tier": "request", "default": 0.8},
    "num_predict": {"tier": "request", "default": 128, "field": "max_tokens"},
}
ENGINE: dict[str, Any] = {
    "kind": "command",
    "model": "my-model",
    "command": ["my-server", "--port", "{{ port }}", "--batch", "{{ batch }}",
                "{% if flash %}--flash{% endif %}", 7],
    "env": {"BATCH": "{{ batch }}"},
    "start_timeout": "2m",
    "knobs": KNOBS,
}  # fmt: skip


def server(folder: Path, **changes: Any) -> Server:
    """Return the server of a study whose engine section is the example with changes."""
    found = loaded(folder, engine=ENGINE | changes).engine_settings
    assert found is not None
    return found


def test_a_whole_declaration_is_read(tmp_path: Path) -> None:
    """Everything that the section can say becomes a value."""
    found = server(tmp_path)

    assert found.command[-1] == "7"
    assert (found.ready, found.start_timeout_s) == ("/health", 120.0)
    assert found.takes_port
    assert found.knobs["batch"] == Knob(
        "batch", "restart", 8, "command", read=ReadBack(None, "/props", "total_slots")
    )
    assert found.knobs["num_predict"].key == "max_tokens"
    assert found.knobs["temperature"].key is None  # it is called the same


@pytest.mark.parametrize(
    ("command", "program"),
    [
        (("/opt/bin/my-server", "--port"), "my-server"),
        (("python", "-m", "my.server", "x"), "my.server"),
        (("python", "-m"), "python"),
    ],
)
def test_the_program_has_a_name(command: tuple[str, ...], program: str) -> None:
    """Messages and headers name what was started, not the interpreter that runs it."""
    assert Server(command).program == program


def test_a_default_may_come_from_the_baseline(tmp_path: Path) -> None:
    """A knob without a default of its own takes the baseline's value."""
    knobs = KNOBS | {"batch": {"tier": "restart"}}
    study = loaded(tmp_path, engine=ENGINE | {"knobs": knobs}, baseline={"batch": 4})

    assert study.engine_settings is not None
    assert study.engine_settings.knobs["batch"].default == 4


def test_other_kinds_of_engine_have_no_server(tmp_path: Path) -> None:
    """A study of another engine declares nothing."""
    assert loaded(tmp_path).engine_settings is None


def test_arguments_are_filled_in_and_empty_ones_dropped(tmp_path: Path) -> None:
    """One template is one argument; booleans are written as YAML writes them."""
    found = server(tmp_path, env={"FLASH": "{{ flash }}", "NONE": "{{ '' }}"})

    arguments, env = command_line(found, {"batch": 4, "flash": False}, 81, "m")
    assert arguments == ("my-server", "--port", "81", "--batch", "4", "7")
    assert env == {"FLASH": "false"}
    arguments, env = command_line(found, {"batch": 4, "flash": True}, 81, "m")
    assert arguments[-2:] == ("--flash", "7")
    assert env == {"FLASH": "true"}


@given(st.text(min_size=1))
def test_a_value_is_one_argument_whatever_it_holds(value: str) -> None:
    """Spaces, quotes and braces in a value neither split an argument nor are filled in again."""
    found = Server(("x", "{{ knob }}"))

    assert command_line(found, {"knob": value}, 1, "m")[0] == ("x", value)


def test_a_value_that_does_not_fit_is_a_sentence() -> None:
    """An expression that fails for a candidate names the argument and the reason."""
    found = Server(("x", "{{ 8 // batch }}"))

    with pytest.raises(InputError, match=r"engine\.command\.1: .*cannot be filled in: .*zero"):
        command_line(found, {"batch": 0}, 1, "m")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"command": "my-server"}, ["engine.command", "list of arguments", "'my-server'"]),
        ({"command": []}, ["engine.command", "list of arguments"]),
        ({"command": ["x", None]}, ["engine.command", "None"]),
        ({"command": ["x", "{{ prot }}"]}, ["engine.command.1", "'prot'", "did you mean port?"]),
        ({"command": ["x", "{{ batsh }}"]}, ["engine.command.1", "did you mean batch?"]),
        ({"command": ["x", "{{ batch"]}, ["engine.command.1", "not a Jinja template"]),
        ({"command": ["x", "{{ batch|nope }}"]}, ["engine.command.1", "not a Jinja template"]),
        ({"command": ["x", "{{ flash }}"], "env": {}}, ["engine.knobs.batch", "neither command"]),
        ({"env": {"X": "{{ thread }}"}}, ["engine.env.X", "unknown name 'thread'", "batch"]),
        ({"env": {"NOT-A-NAME": "1"}}, ["engine.env", "NOT-A-NAME"]),
        ({"env": {"X": "{{ temperature }}"}}, ["engine.env.X", "tier request"]),
        ({"ready": "health"}, ["engine.ready", "such as /health", "'health'"]),
        ({"start_timeout": "soon"}, ["engine.start_timeout", "such as 90s"]),
        ({"comand": ["x"]}, ["engine.comand", "did you mean command?"]),
        ({"attach": True}, ["engine.attach: not built yet"]),
    ],
)
def test_errors_in_the_section(tmp_path: Path, changes: dict[str, Any], words: list[str]) -> None:
    """Each message holds the file, the key, what was found and what is allowed."""
    with pytest.raises(InputError) as error:
        server(tmp_path, **changes)

    text = str(error.value)
    assert "study.yaml" in text
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("name", "knob", "words"),
    [
        ("batch", {"tier": "reload"}, ["knobs.batch.tier", "restart", "'reload'"]),
        ("batch", {"tier": "restrt"}, ["knobs.batch.tier", "did you mean restart?"]),
        ("batch", {"default": 1}, ["knobs.batch.tier: missing"]),
        ("batch", {"tier": "restart"}, ["knobs.batch.default: missing", "baseline"]),
        ("batch", {"tier": "restart", "defualt": 1}, ["batch.defualt", "did you mean default?"]),
        ("batch", {"tier": "restart", "default": 1, "field": "b"}, ["knobs.batch", "has none"]),
        ("batch", {"tier": "restart", "default": 1, "read": {}}, ["batch.read", "exactly one"]),
        (
            "batch",
            {"tier": "restart", "default": 1, "read": {"get": "/p"}},
            ["batch.read", "belong together"],
        ),
        (
            "batch",
            {"tier": "restart", "default": 1, "read": {"get": "p", "at": "x"}},
            ["batch.read.get", "expected a path"],
        ),
        (
            "batch",
            {"tier": "restart", "default": 1, "read": {"log": "a(b"}},
            ["batch.read.log", "not a regular expression"],
        ),
        (
            "batch",
            {"tier": "restart", "default": 1, "read": {"log": "ab"}},
            ["batch.read.log", "a group"],
        ),
        (
            "batch",
            {"tier": "restart", "default": 1, "read": {"gett": "/p"}},
            ["batch.read.gett", "did you mean get?"],
        ),
        ("port", {"tier": "restart", "default": 1}, ["knobs.port", "cannot name a knob"]),
        ("shots", {"tier": "request", "default": 1}, ["knobs.shots", "cannot name a knob"]),
        ("a-b", {"tier": "request", "default": 1}, ["knobs.a-b", "cannot name a knob"]),
        ("stream", {"tier": "request", "default": 1}, ["knobs.stream", "set by the tuner"]),
        (
            "t",
            {"tier": "request", "default": 1, "field": "temperature"},
            ["set by two knobs", "'temperature'"],
        ),
    ],
)
def test_errors_in_a_knob(
    tmp_path: Path, name: str, knob: dict[str, Any], words: list[str]
) -> None:
    """A wrong knob is named with the key that is wrong and the right one."""
    with pytest.raises(InputError) as error:
        server(tmp_path, knobs=KNOBS | {name: knob})

    text = str(error.value)
    assert "study.yaml: engine." in text
    assert all(word in text for word in words), text


@pytest.mark.parametrize("key", ["command", "env", "ready", "start_timeout", "knobs"])
def test_the_keys_belong_to_this_kind(tmp_path: Path, key: str) -> None:
    """Another kind of engine would ignore them: that is refused."""
    with pytest.raises(InputError, match=rf"engine\.{key}: belongs to kind command.*'llamacpp'"):
        loaded(tmp_path, engine={"kind": "llamacpp", key: ENGINE.get(key, "/health")})


def test_the_kind_needs_a_command(tmp_path: Path) -> None:
    """A server that is to be started has to say how."""
    with pytest.raises(InputError, match=r"study\.yaml: engine: .*needs engine\.command"):
        loaded(tmp_path, engine={"kind": "command"})


@pytest.mark.parametrize("text", ["a: [--port, {{ port }}]", "a: [{% if x %}y{% endif %}]"])
def test_a_template_without_quotes_is_explained(tmp_path: Path, text: str) -> None:
    """YAML takes braces for a mapping; the message says what to do."""
    from tuner.spec.study import load

    path = tmp_path / "study.yaml"
    path.write_text(text)

    with pytest.raises(InputError, match="in quotes"):
        load(path)
