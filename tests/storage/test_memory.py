"""The memory that a process can use: of the machine, within its control groups, or of a GPU."""

import pytest

from gan_lightning.storage import memory

MIB = 2**20


@pytest.mark.parametrize("text", ["0::/job\n", "5:cpu,memory:/x\n4:memory:/job\n"])
def test_a_control_group_limits_memory(monkeypatch, tmp_path, text):
    """Version 2 and version 1; the smallest limit of all groups that contain the process."""
    root = tmp_path / "memory" if ":memory:" in text else tmp_path
    (root / "job").mkdir(parents=True)
    name = "memory.limit_in_bytes" if ":memory:" in text else "memory.max"
    (root / name).write_text("max\n")
    (root / "job" / name).write_text(f"{64 * MIB}\n")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path)
    monkeypatch.setattr(memory, "OWN_GROUPS", tmp_path / "cgroup")
    (tmp_path / "cgroup").write_text(text)
    assert memory.machine_memory() == 64 * MIB
    (root / "job" / name).write_text("max\n")
    assert memory.machine_memory() > 64 * MIB


def test_the_memory_of_this_machine():
    assert memory.machine_memory() > 2**28


def test_no_gpu_no_answer(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert memory.gpu_memory() is None
