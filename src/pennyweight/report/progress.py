"""What takes long, while it runs, on stderr: a live line in a terminal, a line a step elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn

from pennyweight.core.units import counted, format_bytes
from pennyweight.plan.front import front
from pennyweight.plan.trial import standing
from pennyweight.report.search import chosen_besides
from pennyweight.report.terminal import messages, percent, short

if TYPE_CHECKING:
    from pennyweight.fit.loop import Progress as TrainingProgress
    from pennyweight.plan.coordinator import SearchProgress
    from pennyweight.plan.space import Point
    from pennyweight.plan.trial import Trial


BAR_CELLS_MIN = 4
"""What is left of the bar in a narrow terminal."""


SILENCE_S = 30
"""Where there is no live line, a search that has written nothing for so long tells where it stands."""


class TrainingDisplay:
    """Shows each `Progress` of a training that it is called with, while its `with` block runs."""

    def __init__(self) -> None:
        self._line = _Line()
        self._epoch = -1
        self.download = DownloadDisplay(self._line)

    def __enter__(self) -> TrainingDisplay:
        return self

    def __exit__(self, *error: object) -> None:
        self._line.stop()

    def __call__(self, progress: TrainingProgress) -> None:
        epoch = f"epoch {progress.epoch + 1}/{progress.epochs}"
        validation = _validation(progress)
        pace = f"{progress.images_per_s:,.0f} images/s"
        left, loss = f"{_clock(progress.seconds_left)} left", f"loss {progress.loss:.3f}"
        if self._line.live:
            self._line.draw(epoch, _share(progress), [left, loss, *validation, pace])
        elif progress.epoch != self._epoch:
            self._line.write("  ".join([epoch, loss, *validation, pace, left]))
        self._epoch = progress.epoch


class ImagesDisplay:
    """Shows what is done and how many images have been through it, while its `with` block runs."""

    def __init__(self) -> None:
        self._line = _Line()
        self._told = ""

    def __enter__(self) -> ImagesDisplay:
        return self

    def __exit__(self, *error: object) -> None:
        self._line.stop()

    def __call__(self, what: str, done: int, images: int) -> None:
        if self._line.live:
            self._line.draw(what, done / images, [f"{done:,} of {counted(images, 'image')}"])
        elif what != self._told or self._line.silent_s > SILENCE_S:
            self._line.write(f"{what}: {done:,} of {counted(images, 'image')}")
        self._told = what


class SearchDisplay:
    """Shows each `SearchProgress` that it is called with, while its `with` block runs.

    Trainings that had ended before its first call are those of a search that goes on: they are told in one line.
    `planned` tells how many networks will be tried, None where time decides; it is asked once a training has ended.
    """

    def __init__(self) -> None:
        self._line = _Line()
        self._told: dict[int, Trial] = {}
        self._networks: dict[Point, int] = {}
        self._seen, self._size = 0, 0
        self._best: float | None = None
        self._resumes, self._ending = True, False
        self.planned: Callable[[], int | None] = lambda: None
        self._planned: int | None = None
        self.download = DownloadDisplay(self._line)

    def __enter__(self) -> SearchDisplay:
        return self

    def __exit__(self, *error: object) -> None:
        self._line.stop()

    def __call__(self, progress: SearchProgress) -> None:
        if len(progress.trials) != self._seen:
            self._planned = self._planned or self.planned()
            new = [trial for trial in progress.trials if trial.number not in self._told]
            for trial in new:
                self._told[trial.number] = trial
                self._networks.setdefault(trial.point, len(self._networks) + 1)
                if not self._resumes:
                    self._tell(trial)
            stands = standing(progress.trials)
            self._seen = len(progress.trials)
            self._best = max((trial.validation.share for trial in stands if trial.validation), default=None)
            self._size = len(front([trial.axes(progress.trade) for trial in stands]))
            if self._resumes:
                led = f", the best with {percent(self._best)}" if self._best is not None else ""
                self._line.write(f"{counted(self._seen, 'training')} had ended before{led}")
        self._resumes = False
        size = f"front of {self._size:,}"
        if not progress.running:
            if self._size and not self._ending:
                self._ending = True
                self._line.write(f"opening the sealed test part for the {size}")
            return
        if self._line.live or self._line.silent_s > SILENCE_S:
            first = progress.running[0]
            more = f" and {len(progress.running) - 1} more" if len(progress.running) > 1 else ""
            tried = counted(len(progress.trials), "training") if self._planned is None else self._of_all()
            details = [] if self._best is None else [f"best {percent(self._best)}"]
            if math.isfinite(progress.seconds_left):
                details.append(f"{_clock(progress.seconds_left)} left")
            if progress.trials:
                details += [tried, size]
            share = _share(progress.training) if progress.training else 0.0
            number = f"trial {first.number}"
            title = f"{number}: {_described(first)}{more}"
            if self._line.live:
                self._line.draw(title, share, details, least=number)
            else:
                self._line.write("  ".join([title, f"{100 * share:.0f} % trained", *details]))

    def look(self, what: str, place: int, count: int) -> None:
        """Show that run `place` (from 0) of `count` is looked at; where there is no live line only the first."""
        if self._line.live:
            self._line.draw(what, place / count, [f"{place} of {count}"])
        elif place == 0:
            self._line.write(f"{what}: {counted(count, 'network')}")

    def _tell(self, trial: Trial) -> None:
        """Write a line of a trial that has ended."""
        before = (other.validation for other in self._told.values() if other is not trial)
        counts = f"{self._of_all(trial)}  " if self._planned is not None else ""
        result = percent(trial.validation.share) if trial.validation else trial.state
        epochs = counted(trial.epochs, "epoch")
        if not trial.validation:
            epochs = f"{len(trial.accuracies):,} of {epochs}"
        why = f": {trial.why}" if trial.state == "failed" else ""
        again = f"  (again, seed {trial.seed})" if trial.purpose == "repeat" else ""
        held = max((each.share for each in before if each), default=0.0)
        best = "  best so far" if trial.validation and not again and trial.validation.share > held else ""
        self._line.write(
            f"trial {trial.number:>3}  {counts}{result:>8}  {epochs:>10}  {_described(trial)}{again}{best}{why}"
        )

    def _of_all(self, trial: Trial | None = None) -> str:
        """Which of the networks that are planned a trial is; without one, how many of them have ended."""
        place = len(self._networks) if trial is None else self._networks[trial.point]
        return f"{place:,} of {self._planned:,}"


def _described(trial: Trial) -> str:
    """A trial's network, and what was chosen besides."""
    besides = (f"{name}={value}" for name, value in chosen_besides(trial.point).items())
    return " ".join([trial.network, *besides])


class DownloadDisplay:
    """Shows how far each file has come that it is called about, while its `with` block (or the line's owner's) runs."""

    def __init__(self, line: _Line | None = None) -> None:
        self._line = line or _Line()
        self._file = ""

    def __enter__(self) -> DownloadDisplay:
        return self

    def __exit__(self, *error: object) -> None:
        self._line.stop()

    def __call__(self, file: str, received_bytes: int, total_bytes: int) -> None:
        whole = [f"of {format_bytes(total_bytes)}"] if total_bytes else []
        if self._line.live:
            share = received_bytes / total_bytes if total_bytes else 0.0
            self._line.draw(f"fetching {file}", share, [" ".join([format_bytes(received_bytes), *whole])])
        elif file != self._file:
            self._line.write(" ".join([f"fetching {file}", *whole]))
        self._file = file


class _Line:
    """One live line on stderr, and whole lines above it; `live` is False where stderr is no terminal."""

    def __init__(self) -> None:
        self._console = messages()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None, style="dim", complete_style="cyan", finished_style="cyan"),
            TextColumn("{task.fields[details]}", markup=False),
            console=self._console,
            transient=True,
            expand=True,
        )
        self._task = self._progress.add_task("", total=1.0, details="")
        self.live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._written_s = time.monotonic()

    @property
    def silent_s(self) -> float:
        """Seconds since the last whole line."""
        return time.monotonic() - self._written_s

    def draw(self, title: str, share: float, details: list[str], least: str | None = None) -> None:
        title, told = _fitting(
            title, details, self._console.width - BAR_CELLS_MIN - 2, title if least is None else least
        )
        self._progress.update(self._task, description=title, completed=share, details=told)
        self._progress.start()

    def write(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)
        self._written_s = time.monotonic()

    def stop(self) -> None:
        if self._progress.live.is_started:
            self._progress.stop()


def _fitting(title: str, details: list[str], cells: int, least: str) -> tuple[str, str]:
    """A title and details for so many cells: the last details go first, unless the `least` of the title leaves room.

    >>> _fitting("epoch 1/150", ["0:11 left", "loss 2.033", "14,310 images/s"], 36, "epoch 1/150")
    ('epoch 1/150', '0:11 left  loss 2.033')
    >>> _fitting("trial 3: mlp:hidden=64-32", ["best 95.00 %", "0:11 left"], 36, "trial 3")
    ('trial 3: mlp…', 'best 95.00 %  0:11 left')
    """
    kept = list(details)
    while len(kept) > 1 and len(least) + len("  ".join(kept)) > cells:
        kept.pop()
    told = "  ".join(kept)
    return short(title, max(cells - len(told), 1)), told


def _share(progress: TrainingProgress) -> float:
    """How much of a training is done."""
    return (progress.epoch + progress.step / progress.steps) / progress.epochs


def _validation(progress: TrainingProgress) -> list[str]:
    """The last validation accuracy, and after which epoch it was taken."""
    accuracy = progress.validation_accuracy
    return [] if accuracy is None else [f"validation {percent(accuracy)} after epoch {progress.epoch}"]


def _clock(seconds: float) -> str:
    """A duration as a clock shows it.

    >>> _clock(75.2), _clock(4000), _clock(-3)
    ('1:15', '1:06:40', '0:00')
    """
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
