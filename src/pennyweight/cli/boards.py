"""`pennyweight boards`"""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import date
from typing import Any

from pennyweight.cli.options import AsJson, CsvFile
from pennyweight.cli.output import print_json


def boards(csv: CsvFile = None, json: AsJson = False) -> None:
    """The boards that we know, from the cheapest.

    PENNYWEIGHT_BOARDS names TOML files, or folders of them, with boards of your own. --json gives the source and the
    date of every figure.
    """
    from pennyweight.core.board import Board
    from pennyweight.core.board import boards as known_boards

    known = tuple(known_boards().values())
    if json:
        print_json({"boards": [_plain(asdict(board)) for board in known]})
    else:
        from pennyweight.report.boards import boards_report
        from pennyweight.report.terminal import show

        show(boards_report(known))
    if csv is not None:
        from pennyweight.report.csv import write_csv

        figures = [field.name for field in fields(Board) if field.name != "sources"]
        write_csv(csv, [{name: getattr(board, name) for name in figures} for board in known])


def _plain(value: Any) -> Any:
    """The same with dates as text."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value.isoformat() if isinstance(value, date) else value
