"""What is read out of the kernel's files, and what is not there is not made up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kernel_files import stat, write
from tuner.machine.counters import (
    Counters,
    Throttling,
    counters,
    cpu_by_process,
    heat_events,
    quota_cpus,
    since,
    throttling,
    usable_cpus,
)
from tuner.machine.kernel import HERE, Kernel, cgroup_folders, keyed, number

TICKS = os.sysconf("SC_CLK_TCK")


def counted(kernel: Kernel) -> Counters:
    """Return counters that are there."""
    found = counters(kernel)
    assert found is not None
    return found


def test_the_times_of_usable_cpus_are_added(tmp_path: Path) -> None:
    """Only CPUs that this process may use count, and the line of all of them does not."""
    foreign = max(usable_cpus()) + 1
    text = stat(100, 300, 40) + f"\ncpu{foreign} 9999 0 0 0 0 0 0 9999 0 0"
    found = counted(write(tmp_path, {"proc/stat": text}))

    count = len(usable_cpus())
    assert found.busy_s == count * 100 / TICKS
    assert found.stolen_s == count * 40 / TICKS
    assert found.capacity_s == count * 440 / TICKS


def test_cpus_under_numbers_of_their_own_all_count(tmp_path: Path) -> None:
    """A container that numbers its CPUs in its own way is read as a whole."""
    beyond = max(usable_cpus()) + 1
    kernel = write(tmp_path, {"proc/stat": stat(100, 300, cpus={beyond, beyond + 1})})

    assert counted(kernel).busy_s == 200 / TICKS


def test_what_others_did_is_the_rest(tmp_path: Path) -> None:
    """Ticks that neither we nor the idle loop used are the others'; pages count in bytes."""
    kernel = write(tmp_path, {"proc/stat": stat(0, 0), "proc/vmstat": "pswpin 10\npswpout 3\n"})
    before = counted(kernel)
    far = 100 * TICKS  # so much that what this test itself uses is nothing beside it
    write(tmp_path, {"proc/stat": stat(far, 2 * far, far), "proc/vmstat": "pswpin 12\n"})
    found = since(before, kernel)

    assert found is not None
    assert found.others == pytest.approx(0.25, abs=0.05)
    assert found.stolen == pytest.approx(0.25)
    assert found.swapped_in_bytes == 2 * os.sysconf("SC_PAGE_SIZE")


def test_our_own_work_is_not_the_others(tmp_path: Path) -> None:
    """Where ticks say less than our processes used, others have used nothing."""
    kernel = write(tmp_path, {"proc/stat": stat(0, 0)})
    before = counted(kernel)
    write(tmp_path, {"proc/stat": stat(0, 100)})
    sum(range(2_000_000))
    found = since(before, kernel)

    assert found is not None
    assert found.others == 0


def test_a_system_without_such_files_tells_nothing(tmp_path: Path) -> None:
    """No counters, no quota, no processes; and nothing can be said of a window."""
    kernel = Kernel(tmp_path / "proc", tmp_path / "sys")

    assert counters(kernel) is None
    assert since(None, kernel) is None
    assert quota_cpus(kernel) is None
    assert heat_events(kernel) is None
    assert cpu_by_process(kernel) == {}
    assert throttling(kernel) == Throttling()


def test_this_machine_can_be_read() -> None:
    """The real files are understood: CPUs have worked, and this process is seen."""
    if not (HERE.proc / "stat").exists():
        pytest.skip("only Linux tells")

    assert counted(HERE).capacity_s > counted(HERE).busy_s > 0
    assert os.getpid() in cpu_by_process()


V2 = {"proc/self/cgroup": "0::/outer/inner\n", "sys/fs/cgroup/outer/inner/cgroup.procs": ""}
V1 = {
    "proc/self/cgroup": "3:cpu,cpuacct:/outer\n2:memory:/outer\n0::/\n",
    "sys/fs/cgroup/cpu/outer/cgroup.procs": "",
    "sys/fs/cgroup/memory/outer/cgroup.procs": "",
}


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        (V2 | {"sys/fs/cgroup/outer/inner/cpu.max": "150000 100000\n"}, 1.5),
        (V2 | {"sys/fs/cgroup/outer/inner/cpu.max": "max 100000\n"}, None),
        # the tightest of those around us counts
        (
            V2
            | {
                "sys/fs/cgroup/outer/inner/cpu.max": "400000 100000\n",
                "sys/fs/cgroup/outer/cpu.max": "200000 100000\n",
            },
            2.0,
        ),
        # inside a container the mount begins at our cgroup
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
        (
            V1
            | {
                "sys/fs/cgroup/cpu/outer/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu/outer/cpu.cfs_period_us": "100000\n",
            },
            3.0,
        ),
        (
            V1
            | {
                "sys/fs/cgroup/cpu/outer/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/outer/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
    ],
)
def test_quotas_of_both_versions(tmp_path: Path, files: dict[str, str], cpus: float | None) -> None:
    """A quota is found in the cgroup of this process and in those around it."""
    assert quota_cpus(write(tmp_path, files)) == cpus


def test_throttling_of_both_versions(tmp_path: Path) -> None:
    """Version 2 counts microseconds, version 1 nanoseconds."""
    two = write(tmp_path / "2", V2 | {
        "sys/fs/cgroup/outer/inner/cpu.stat":
            "usage_usec 9\nnr_periods 40\nnr_throttled 4\nthrottled_usec 250000\n",
    })  # fmt: skip
    one = write(tmp_path / "1", V1 | {
        "sys/fs/cgroup/cpu/outer/cpu.stat":
            "nr_periods 40\nnr_throttled 4\nthrottled_time 250000000\n",
    })  # fmt: skip

    assert throttling(two) == throttling(one) == Throttling(40, 4, 0.25)


def test_the_folders_are_ours_and_those_around_us(tmp_path: Path) -> None:
    """The nearest comes first, and none lies outside of the mount."""
    kernel = write(tmp_path, V2)
    root = tmp_path / "sys/fs/cgroup"

    assert cgroup_folders(kernel, "cpu") == [root / "outer" / "inner", root / "outer", root]


def test_heat_is_counted_over_all_cores(tmp_path: Path) -> None:
    """Each core has a count of its own."""
    files = {
        f"sys/devices/system/cpu/cpu{n}/thermal_throttle/core_throttle_count": f"{n}\n"
        for n in (1, 2, 10)
    }

    assert heat_events(write(tmp_path, files)) == 13


@given(name=st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=15))
def test_a_process_may_have_any_name(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    """Brackets and blanks in a name do not shift the fields behind it."""
    fields = " ".join(["S", *map(str, range(1, 11)), str(3 * TICKS), str(2 * TICKS), "0", "0"])
    kernel = write(tmp_path_factory.mktemp("k"), {"proc/77/stat": f"77 ({name}) {fields}\n"})

    assert cpu_by_process(kernel) == {77: (name, 5.0)}


@given(text=st.text(max_size=80))
def test_no_content_of_a_file_is_an_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """Whatever a file holds, it is a number, or it is none."""
    file = tmp_path_factory.mktemp("f") / "x"
    file.write_text(text, encoding="utf-8", newline="")

    assert all(isinstance(value, int) for value in keyed(file).values())
    assert number(file) is None or text.strip()
