"""What goes onto a board comes out of a run folder or a .tflite file, or it is said why not."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.deploy.c.zoo_networks import zoo_network

from pennyweight.core.errors import GraphError, RunError, UsageError
from pennyweight.deploy import deployable
from pennyweight.deploy.deployable import is_tflite, open_deployable
from pennyweight.deploy.tflite.write import write
from pennyweight.net.integer.store import to_bytes
from pennyweight.shrink.quantize.kept import kept_network
from pennyweight.shrink.quantize.quantize import quantize


def test_a_quantised_run_has_its_network_its_names_and_itself(digits_run: Path) -> None:
    with pytest.raises(RunError, match="is not quantised") as refusal:
        open_deployable(digits_run)
    assert "pennyweight quantize" in refusal.value.hint
    quantize(digits_run, calibration_images=50, drop_points=100)
    found = open_deployable(str(digits_run))
    assert found.run is not None
    assert found.class_names == tuple("0123456789")
    assert to_bytes(found.network) == to_bytes(kept_network(found.run))


def test_a_file_has_the_names_that_it_tells(tmp_path: Path) -> None:
    (tmp_path / "a.TFLITE").write_bytes(write(zoo_network("mlp:hidden=8", (4, 4, 3), classes=2), ("cat", "dog")))
    found = open_deployable(tmp_path / "a.TFLITE")
    assert (found.class_names, found.run, found.notes) == (("cat", "dog"), None, ())


def test_a_folder_may_be_called_like_a_file(tmp_path: Path) -> None:
    (tmp_path / "run.tflite").mkdir()
    assert not is_tflite(tmp_path / "run.tflite")
    with pytest.raises(RunError, match="is not a run"):
        open_deployable(tmp_path / "run.tflite")


def test_what_is_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="No such file"):
        open_deployable(tmp_path / "none.tflite")
    (tmp_path / "broken.tflite").write_bytes(b"TFL3" * 10)
    with pytest.raises(GraphError, match="cannot be read"):
        open_deployable(tmp_path / "broken.tflite")
    monkeypatch.setattr(deployable, "TFLITE_MAX_BYTES", 20)
    with pytest.raises(UsageError, match="is larger than"):
        open_deployable(tmp_path / "broken.tflite")
