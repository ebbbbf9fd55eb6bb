"""The server's environment as the files of each kind of service."""

from __future__ import annotations

import plistlib
import shlex

import pytest
import yaml
from syrupy.assertion import SnapshotAssertion

from tuner.engines.deployment import TARGETS, Target
from tuner.engines.ollama.emitted.service import environment_of, service_file, steps

ENVIRONMENT = {"OLLAMA_NUM_PARALLEL": "2", "OLLAMA_KV_CACHE_TYPE": "q8_0"}
HEADER = ("Written by a test -- with two hyphens.",)


@pytest.mark.parametrize("target", TARGETS)
def test_each_target_s_file(target: Target, snapshot: SnapshotAssertion) -> None:
    """The files are read by systemd, docker compose, launchd and shells."""
    name, text = service_file(target, ENVIRONMENT, HEADER)

    assert (name, text, steps(target, f"/there/{name}")) == snapshot


@pytest.mark.parametrize("target", TARGETS)
def test_how_the_server_was_scheduled_is_in_each_target_s_file(
    target: Target, snapshot: SnapshotAssertion
) -> None:
    """For systemd and compose it is set, the others say how it was measured."""
    name, text = service_file(target, ENVIRONMENT, HEADER, "batch")

    assert (text, steps(target, f"/there/{name}", "batch")) == snapshot


def test_a_drop_in_comes_after_the_one_that_systemctl_edit_writes() -> None:
    """Of two drop-ins the later name wins (systemd.unit(5)), as the printed steps say to check."""
    name, _ = service_file("systemd", ENVIRONMENT, HEADER)
    told = steps("systemd", f"/there/{name}")

    assert max(name, "override.conf") == name
    assert f"/etc/systemd/system/ollama.service.d/{name}" in told[0]
    assert told[-1].startswith("systemctl show ollama -p Environment")


ODD = {"ODD": """a "b" <c> & $d %e \\ 'f'"""}


def test_odd_values_are_quoted_as_each_service_reads_them() -> None:
    """Quotes, spaces and what begins a variable or a specifier are no part of the syntax."""
    compose = yaml.safe_load(service_file("compose", ODD, HEADER)[1])
    plist = plistlib.loads(service_file("launchd", ODD, HEADER)[1].encode())
    words = shlex.split(plist["ProgramArguments"][-1].rstrip("; "))
    systemd = service_file("systemd", ODD, HEADER)[1].splitlines()[-1]

    told = compose["services"]["ollama"]["environment"]["ODD"]
    assert told.replace("$$", "$") == ODD["ODD"]
    assert words == ["launchctl", "setenv", "ODD", ODD["ODD"]]
    assert systemd == r'''Environment="ODD=a \"b\" <c> & $d %%e \\ 'f'"'''


def test_compose_and_launchd_files_parse_to_what_they_set() -> None:
    """Both are read back by parsers of their formats."""
    compose = yaml.safe_load(service_file("compose", ENVIRONMENT, HEADER)[1])
    plist = plistlib.loads(service_file("launchd", ENVIRONMENT, HEADER)[1].encode())

    assert compose["services"]["ollama"]["environment"] == ENVIRONMENT
    assert (
        plist["ProgramArguments"][-1].split("; ")[0] == "launchctl setenv OLLAMA_KV_CACHE_TYPE q8_0"
    )


def test_an_env_file_is_read_back() -> None:
    """What `env` writes is what `environment_of` reads."""
    assert environment_of(service_file("env", ENVIRONMENT, HEADER)[1]) == ENVIRONMENT
