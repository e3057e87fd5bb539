from __future__ import annotations

import os
from pathlib import Path

import pytest

from pennyweight.core.install import install_command
from pennyweight.core.machine import Memory, _within, cores, extras, free_disk_bytes, may_write, memory, tools


def test_this_machine_has_cores_and_memory_and_a_disk(tmp_path: Path) -> None:
    found = memory()
    assert 1 <= cores() <= (os.cpu_count() or 1)
    assert found.total_bytes is None or found.total_bytes > 2**28
    assert found.free_bytes is None or 0 < found.free_bytes <= (found.total_bytes or 0)
    assert free_disk_bytes(tmp_path / "not" / "yet" / "there") > 0
    assert may_write(tmp_path / "not" / "yet" / "there")


def test_a_container_has_what_its_control_group_leaves(tmp_path: Path) -> None:
    whole = Memory(16 << 30, 12 << 30)
    assert _within(whole, tmp_path) == whole
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1048576\n")
    assert _within(whole, tmp_path) == whole
    (tmp_path / "memory.max").write_text(f"{2 << 30}\n")
    assert _within(whole, tmp_path) == Memory(2 << 30, (2 << 30) - 1048576)


def test_extras_are_those_of_the_package_with_the_command_that_installs_each() -> None:
    found = {extra.name: extra for extra in extras()}
    assert {"", "test", "dev", "hub"} <= set(found)
    assert found[""].missing == ()
    assert found["hub"].mend == "pip install -e '.[hub]'"
    assert "pytest" not in found["test"].missing


def test_an_extra_is_installed_from_the_checkout_where_there_is_one_else_by_name(tmp_path: Path) -> None:
    assert install_command("hub", tmp_path) == "pip install 'pennyweight[hub]'"
    (tmp_path / "pyproject.toml").touch()
    assert install_command("hub", tmp_path) == "pip install -e '.[hub]'"


@pytest.mark.parametrize("tool", tools(), ids=lambda tool: tool.name)
def test_every_tool_says_what_it_is_for_and_how_to_get_it(tool: object) -> None:
    assert all(getattr(tool, name) for name in ("name", "purpose", "mend"))
