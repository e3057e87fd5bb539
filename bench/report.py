"""How large an HTML report is and how soon it opens, against one figure as plotly itself writes it.

The report is of a search of 200 trials, the winner evaluated on 50,000 images. One small network is trained and
evaluated for it; the other trials are copies of its run folder at places of their own on the plane.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import plotly.graph_objects as go
from playwright.sync_api import Browser, sync_playwright

from measure import Bar, conclude, machine, options, table
from pennyweight import LabelledImages, Part, Recipe, evaluate, train, write_report
from pennyweight.core.files import write_json
from pennyweight.fit.accuracy import Accuracy
from pennyweight.net.cost import cost
from pennyweight.net.zoo import build_network
from pennyweight.plan.found import Entry
from pennyweight.plan.space import Space
from pennyweight.plan.trial import COSTS, Trial

SHAPE, CLASSES, LEARNED = (32, 32, 3), 10, 2_000
TRIALS, IMAGES, EPOCHS, ROUNDS = 200, 50_000, 40, 5
QUICK_TRIALS, QUICK_IMAGES, QUICK_EPOCHS, QUICK_ROUNDS = 10, 500, 2, 1
LARGEST_BYTES, LONGEST_S = 8_000_000, 2.0

SPACE = """
[networks.mlp]
hidden = ["8", "16", "32", "64", "32-16", "64-32"]
dropout = [0.0, 0.2, 0.5]
activation = ["relu", "tanh"]
[networks.pooled-resnet]
width = { low = 4, high = 32, log = true }
[recipe]
learning_rate = { low = 0.001, high = 0.1, log = true }
"""

DRAWN = ".plot:not([data-drawn])"


def main() -> None:
    arguments = options(__doc__, seeds=1).parse_args()
    quick = arguments.quick
    facts = machine()
    trials, images, epochs = (QUICK_TRIALS, QUICK_IMAGES, QUICK_EPOCHS) if quick else (TRIALS, IMAGES, EPOCHS)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        search = search_of(Path(folder) / "search", trials, images, epochs)
        began = time.perf_counter()
        ours = write_report([search])
        written_s = time.perf_counter() - began
        peer = Path(folder) / "plotly.html"
        go.Figure(go.Scatter(x=[1, 2, 3], y=[1, 3, 2])).write_html(peer, include_plotlyjs=True)
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        rounds = [
            (opened(browser, ours, DRAWN, "detached"), opened(browser, peer, ".main-svg", "attached"))
            for _ in range(QUICK_ROUNDS if quick else ROUNDS)
        ]
        browser.close()
        sizes = {"ours": ours.stat().st_size, "plotly, one figure": peer.stat().st_size}
    medians = {
        name: {figure: statistics.median(pair[place][figure] for pair in rounds) for figure in rounds[0][0]}
        for place, name in enumerate(sizes)
    }
    table(
        ("", "bytes", "loaded", "first text", "all figures"),
        [
            (name, f"{size:,}", *(f"{medians[name][figure]:.2f} s" for figure in ("loaded_s", "painted_s", "drawn_s")))
            for name, size in sizes.items()
        ],
    )
    found = medians["ours"]
    bars = [
        Bar(f"smaller than {LARGEST_BYTES:,} bytes", f"{sizes['ours']:,}", sizes["ours"] < LARGEST_BYTES),
        Bar(f"open in less than {LONGEST_S:g} s", f"{found['loaded_s']:.2f} s", found["loaded_s"] < LONGEST_S),
        Bar(f"all figures in less than {LONGEST_S:g} s", f"{found['drawn_s']:.2f} s", found["drawn_s"] < LONGEST_S),
    ]
    results = {"bytes": sizes, "seconds": medians, "written_s": written_s, "trials": trials, "images": images}
    conclude("report", facts, results, bars, quick=quick)


def opened(browser: Browser, page: Path, selector: str, state: Any) -> dict[str, float]:
    """Seconds until the load event, until the first text or figure is painted, and until all figures are drawn."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    tab = context.new_page()
    began = time.perf_counter()
    tab.goto(page.as_uri())
    loaded_s = time.perf_counter() - began
    tab.wait_for_selector(selector, state=state, timeout=60_000)
    drawn_s = time.perf_counter() - began
    painted_s = tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000
    context.close()
    return {"loaded_s": loaded_s, "painted_s": painted_s, "drawn_s": drawn_s}


def search_of(folder: Path, trials: int, images: int, epochs: int) -> Path:
    """A search folder with so many trials, the last one the winner."""
    draw, rng, space = np.random.default_rng(0), Random(0), Space.from_toml(SPACE)
    points = list(dict.fromkeys(space.draw(rng) for _ in range(3 * trials)))[:trials]
    pictures, best = noise(draw, images), folder / f"trial-{trials - 1:04}"
    train(pictures, points[-1].network, recipe=Recipe(epochs=epochs), out=best, device="cpu")
    evaluate(best, pictures, part="test", device="cpu")
    entries = []
    for number, point in enumerate(points):
        run = folder / f"trial-{number:04}"
        if run != best:
            shutil.copytree(best, run)
        graph = build_network(point.network, SHAPE, CLASSES)
        price, right = cost(graph), Accuracy(int(draw.integers(2000, 4900)), 5000)
        trial = Trial(
            number,
            point,
            graph.text,
            {name: getattr(price, name) for name in COSTS},
            epochs,
            began_s=float(number),
            ended_s=number + 1.0,
            seconds=1.0,
            state="done" if number % 10 else "stopped",
            validation=right if number % 10 else None,
            accuracies=tuple(right.share * (epoch + 1) / epochs for epoch in range(epochs)),
        )
        entries.append(Entry(trial, run, price).as_json())
    done = [entry for entry in entries if entry["state"] == "done"]
    told = {"trials": done, "unfinished": [entry for entry in entries if entry not in done], "winner": entries[-1]}
    facts = {"source": "noise", "front": done[:: max(1, trials // 5)], "trade": ["macs", "flash_bytes", "ram_bytes"]}
    write_json(folder / "search.json", told | facts | {"notes": []})
    return folder


def noise(draw: np.random.Generator, images: int) -> LabelledImages:
    """Pictures of nothing, with so many of them in the test part."""
    learning, sealed = (
        Part(draw.integers(0, 256, (count, *SHAPE), np.uint8), draw.integers(0, CLASSES, count))
        for count in (LEARNED, images)
    )
    return LabelledImages("noise", learning, sealed, tuple(map(str, range(CLASSES))))


if __name__ == "__main__":
    main()
