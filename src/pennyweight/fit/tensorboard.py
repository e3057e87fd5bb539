"""The curves of a training as TensorBoard event files, in the run folder's `tensorboard/`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pennyweight.core.errors import MissingExtraError, RunError
from pennyweight.core.run import Run
from pennyweight.fit.loop import Row

EVENTS = "tensorboard"

TAGS = {
    "train_loss": "loss/train",
    "validation_loss": "loss/validation",
    "train_accuracy": "accuracy/train",
    "validation_accuracy": "accuracy/validation",
    "learning_rate": "learning_rate",
    "images_per_s": "images_per_s",
}
"""What TensorBoard calls each curve."""


def require_tensorboard() -> None:
    """Raises MissingExtraError where TensorBoard is not installed."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("writing event files", "tensorboard") from error


@contextmanager
def event_files(run: Run, curves: Sequence[Row]) -> Iterator[Callable[[Row], None]]:
    """What writes the figures of an epoch as scalars, at the epoch's number; they are on the disk when it returns.

    `curves` are the epochs that a resumed training has behind it: they take the place of whatever was written before,
    so TensorBoard shows the epochs that the run has, each once. Raises MissingExtraError where TensorBoard is not
    installed, RunError where the folder cannot be written or is a link.
    """
    require_tensorboard()
    from torch.utils.tensorboard import SummaryWriter

    folder = run.subfolder(EVENTS)
    with _writing(folder):
        for earlier in folder.glob("events.out.tfevents.*"):
            earlier.unlink()
        writer = SummaryWriter(folder)

    def write(row: Row) -> None:
        with _writing(folder):
            for name, tag in TAGS.items():
                if (value := row.get(name)) is not None:
                    writer.add_scalar(tag, value, row["epoch"])
            writer.flush()

    try:
        for row in curves:
            write(row)
        yield write
    finally:
        with _writing(folder):
            writer.close()


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror or error}") from error
