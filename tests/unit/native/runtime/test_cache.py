"""Objects come back as they went in, or not at all."""

import json
import os
import subprocess
import sys
import time

import pytest

pytest.importorskip("llvmlite")

from retrograd.native.runtime import cache as objects
from retrograd.native.runtime import cpu, linker
from retrograd.native.runtime.cache import Cache, key, source_digest

CODE = bytes(range(256)) * 8


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "objects")


def only_file(cache):
    (path,) = cache.folder.iterdir()
    return path


def test_what_is_stored_is_loaded(cache):
    name = key("text", "options")
    assert cache.load(name) is None
    cache.store(name, CODE, "znver9")
    assert cache.load(name) == CODE
    assert Cache(cache.folder).load(name) == CODE
    assert cache.load(key("another")) is None
    assert (cache.statistics.hits, cache.statistics.misses, cache.statistics.stored) == (1, 2, 1)
    header = json.loads(only_file(cache).read_bytes().split(b"\n")[0])
    assert header["key"] == name
    assert header["length"] == len(CODE)
    assert header["cpu"] == "znver9"
    assert header["llvm"] == linker.llvm_version()
    if os.name == "posix":
        assert cache.folder.stat().st_mode & 0o777 == 0o700
        assert only_file(cache).stat().st_mode & 0o777 == 0o600


def test_keys_tell_everything_apart():
    target = cpu.host_target()
    keys = [
        key("a", "b"),
        key("ab"),
        key("ab", ""),
        key(b"a", b"b", b""),
        key("a", target),
        key("a", 1),
        key("a", "1", 1),
    ]
    assert len({*keys}) == len(keys)
    assert key("a", target) == key("a", target)
    assert len(key("a")) == 64


def test_every_truncation_is_a_miss(cache):
    name = key("t")
    cache.store(name, CODE)
    path = only_file(cache)
    whole = path.read_bytes()
    for length in [*range(0, len(whole) - 1, 37), len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert cache.load(name) is None
    path.write_bytes(whole + b"x")
    assert cache.load(name) is None
    path.write_bytes(whole)
    assert cache.load(name) == CODE


def test_every_flipped_bit_is_a_miss_or_harmless(cache):
    name = key("t")
    cache.store(name, CODE)
    path = only_file(cache)
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1
    for place in [*range(start), *range(start, len(whole), 41)]:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        found = cache.load(name)
        assert found is None or (found == CODE and place < start), (
            place
        )  # in the date or the CPU's name nothing is at stake


@pytest.mark.parametrize("header", [b"", b"[]", b"null", b"{", b"[" * 3000, b"{}", b"\xff\xfe"])
def test_a_header_that_is_none_is_a_miss(cache, header):
    name = key("t")
    cache.store(name, CODE)
    only_file(cache).write_bytes(header + b"\n" + CODE)
    assert cache.load(name) is None


def test_an_object_under_another_name_is_a_miss(cache):
    cache.store(key("a"), CODE)
    path = only_file(cache)
    path.rename(path.with_name(f"{key('b')}.o"))
    assert cache.load(key("b")) is None


posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes")


@posix
def test_a_folder_that_others_may_write_to_is_not_used(cache):
    name = key("t")
    cache.store(name, CODE)
    cache.folder.chmod(0o777)
    assert cache.load(name) is None
    cache.store(key("u"), CODE)
    assert len([*cache.folder.iterdir()]) == 1
    cache.folder.chmod(0o755)
    assert cache.load(name) == CODE


@posix
def test_a_file_that_others_may_write_to_or_a_link_is_a_miss(cache):
    name = key("t")
    cache.store(name, CODE)
    path = only_file(cache)
    path.chmod(0o666)
    assert cache.load(name) is None
    path.chmod(0o600)
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))
    assert cache.load(name) is None
    path.unlink()
    path.mkdir()
    assert cache.load(name) is None
    cache.store(name, CODE)  # cannot, and says nothing


@posix
def test_what_belongs_to_somebody_else_is_not_used(cache, monkeypatch):
    name = key("t")
    cache.store(name, CODE)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert cache.load(name) is None
    cache.store(name, CODE)


def test_a_folder_that_cannot_be_made_is_no_cache(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    for cache in (Cache(tmp_path / "file"), Cache(tmp_path / "file" / "below"), Cache(None)):
        cache.store(key("t"), CODE)
        assert cache.load(key("t")) is None


def test_a_full_disk_leaves_nothing_behind(cache, monkeypatch):
    cache.store(key("a"), CODE)
    monkeypatch.setattr(objects.Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    cache.store(key("b"), CODE)
    assert len([*cache.folder.iterdir()]) == 1


def test_the_longest_unused_go_first(tmp_path):
    cache = Cache(tmp_path / "objects", limit=10_000)
    names = [key(n) for n in range(12)]
    for n, name in enumerate(names):
        cache.store(name, CODE)
        os.utime(cache._path(name), (n, n))
    sizes = sum(path.stat().st_size for path in cache.folder.iterdir())
    assert sizes <= 10_000 + len(CODE) + 1000
    assert cache.load(names[-1]) == CODE
    assert cache.load(names[0]) is None


def test_leftovers_of_dead_processes_go(cache):
    cache.folder.mkdir(mode=0o700)
    old, new = cache.folder / "old.tmp", cache.folder / "new.tmp"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    cache.store(key("t"), CODE)
    assert not old.exists()
    assert new.exists()


def test_a_hit_keeps_an_object_young(cache):
    name = key("t")
    cache.store(name, CODE)
    os.utime(only_file(cache), (1, 1))
    assert cache.load(name) == CODE
    assert time.time() - only_file(cache).stat().st_mtime < 60


def test_the_environment_names_the_folder(tmp_path):
    assert objects.default().folder == tmp_path / "objects"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RETROGRAD_CACHE_DIR")
        patch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert objects.default().folder == tmp_path / "xdg" / "retrograd"
        patch.setenv("XDG_CACHE_HOME", "not/absolute")
        patch.setattr(objects.Path, "home", lambda: tmp_path)
        assert objects.default().folder == tmp_path / ".cache" / "retrograd"
        patch.setenv("RETROGRAD_CACHE", "off")
        assert objects.default().folder is None


def tree(root):
    for name in ("native/one.py", "native/deep/two.py", "passes/three.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def test_the_digest_changes_with_any_source(tmp_path):
    root = tree(tmp_path)
    later = time.time() + 60
    digests = {source_digest(root, later)}
    (root / "native" / "deep" / "two.py").write_text("changed")
    digests.add(source_digest(root, later))
    (root / "native" / "deep" / "two.py").rename(root / "native" / "two.py")
    digests.add(source_digest(root, later))
    (root / "passes" / "new.py").write_text("")
    digests.add(source_digest(root, later))
    assert len(digests) == 4
    (root / "native" / "notes.txt").write_text("not a source")
    assert source_digest(root, later) in digests


def test_sources_newer_than_the_running_code_give_no_digest(tmp_path):
    assert source_digest(tree(tmp_path), time.time() - 60) is None
    assert source_digest(tmp_path / "nothing", time.time()) is None


def test_a_changed_compiler_finds_nothing(monkeypatch, cache):
    monkeypatch.setattr(objects, "_digest", lambda: "one")
    before = key("t")
    cache.store(before, CODE)
    monkeypatch.setattr(objects, "_digest", lambda: "two")
    assert key("t") != before
    assert cache.load(key("t")) is None
    monkeypatch.setattr(objects, "_digest", lambda: None)
    assert objects.default().folder is None


@pytest.mark.skipif(cpu.machine() != "x86_64", reason="levels of x86-64")
def test_a_changed_level_finds_nothing():
    ir = "define void @f() {\n  ret void\n}"
    objects.compiled(ir, cpu.host_target())
    before = objects.default().statistics.misses
    objects.compiled(ir, cpu.target_for("x86-64-v2"))
    assert objects.default().statistics.misses == before + 1
    objects.compiled(ir, cpu.target_for("x86-64-v2"))
    assert objects.default().statistics.misses == before + 1


WRITER = """
import sys
from pathlib import Path
from retrograd.native.runtime.cache import Cache
cache = Cache(Path(sys.argv[1]))
for i in range(300):
    name = f"{i % 3}" * 64
    found = cache.load(name)
    assert found is None or found == bytes([i % 3]) * 5000
    cache.store(name, bytes([i % 3]) * 5000)
"""


def test_two_processes_write_at_once(cache):
    command = [sys.executable, "-c", WRITER, str(cache.folder)]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    for i in range(3):
        assert cache.load(f"{i}" * 64) == bytes([i]) * 5000
    assert len([*cache.folder.iterdir()]) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_reads_and_writes(cache):
    program = """
import os, sys
from pathlib import Path
from retrograd.native.runtime.cache import Cache
cache = Cache(Path(sys.argv[1]))
cache.store("a" * 64, b"parent")
pid = os.fork()
if pid == 0:
    cache.store("b" * 64, b"child")
    os._exit(cache.load("a" * 64) != b"parent")
assert os.waitpid(pid, 0)[1] == 0
assert cache.load("b" * 64) == b"child"
"""
    subprocess.run([sys.executable, "-c", program, str(cache.folder)], check=True, timeout=60)
