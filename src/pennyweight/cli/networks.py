"""`pennyweight networks`"""

from __future__ import annotations

from pennyweight.cli.options import AsJson, CsvFile
from pennyweight.cli.output import print_json


def networks(csv: CsvFile = None, json: AsJson = False) -> None:
    """The families of networks and their dials.

    A NETWORK is a family and its dials, such as mlp:hidden=80-60,dropout=0.2, or your own: package.module:callable.
    """
    from pennyweight.net.zoo import families

    known = tuple(families().values())
    if json:
        print_json(
            {
                "networks": [
                    {
                        "name": family.name,
                        "summary": family.summary,
                        "dials": [
                            {
                                "name": dial.name,
                                "default": dial.format(dial.default),
                                "allowed": dial.allowed,
                                "help": dial.help,
                            }
                            for dial in family.dials
                        ],
                    }
                    for family in known
                ]
            }
        )
    else:
        from pennyweight.report.networks import networks_report
        from pennyweight.report.terminal import show

        show(networks_report(known))
    if csv is not None:
        from pennyweight.report.csv import write_csv

        write_csv(
            csv,
            [
                {
                    "family": family.name,
                    "dial": dial.name,
                    "default": dial.format(dial.default),
                    "allowed": dial.allowed,
                    "help": dial.help,
                }
                for family in known
                for dial in family.dials
            ],
        )
