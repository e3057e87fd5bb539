"""`pennyweight data SOURCE`"""

from __future__ import annotations

from dataclasses import asdict

from pennyweight.cli.options import AsJson, CsvFile, DataDir, Input, Source
from pennyweight.cli.output import print_json


def data(
    source: Source, input: Input = None, data_dir: DataDir = None, csv: CsvFile = None, json: AsJson = False
) -> None:
    """What a set of images holds, and what spoils it.

    Counts of every class, sizes, files that cannot be read, copies, copies between the learning and the test part,
    imbalance.
    """
    from pennyweight.core.units import parse_shape
    from pennyweight.data.audit import audit
    from pennyweight.data.source import open_source
    from pennyweight.report.progress import DownloadDisplay

    input_shape = parse_shape(input, "--input") if input is not None else None
    with DownloadDisplay() as display:
        images = open_source(source, data_dir=data_dir, input_shape=input_shape, on_download=display)
    found = audit(images)
    if json:
        print_json(found.as_json())
    else:
        from pennyweight.report.audit import audit_report
        from pennyweight.report.terminal import show

        show(audit_report(found))
    if csv is not None:
        from pennyweight.report.csv import write_tables

        copies = {
            kind: [
                {
                    "kind": copy.kind,
                    **{f"first_{name}": value for name, value in asdict(copy.first).items()},
                    **{f"second_{name}": value for name, value in asdict(copy.second).items()},
                }
                for copy in getattr(found, kind)
            ]
            for kind in ("duplicates", "near_duplicates", "leaked")
        }
        write_tables(
            csv,
            [{"class": name, **counts} for name, counts in found.counts.items()],
            unreadable=[asdict(file) for file in found.unreadable],
            **copies,
        )
