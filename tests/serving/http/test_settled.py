"""What a server gives back once its models are loaded, and what it must not lose by it."""

import subprocess
import sys
from pathlib import Path

import pytest

from graft.serving.http import memory

LOADED = """
import ctypes, mmap, sys
from graft.serving.http import memory

def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))

size = 64 << 20
with open(sys.argv[1], "rb") as file:
    read = mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE)
    own = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY)
assert sum(read[::4096]) == 7 * size // 4096
own[5000] = 9
# As the loader of libraries leaves what it has written to once.
place = ctypes.addressof(ctypes.c_char.from_buffer(own))
assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(place), ctypes.c_size_t(size), mmap.PROT_READ) == 0
before = resident()
memory.settle()
after = resident()
assert before - after > 0.9 * size / 1024, (before, after)
assert read[123456] == 7
assert own[5000] == 9, "a page that was written to is lost"
import graft.serving.http.answering
print("whole")
"""


@pytest.mark.skipif(not memory.MAPS.exists(), reason="the system does not tell what is mapped")
def test_files_that_were_only_read_are_let_go_and_what_was_written_stays(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\7" * (64 << 20))
    done = subprocess.run(
        [sys.executable, "-c", LOADED, str(file)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.strip() == "whole", done.stderr


def test_a_system_that_tells_no_maps_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAPS", tmp_path / "absent")
    assert list(memory._as_on_disk()) == []
