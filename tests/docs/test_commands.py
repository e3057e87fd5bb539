"""What the documentation tells people to type works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pennyweight.__main__ import main
from pennyweight.cli.app import command

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def console_commands(page: Path) -> list[str]:
    """The lines of the page's console blocks."""
    return [line for kind, body in FENCED.findall(page.read_text()) if kind == "console" for line in body.splitlines()]


def shown_commands(page: Path) -> list[str]:
    """Every line of the page that begins with the command and an argument, indented or in a block."""
    lines = [line.strip() for line in page.read_text().splitlines()]
    return [line.split("   ")[0] for line in lines if re.match(r"pennyweight [a-z-]+ ?", line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_that_a_page_shows_has_a_known_verb_and_known_options(page: Path) -> None:
    app = command()
    for line in shown_commands(page):
        _, verb, *arguments = shlex.split(line)
        assert verb in app.commands, line
        if "…" not in line and "[" not in line:
            app.commands[verb].make_context(verb, arguments)


def test_a_page_with_an_unknown_option_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("    pennyweight boards --colour\n")
    with pytest.raises(Exception, match="--colour"):
        test_every_command_that_a_page_shows_has_a_known_verb_and_known_options(page)


@pytest.mark.slow
def test_the_quickstart_runs_from_its_first_command_to_its_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    commands = console_commands(ROOT / "docs" / "quickstart.md")
    assert {shlex.split(line)[1] for line in commands} >= {"data", "profile", "train", "evaluate", "compare", "report"}
    for line in commands:
        _, *arguments = shlex.split(line)
        code = main(arguments)
        assert code == 0, f"{line}\n{capsys.readouterr().err}"
    assert (tmp_path / "runs" / "searched" / "report.html").is_file()
    assert (tmp_path / "runs" / "both.html").is_file()
