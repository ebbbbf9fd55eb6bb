"""What `tune doctor` makes of a machine: each disturbance is found, and a quiet one is ok."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.kernel_files import stat, write
from tests.vllm import pythons
from tuner.engines.llamacpp import engine as llamacpp
from tuner.engines.ollama import kind as ollama
from tuner.engines.vllm.installed import program as vllm
from tuner.machine.disturbance import Disturbance
from tuner.machine.finding import Finding
from tuner.machine.kernel import Kernel
from tuner.report.doctor import Diagnosis, diagnosis_document, show_diagnosis
from tuner.workflow.doctor import diagnose, engines, system
from tuner.workflow.machine_findings import busiest, findings

PROGRAMS = {"ollama": ollama.INSTALL, "vllm": vllm.INSTALL}
QUIET = Disturbance(1.0, others=0.01)
GOVERNOR = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
CLOCK = "sys/devices/system/clocksource/clocksource0/current_clocksource"
QUOTA = "sys/fs/cgroup/cpu.max"
STAT = "sys/fs/cgroup/cpu.stat"
HEAT = "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
SWAP = "proc/meminfo"
MEMORY = "sys/fs/cgroup/memory.max"


def by_topic(
    kernel: Kernel, window: Disturbance | None = QUIET, who: str = ""
) -> dict[str, Finding]:
    """Return the findings about a machine by their topics."""
    return {f.topic: f for f in findings(kernel, window, who)}


def test_a_quiet_machine_is_ok(tmp_path: Path) -> None:
    """Nothing is complained of where nothing is wrong."""
    kernel = write(tmp_path, {
        GOVERNOR: "performance\n", CLOCK: "tsc\n", QUOTA: "max 100000\n", HEAT: "0\n",
        STAT: "nr_periods 10\nnr_throttled 0\nthrottled_usec 0\n",
        SWAP: "SwapTotal: 1000 kB\nSwapFree: 1000 kB\n",
    })  # fmt: skip
    found = by_topic(kernel)
    del found["memory"]  # that of the machine which runs the test

    assert {f.level for f in found.values()} == {"ok"}


@pytest.mark.parametrize(
    ("files", "window", "topic", "level", "said"),
    [
        ({}, Disturbance(1.0, others=0.34), "other load", "warning", "34% of the"),
        ({}, Disturbance(1.0, 0.0, stolen=0.02), "steal time", "warning", "takes 2.0%"),
        ({QUOTA: "50000 100000\n"}, QUIET, "CPU quota", "warning", "num_thread to 1 or less"),
        ({QUOTA: "90000000 100000\n"}, QUIET, "CPU quota", "ok", "allows the time of 900 CPUs"),
        ({STAT: "nr_periods 50\nnr_throttled 7\n"}, QUIET, "throttling", "note", "7 of 50 periods"),
        ({}, Disturbance(1.0, 0.0, throttled=0.2), "throttling", "warning", "halts processes now"),
        ({HEAT: "12\n"}, QUIET, "heat", "note", "12 times"),
        ({HEAT: "12\n"}, Disturbance(1.0, 0.0, heat_events=2), "heat", "warning", "cool down"),
        ({SWAP: "SwapTotal: 9216 kB\nSwapFree: 1024 kB\n"}, QUIET, "swap", "note", "8 MiB"),
        ({}, Disturbance(1.0, 0.0, swapped_in_bytes=2**23), "swap", "warning", "8 MiB came back"),
        ({GOVERNOR: "powersave\n"}, QUIET, "governor", "warning", "cpupower frequency-set"),
        ({CLOCK: "hpet\n"}, QUIET, "clock", "warning", "expected is tsc"),
        ({MEMORY: "1048576\n"}, QUIET, "memory", "warning", "1 GiB is expected"),
        ({}, None, "other load", "note", "does not tell"),
    ],
)  # fmt: skip
def test_each_disturbance_is_found(
    tmp_path: Path,
    files: dict[str, str],
    window: Disturbance | None,
    topic: str,
    level: str,
    said: str,
) -> None:
    """The level fits, and the sentence says what was found."""
    found = by_topic(write(tmp_path, files), window)[topic]

    assert found.level == level
    assert said in found.text


def test_the_busiest_other_processes_are_named() -> None:
    """Those with the most CPU time since the first look are named, worst first; we are not."""
    ours = os.getpid()
    before = {1: ("calm", 5.0), 2: ("busy", 5.0), 3: ("hot", 5.0), ours: ("tune", 5.0)}
    after = {1: ("calm", 5.0), 2: ("busy", 5.5), 3: ("hot", 7.0), ours: ("tune", 9.0)}
    after[4] = ("new", 50.0)  # when it began is not known

    assert busiest(before, after, 2.0) == (
        "hot (process 3, 100% of a CPU), busy (process 2, 25% of a CPU)"
    )


def test_load_that_nobody_shows_is_said_to_be_elsewhere(tmp_path: Path) -> None:
    """In a container the others' processes may not be seen; their load is."""
    found = by_topic(write(tmp_path, {}), Disturbance(1.0, others=0.5))["other load"]

    assert "another container" in found.text


def test_the_quota_is_held_against_the_engine_s_own_threads(tmp_path: Path) -> None:
    """As many CPUs as the engine starts threads are enough."""
    threads = int(llamacpp.KNOBS["num_thread"].default)
    kernel = write(tmp_path, {QUOTA: f"{threads * 100_000} 100000\n"})

    assert by_topic(kernel)["CPU quota"].level == "ok"


def test_a_program_is_found_or_how_to_install_it_is_said(tmp_path: Path) -> None:
    """A program is named with its install command or its place."""
    nothing = {e.finding.topic: e for e in engines(str(tmp_path))}
    for name, install in PROGRAMS.items():
        assert install in nothing[name].finding.text
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)
    there = {e.finding.topic: e for e in engines(str(tmp_path))}

    assert str(tmp_path / "ollama") in there["ollama"].finding.text
    assert there["ollama"].usable
    assert not there["vllm"].usable
    assert "is not a script of a Python" in there["vllm"].finding.text
    assert there["command"].usable
    assert there["openai"].usable


def test_a_vllm_is_found_with_its_version(tmp_path: Path) -> None:
    """The Python behind the program `vllm` is asked which version it has."""
    pythons.program(tmp_path)
    there = {e.finding.topic: e for e in engines(str(tmp_path))}["vllm"]

    assert there.usable
    assert str(tmp_path / "python") in there.finding.text


def test_a_diagnosis_is_a_document_and_a_text(tmp_path: Path) -> None:
    """Both hold every finding, and the number of warnings."""
    kernel = write(tmp_path, {"proc/stat": stat(5, 5), CLOCK: "hpet\n"})
    found = diagnose(kernel, seconds=0.0)
    document = json.loads(json.dumps(diagnosis_document(found), allow_nan=False))
    text = show_diagnosis(found)

    assert document["schema"] == "tuner.doctor/1"
    assert document["warnings"] == found.warnings >= 1
    for part in (*document["engines"], *document["machine"]):
        assert part["text"] in text
    assert document["window"] is None  # no tick has passed on this machine


def test_no_warning_is_said_too() -> None:
    """The last line counts the warnings."""
    one = Finding("clock", "warning", "hpet")

    assert show_diagnosis(Diagnosis((), (), None)).endswith("No warnings.")
    assert show_diagnosis(Diagnosis((), (one,), None)).endswith("1 warning.")


def test_what_a_system_does_not_tell_is_not_called_fine(tmp_path: Path) -> None:
    """Without the kernel's files nobody knows of load, steal time and swap."""
    found = by_topic(write(tmp_path, {}), window=None)

    for topic in ("other load", "steal time", "swap"):
        assert (found[topic].level, "does not tell" in found[topic].text) == ("note", True)


@pytest.mark.parametrize(
    ("platform", "levels"), [("linux", []), ("darwin", ["note"]), ("win32", ["warning"])]
)
def test_what_an_operating_system_lacks_is_found(platform: str, levels: list[str]) -> None:
    """Nothing on Linux, little on macOS, and on Windows what stands in the way of measuring."""
    assert [found.level for found in system(platform)] == levels
