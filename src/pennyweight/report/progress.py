"""Downloads, trainings and searches while they run, on stderr: a live line in a terminal, a line a step elsewhere."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn

from pennyweight.core.units import format_bytes
from pennyweight.plan.front import front
from pennyweight.plan.trial import standing
from pennyweight.report.terminal import messages, percent, short

if TYPE_CHECKING:
    from pennyweight.fit.loop import Progress as TrainingProgress
    from pennyweight.plan.coordinator import SearchProgress
    from pennyweight.plan.trial import Trial


BAR_CELLS_MIN = 4
"""What is left of the bar in a narrow terminal."""


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
        details = [f"loss {progress.loss:.3f}", *validation, pace, f"{_clock(progress.seconds_left)} left"]
        if self._line.live:
            self._line.draw(epoch, _share(progress), details)
        elif progress.epoch != self._epoch:
            self._line.write("  ".join([epoch, *details]))
        self._epoch = progress.epoch


class SearchDisplay:
    """Shows each `SearchProgress` that it is called with, while its `with` block runs."""

    def __init__(self) -> None:
        self._line = _Line()
        self._told: set[int] = set()
        self.download = DownloadDisplay(self._line)

    def __enter__(self) -> SearchDisplay:
        return self

    def __exit__(self, *error: object) -> None:
        self._line.stop()

    def __call__(self, progress: SearchProgress) -> None:
        for trial in progress.trials:
            if trial.number not in self._told:
                self._told.add(trial.number)
                self._line.write(_ended(trial))
        if self._line.live and progress.running:
            first = progress.running[0]
            more = f" and {len(progress.running) - 1} more" if len(progress.running) > 1 else ""
            stands = standing(progress.trials)
            best = max((trial.validation.share for trial in stands if trial.validation), default=None)
            size = len(front([trial.axes(progress.trade) for trial in stands]))
            details = [] if best is None else [f"front of {size}", f"best {percent(best)}"]
            if math.isfinite(progress.seconds_left):
                details.append(f"{_clock(progress.seconds_left)} left")
            share = _share(progress.training) if progress.training else 0.0
            self._line.draw(f"{first.purpose} {first.number}: {first.network}{more}", share, details)


def _ended(trial: Trial) -> str:
    """One line of a trial that has ended."""
    result = percent(trial.validation.share) if trial.validation else trial.state
    again = f"  (again, seed {trial.seed})" if trial.purpose == "repeat" else ""
    return f"trial {trial.number:>3}  {result:>8}  {trial.epochs:>3} epochs  {trial.network}{again}"


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

    def draw(self, title: str, share: float, details: list[str]) -> None:
        title, told = _fitting(title, details, self._console.width - BAR_CELLS_MIN - 2)
        self._progress.update(self._task, description=title, completed=share, details=told)
        self._progress.start()

    def write(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)

    def stop(self) -> None:
        if self._progress.live.is_started:
            self._progress.stop()


def _fitting(title: str, details: list[str], cells: int) -> tuple[str, str]:
    """A title and details for so many cells: what stands before the last detail goes first, then the title's end.

    >>> _fitting("epoch 1/150", ["loss 2.033", "14,310 images/s", "0:11 left"], 36)
    ('epoch 1/150', 'loss 2.033  0:11 left')
    """
    kept = list(details)
    while len(kept) > 1 and len(title) + len("  ".join(kept)) > cells:
        kept.pop(-2)
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
