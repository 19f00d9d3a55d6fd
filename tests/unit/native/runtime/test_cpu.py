"""What the host is, what a level of it is, and how many threads it grants."""

import os

import pytest

from retrograd import config
from retrograd.errors import RetrogradError
from retrograd.native.runtime import cpu

AVX512 = dict.fromkeys(cpu.V4, True)


def test_levels_have_fixed_features():
    wide, middle, narrow = (cpu.describe(f"x86-64-v{n}", "x86_64", "any", AVX512) for n in (4, 3, 2))
    assert [t.vector_bytes for t in (wide, middle, narrow)] == [64, 32, 16]
    assert [t.registers for t in (wide, middle, narrow)] == [32, 16, 16]
    assert [t.fma for t in (wide, middle, narrow)] == [True, True, False]
    assert wide.features.endswith(",-prefer-256-bit")
    assert "avx" not in narrow.features
    assert middle == cpu.describe("x86-64-v3", "x86_64", "another", {**AVX512, "amx-tile": True})


def test_a_level_above_the_host_names_what_is_missing():
    host = {**AVX512, "avx512vl": False, "fma": False}
    with pytest.raises(RetrogradError, match=r"'x86-64-v4': this host \(old\) lacks fma, avx512vl"):
        cpu.describe("x86-64-v4", "x86_64", "old", host)
    with pytest.raises(RetrogradError, match="choose native, x86-64-v2"):
        cpu.describe("x86-64-v5", "x86_64", "old", AVX512)


@pytest.mark.parametrize(
    "missing, width, fma", [((), 64, True), (("avx512bw",), 32, True), (("avx2",), 16, True), (cpu.V4, 16, False)]
)
def test_native_is_the_widest_level_whose_features_are_all_there(missing, width, fma):
    target = cpu.describe("native", "x86_64", "host", {**AVX512, **dict.fromkeys(missing, False)})
    assert (target.cpu, target.vector_bytes, target.fma) == ("host", width, fma)
    assert ("-prefer-256-bit" in target.features) == (width == 64)


def test_other_architectures_have_one_level():
    target = cpu.describe("native", "aarch64", "apple-m1", {"neon": True, "sve": False})
    assert (target.vector_bytes, target.registers, target.fma) == (16, 32, True)
    assert target.features == "+neon,-sve"
    assert cpu.describe("native", "riscv64", "generic", {}).vector_bytes == 16
    with pytest.raises(RetrogradError, match="only native"):
        cpu.describe("x86-64-v2", "aarch64", "apple-m1", {})


def test_the_host():
    pytest.importorskip("llvmlite")
    target = cpu.host_target()
    assert target == cpu.current_target()
    assert 1 << 12 <= target.l1 <= target.l2 <= target.l3
    assert 1 <= target.threads <= len(cpu.allowed_cores())


@pytest.mark.skipif(cpu.machine() != "x86_64", reason="levels of x86-64")
def test_the_level_is_a_setting():
    pytest.importorskip("llvmlite")
    assert config.cpu_level() == "native"
    with config.cpu("x86-64-v2"):
        assert cpu.current_target().cpu == "x86-64-v2"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RETROGRAD_CPU", "x86-64-v2")
        assert cpu.current_target().vector_bytes == 16
        with config.cpu("native"):
            assert cpu.current_target() == cpu.host_target()


def test_threads_are_a_setting(monkeypatch):
    monkeypatch.setattr(cpu, "allowed_cores", lambda: {0, 1, 5})
    monkeypatch.setattr(cpu, "_cgroup_limit", lambda: 8)
    assert cpu.thread_count() == 3
    monkeypatch.setattr(cpu, "_cgroup_limit", lambda: 2)
    assert cpu.thread_count() == 2
    with config.threads(1):
        assert cpu.thread_count() == 1
    with pytest.raises(RetrogradError, match="1 or more"), config.threads(0):
        pass


def test_threads_are_set_by_the_environment():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RETROGRAD_THREADS", "4")
        assert cpu.thread_count() == 4
        with config.threads(1):
            assert cpu.thread_count() == 1
        for wrong in ("0", "many", "-1"):
            patch.setenv("RETROGRAD_THREADS", wrong)
            with pytest.raises(RetrogradError, match=f"RETROGRAD_THREADS={wrong}"):
                cpu.thread_count()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_affinity_is_respected():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert cpu.thread_count() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    "files, groups, limit",
    [
        ({"a/b/cpu.max": "150000 100000", "a/cpu.max": "max 100000"}, "0::/a/b", 2),
        ({"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000"}, "0::/a/b", 1),
        (
            {"cpu,cpuacct/job/cpu.cfs_quota_us": "300000", "cpu,cpuacct/job/cpu.cfs_period_us": "100000"},
            "4:cpu,cpuacct:/job\n0::/",
            3,
        ),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "1:cpu:/", None),
        ({"cpu.max": "what is this"}, "0::/", None),
        ({}, "", None),
        ({}, "nonsense\n::\n", None),
    ],
)
def test_limits_of_control_groups(tmp_path, files, groups, limit):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    found = cpu.cgroup_limit(tmp_path, groups)
    assert found == limit if limit else found > 1 << 20


def test_caches_that_the_system_does_not_tell(tmp_path, monkeypatch):
    monkeypatch.setattr(cpu, "CACHES", tmp_path)
    assert cpu.cache_sizes() == {}
    folder = tmp_path / f"cpu{min(cpu.allowed_cores())}" / "cache"
    for name, level, kind, size in [
        ("index0", "1", "Data", "48K"),
        ("index1", "1", "Instruction", "32K"),
        ("index2", "2", "Unified", "2M"),
        ("index3", "3", "Unified", "?"),
    ]:
        (folder / name).mkdir(parents=True)
        for file, text in (("level", level), ("type", kind), ("size", size)):
            (folder / name / file).write_text(text)
    assert cpu.cache_sizes() == {"1": 48 << 10, "2": 2 << 20}
