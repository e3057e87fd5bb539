"""What several tests need: where the real data sets lie, a clock in haste, and a disk that is full."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def real_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of real data sets in the official layout; skips where there is none."""
    told = os.environ.get("PENNYWEIGHT_DATA")
    if told:
        return Path(told)
    unpack = SHARED / "data" / "unpack.py"
    if not unpack.is_file():
        pytest.skip("no real data sets: set PENNYWEIGHT_DATA to a folder that holds them")
    folder = tmp_path_factory.mktemp("data")
    subprocess.run([sys.executable, str(unpack), str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture
def hasty_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations measure the time per image for a hundredth of a second only."""
    monkeypatch.setattr("pennyweight.fit.timing.SECONDS", 0.01)


@pytest.fixture
def full_disk() -> Callable[[int], AbstractContextManager[None]]:
    """`with full_disk(1000):` no file can grow beyond 1,000 bytes; the kernel refuses it, as a full disk does."""
    resource = pytest.importorskip("resource")

    @contextmanager
    def limited(room_bytes: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited
