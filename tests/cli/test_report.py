"""`pennyweight report` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.report.html.conftest import Folders

from pennyweight.__main__ import main


def test_what_a_damaged_run_lacks_is_told_on_stderr_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = Folders(tmp_path)
    whole, unfinished, search = folders.run("whole"), folders.run("unfinished", finished=False), folders.search()
    (search / "trial-04" / "graph.json").unlink()
    assert main(["report", str(whole), "--json"]) == 0
    out, err = capsys.readouterr()
    assert (json.loads(out)["warnings"], err) == ([], "")
    assert main(["report", str(whole), str(unfinished), str(search), "--json"]) == 0
    out, err = capsys.readouterr()
    warnings = json.loads(out)["warnings"]
    assert [warning.partition(":")[0] for warning in warnings] == [str(unfinished), str(search / "trial-04")]
    assert warnings[0].endswith(f"has not ended; try pennyweight train --resume {unfinished}")
    assert "graph.json is missing" in warnings[1]
    assert err.splitlines() == [f"warning: {warning}" for warning in warnings]
    assert main(["report", str(unfinished)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{unfinished / 'report.html'}\n"
    assert err == f"warning: {warnings[0]}\n"
