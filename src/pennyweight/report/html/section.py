"""What a page is made of: chapters, their sections, and what stands in these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pennyweight.report.html.facts import Gap
from pennyweight.report.html.figure import Figure, Table


@dataclass(frozen=True)
class Fact:
    """A title and a value for people, with a remark beneath."""

    title: str
    value: str
    remark: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture as the network saw it, as a data URL, and what it was taken for."""

    url: str
    says: str
    remark: str
    is_wrong: bool = True


@dataclass(frozen=True)
class Remark:
    """What the curves say of a training's health."""

    title: str
    says: str
    advice: Sequence[str]
    severity: str


@dataclass(frozen=True)
class Section:
    """A chapter of the page. Whatever it holds is shown in this order."""

    key: str
    title: str
    lead: str = ""
    facts: Sequence[Fact] = ()
    gaps: Sequence[Gap] = ()
    findings: Sequence[Remark] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[tuple[str, Sequence[Picture]]] = ()
    settings: Sequence[tuple[str, Sequence[tuple[str, str]]]] = ()
    commands: Sequence[tuple[str, str]] = ()
    is_plain: bool = False


@dataclass(frozen=True)
class Chapter:
    """One run, or one search, with its sections; one among many stays closed until it is asked for."""

    title: str
    sections: Sequence[Section]
    remark: str = ""
    is_closed: bool = False
