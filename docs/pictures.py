"""Makes the pictures of the README: runs the demo's search, and photographs its terminal and its report.

    python docs/pictures.py                                # two minutes; needs Chromium and the extra `test`
    python docs/pictures.py runs/originals/cifar10.html    # the losses of several runs, from their report

What they show is what came out. They lie in `docs/pictures/`.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Playwright, sync_playwright
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

PICTURES = Path(__file__).parent / "pictures"
SEARCH = ["search", "digits", "--board", "ch32v003", "--minutes", "2"]
COLUMNS = 104
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: {background}; width: max-content }}
pre {{ margin: 0; padding: 18px 22px; font: 14px/1.45 "DejaVu Sans Mono", monospace; color: {foreground} }}
{stylesheet}
</style><pre>{code}</pre>"""


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    if sys.argv[1:]:
        with sync_playwright() as driver:
            photograph(browser_of(driver), Path(sys.argv[1]).resolve(), PICTURES / "losses.png", "figure")
        return
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        shown = subprocess.run(
            [sys.executable, "-m", "pennyweight", *SEARCH, "--out", "runs/demo"],
            cwd=folder,
            env={"COLUMNS": str(COLUMNS), "FORCE_COLOR": "1", "TERM": "xterm-256color", "PATH": "/usr/bin:/bin"},
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ).stdout
        browser = browser_of(driver)
        terminal = Path(folder) / "terminal.html"
        terminal.write_text(as_page(f"$ pennyweight {' '.join(SEARCH)}\n\n{shown}"))
        photograph(browser, terminal, PICTURES / "terminal.png", "pre")
        report = Path(folder) / "runs" / "demo" / "report.html"
        photograph(browser, report, PICTURES / "report.png")
        browser.close()


def browser_of(driver: Playwright) -> Browser:
    """Chromium as this system has it."""
    return driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])


def as_page(shown: str) -> str:
    """What a terminal shows, as HTML."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(shown))
    return console.export_html(theme=MONOKAI, code_format=PAGE)


def photograph(browser: Browser, page: Path, picture: Path, element: str = "") -> None:
    """A picture of an element, or of the first screens of a page once its figures are drawn."""
    with browser.new_page(viewport={"width": 1180, "height": 1720}, device_scale_factor=1) as opened:
        opened.goto(page.as_uri())
        opened.wait_for_timeout(4000)
        if element:
            opened.locator(element).first.screenshot(path=picture)
        else:
            opened.screenshot(path=picture)


if __name__ == "__main__":
    main()
