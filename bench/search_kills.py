"""A search that is killed again and again: the table after the last resume against that of an undisturbed search.

The search is of scikit-learn's digits, ends after a number of points and trains one network at a time, so that all it
does follows from its seed. SIGKILL comes at moments that are drawn: while the process starts, at any time of its work,
or, after such a time, as soon as it is seen to write its journal or a file of a run. Each next process resumes.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Any

import torch

from measure import Bar, conclude, machine, options, table
from pennyweight.core.budget import Budget
from pennyweight.plan.coordinator import SearchProgress
from pennyweight.plan.search import resume_search, search
from pennyweight.plan.space import Space

KILLS, QUICK_KILLS = 50, 4
POINTS, QUICK_POINTS = 40, 4

SPACE = """
[networks.mlp]
hidden = ["8", "16", "24", "32", "48", "64", "32-32", "64-32"]
dropout = [0.0, 0.2]
[networks.separable]
width = { low = 4, high = 16, log = true }
[recipe]
epochs = [EPOCHS]
learning_rate = { low = 0.003, high = 0.1, log = true }
"""
EPOCHS, QUICK_EPOCHS = 27, 9

AIMS = {"while it starts": 0.1, "at any moment": 0.5, "as it writes its journal": 0.2, "as it writes a run's file": 0.2}
"""Moments of a kill, and their shares."""

SPENT = 0.75
"""Of the seconds of the undisturbed search, what all processes together work before they are killed, on average."""

PATIENCE_S = 10.0
"""How long a kill waits to see a write."""

COLUMNS = ("number", "network", "state", "purpose", "epochs", "seed", "accuracies")


@dataclass
class Tally:
    """What was seen at the kills: `left` counts what lay there, `again` the finished trials that were trained again."""

    kills: int = 0
    aims: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    anew: int = 0
    again: list[str] = field(default_factory=list)


def live(folder: Path, log: Path, attempt: int, space: str, points: int) -> None:
    """The search in `folder`, begun or gone on with; it writes into `log` when it has begun, and each epoch."""
    torch.set_num_threads(1)
    with log.open("a", buffering=1, encoding="utf-8") as lines:

        def begun(*_: object) -> None:
            lines.write(f"{attempt} begun\n")

        def heard(progress: SearchProgress) -> None:
            training = progress.training
            if training is not None and training.step == training.steps:
                lines.write(f"{attempt} epoch {progress.running[0].number} {training.epoch}\n")

        if has_begun(log):
            resume_search(folder, on_begin=begun, on_progress=heard)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            search(
                "digits",
                Budget(),
                space=Space.from_toml(space),
                points=points,
                out=folder,
                on_begin=begun,
                on_progress=heard,
            )


def started(*arguments: Any) -> BaseProcess:
    """A new process for `live`, from a server that has imported all and opened nothing."""
    server = get_context("forkserver")
    server.set_forkserver_preload(["pennyweight.plan.search"])
    process = server.Process(target=live, args=arguments)
    process.start()
    return process


def told(log: Path) -> list[list[str]]:
    """The lines of a log, each in words; but its last where the writer was killed over it."""
    content = log.read_text(encoding="utf-8") if log.exists() else ""
    return [line.split() for line in content.split("\n")[:-1]]


def has_begun(log: Path, attempt: int | None = None) -> bool:
    return any(words[1] == "begun" and attempt in (None, int(words[0])) for words in told(log))


def awaited(process: BaseProcess, log: Path, attempt: int) -> float:
    """Seconds until a process has begun its search, or has ended."""
    began = time.perf_counter()
    while process.is_alive() and not has_begun(log, attempt):
        time.sleep(0.005)
    return time.perf_counter() - began


def writes_journal(folder: Path) -> bool:
    return os.path.lexists(folder / "journal.log.lock")


def writes_file(folder: Path) -> bool:
    latest = max(folder.glob("trial-*"), default=None)
    return latest is not None and any(latest.glob(".*.draft"))


def finished(folder: Path) -> list[str]:
    """The runs that have their results."""
    return sorted(path.parent.name for path in folder.glob("trial-*/results.json"))


def drafts(folder: Path) -> set[Path]:
    """The files of runs that are not whole."""
    return set(folder.glob("trial-*/.*.draft"))


def leftovers(folder: Path, before: set[Path]) -> list[str]:
    """What a killed process left that a resumption has to mend or go on with; `before` are drafts of earlier ones."""
    journal, run = folder / "journal.log", max(folder.glob("trial-*"), default=folder)
    found = {
        "the journal's lock": writes_journal(folder),
        "half a line in the journal": journal.is_file() and not journal.read_bytes().endswith(b"\n"),
        "half a file": bool(drafts(folder) - before),
        "a trial half trained": any(run.glob("checkpoint.*")),
    }
    return [what for what, there in found.items() if there]


def killed(folder: Path, log: Path, space: str, points: int, kills: int, startup_s: float, work_s: float) -> Tally:
    """A search in `folder`, killed so often and resumed until it has ended."""
    rng, seen, attempt = Random(0), Tally(), 0
    while True:
        before, torn = finished(folder), drafts(folder)
        process = started(folder, log, attempt, space, points)
        aim = rng.choices(list(AIMS), list(AIMS.values()))[0] if seen.kills < kills else None
        share = rng.random()
        if aim == "while it starts":
            process.join(share * startup_s)
        elif aim is not None:
            awaited(process, log, attempt)
            process.join(2 * share * SPENT * work_s / kills)
            until = time.perf_counter() + PATIENCE_S
            looks = {"as it writes its journal": writes_journal, "as it writes a run's file": writes_file}.get(aim)
            while looks and process.is_alive() and not looks(folder) and time.perf_counter() < until:
                pass
        if aim is not None:
            process.kill()
        process.join()
        trained = {f"trial-{int(words[2]):04}" for words in told(log) if words[:2] == [str(attempt), "epoch"]}
        seen.again += sorted(trained & set(before))
        if process.exitcode == 0:
            return seen
        if process.exitcode != -signal.SIGKILL:
            raise RuntimeError(f"after {seen.kills} kills the search was not resumed: see the error above")
        assert aim is not None
        seen.kills += 1
        seen.aims[aim] += 1
        seen.left.update(leftovers(folder, torn) or ["nothing"])
        seen.anew += not has_begun(log)
        attempt += 1


def rows(folder: Path) -> list[tuple[Any, ...]]:
    """What a search did, without what differs from one time to the next."""
    kept = json.loads((folder / "search.json").read_text(encoding="utf-8"))
    entries = sorted((*kept["trials"], *kept["unfinished"]), key=lambda entry: int(entry["number"]))
    return [tuple(map(str, (entry[name] for name in COLUMNS))) for entry in entries]


def ended_twice(folder: Path) -> int:
    """Trials that the journal ends more than once."""
    ends: Counter[int] = Counter()
    for line in (folder / "journal.log").read_text(encoding="utf-8").splitlines():
        fact = json.loads(line)
        if "trial_id" in fact and fact.get("state") in (1, 2, 3):  # Optuna's COMPLETE, PRUNED, FAIL
            ends[fact["trial_id"]] += 1
    return sum(count > 1 for count in ends.values())


def epochs_of(log: Path) -> tuple[int, int]:
    """Epochs that were trained, and how many of them again."""
    trained = [(words[2], words[3]) for words in told(log) if words[1] == "epoch"]
    return len(trained), len(trained) - len(set(trained))


def differences(ours: Sequence[tuple[Any, ...]], wanted: Sequence[tuple[Any, ...]]) -> list[str]:
    """Where two tables differ, in words."""
    found = [f"{len(ours)} trials, not {len(wanted)}"] if len(ours) != len(wanted) else []
    for mine, theirs in zip(ours, wanted, strict=False):
        found += [
            f"trial {theirs[0]}: {name} {one}, not {other}"
            for name, one, other in zip(COLUMNS, mine, theirs, strict=True)
            if one != other
        ]
    return found


def main() -> None:
    arguments = options(__doc__, seeds=1).parse_args()
    quick = arguments.quick
    kills, points = (QUICK_KILLS, QUICK_POINTS) if quick else (KILLS, POINTS)
    space = SPACE.replace("EPOCHS", str(QUICK_EPOCHS if quick else EPOCHS))
    facts = machine()
    with tempfile.TemporaryDirectory() as place:
        whole, often = Path(place, "whole"), Path(place, "often")
        log, often_log = Path(place, "whole.log"), Path(place, "often.log")
        process = started(whole, log, 0, space, points)
        startup_s = awaited(process, log, 0)
        began = time.perf_counter()
        process.join()
        if process.exitcode:
            raise RuntimeError("the undisturbed search did not end")
        work_s = time.perf_counter() - began
        wanted = rows(whole)
        print(f"undisturbed: {len(wanted)} trials in {work_s:.1f} s, {startup_s:.1f} s to start", flush=True)
        began = time.perf_counter()
        seen = killed(often, often_log, space, points, kills, startup_s, work_s)
        seconds = time.perf_counter() - began
        ours = rows(often)
        (trained, again), (undisturbed, _) = epochs_of(often_log), epochs_of(log)
        twice = ended_twice(often)
        openings = [len(path.read_bytes().splitlines()) for path in often.glob("trial-*/openings.jsonl")]
    differ = differences(ours, wanted)
    print(f"killed: {seen.kills} times in {seconds:.1f} s; {seen.anew} times before there was anything to resume")
    table(("killed", "times"), [(aim, str(seen.aims[aim])) for aim in AIMS])
    table(("left behind", "times"), [(what, str(count)) for what, count in seen.left.most_common()])
    print(f"epochs trained: {trained}, {again} of them again; {undisturbed} in the undisturbed search")
    looked = sum(map(bool, openings))
    print(f"looks at the test part: {sum(openings)} at {looked} runs (one that is killed half way is a look too)")
    print(*(f"differs: {what}" for what in differ[:10]), sep="\n" if differ else "")
    lost = len({row[0] for row in wanted} - {row[0] for row in ours})
    bars = [
        Bar(f"{kills} kills by SIGKILL in one search", str(seen.kills), seen.kills == kills),
        Bar(
            "the table equals that of an undisturbed search",
            f"{len(differ)} differences in {len(wanted)} trials",
            not differ,
        ),
        Bar("no trial is lost", f"{lost} lost", not lost),
        Bar("no finished trial is repeated", f"{len(seen.again) + twice} repeated", not seen.again and not twice),
    ]
    results = {
        "trials": len(wanted),
        "states": dict(Counter(row[2] for row in wanted)),
        "kills": seen.kills,
        "aims": dict(seen.aims),
        "left": dict(seen.left),
        "begun_anew": seen.anew,
        "epochs": trained,
        "epochs_again": again,
        "epochs_undisturbed": undisturbed,
        "test_openings": openings,
        "differences": differ,
        "lost": lost,
        "repeated": len(seen.again) + twice,
    }
    conclude("search_kills", facts, results, bars, quick=quick)


if __name__ == "__main__":
    main()
