"""`pennyweight evaluate`: how well a trained network answers, on the part of the images that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import torch.nn.functional as F

from pennyweight.core.errors import RunError
from pennyweight.core.run import EVALUATIONS, RESULTS, Run
from pennyweight.core.shown import Shown
from pennyweight.data.images import LabelledImages
from pennyweight.fit.asked import asked_images
from pennyweight.fit.card import write_card
from pennyweight.fit.contact_sheet import contact_sheet
from pennyweight.fit.device import choose_device, out_of_memory_told
from pennyweight.fit.epoch_time import seconds_per_epoch
from pennyweight.fit.judgement import Judged, judge
from pennyweight.fit.network import TrainedNetwork
from pennyweight.fit.predict import as_tensor
from pennyweight.fit.timing import Timing, measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation(Judged, Shown):
    """How well the network of a run answered; `opened` counts looks at the run's test part.

    `seconds_per_epoch` is what an epoch of the training took, the median. `kept` is the file in the run folder that
    holds all this, `contact_sheet` the one that shows the photos, or else the mistakes; None where there are none.
    """

    run: Path
    opened: int
    timing: Timing
    seconds_per_epoch: float | None
    kept: Path
    contact_sheet: Path | None

    def as_json(self) -> dict[str, Any]:
        """The result as JSON types."""
        return {
            "run": str(self.run),
            **Judged.as_json(self),
            "test_openings": self.opened,
            "timing": self.timing.as_json(),
            "seconds_per_epoch": self.seconds_per_epoch,
            "kept": str(self.kept),
        }


@out_of_memory_told("evaluation", "stop other programs, or take --device cpu")
def evaluate(
    run: Path | str,
    source: str | LabelledImages | None = None,
    *,
    part: Literal["test", "validation", "train", "all"] | None = None,
    data_dir: Path | None = None,
    device: str = "auto",
) -> Evaluation:
    """Accuracy, loss, confusion and more of a finished run on one part of its own images, or of another source.

    A folder as source holds photos: each is brought to the geometry of the images that the network was trained on.
    The part is `test` unless told, or `all` of another source that has no test part of its own. Looking at the run's
    own test part is counted in the run folder, before the look. What was found is kept in the run folder, instead of
    what was found before on this part or on the same images of another source; the model card is renewed. A picture or
    a card that cannot be written is a note.
    Raises RunError for a folder that is not whole or cannot be written, or where its own images have changed since;
    DataError where another source has classes that the network does not know, or an empty part.
    """
    folder = Run.open(run)
    run = folder.folder
    network = TrainedNetwork.of(folder, choose_device(device))
    asked = asked_images(folder, network.class_names, network.graph.input_shape, source, part, data_dir)
    opened = asked.count_opening(folder)
    out = network.logits(asked.chosen.images)
    if not out.isfinite().all():
        raise RunError(
            f"{run}: the network answers what is not a number", hint="train again with a lower learning rate"
        )
    told = judge(asked, network.class_names, out.double().softmax(1).numpy())
    found = Evaluation(
        run=run,
        source=asked.images.name,
        part=asked.part,
        accuracy=told.accuracy,
        not_blank=told.not_blank,
        loss=float(F.cross_entropy(out, as_tensor(asked.chosen.labels))),
        class_names=network.class_names,
        confusion=told.confusion,
        opened=opened,
        per_class=told.per_class,
        calibration_error=told.calibration_error,
        reliability=told.reliability,
        mistakes=told.mistakes,
        photos=told.photos,
        timing=measure(network, asked.chosen.images),
        seconds_per_epoch=seconds_per_epoch(folder.read(RESULTS).get("curves") or ()),
        notes=asked.notes,
        kept=folder.folder / EVALUATIONS / f"{asked.name}.json",
        contact_sheet=None,
    )
    answered = {"labels": asked.chosen.labels.tolist(), "answers": told.answers.tolist()}
    return _kept(folder, asked.name, found, {"fingerprint": asked.fingerprint, **answered})


def _kept(run: Run, name: str, found: Evaluation, more: Mapping[str, Any]) -> Evaluation:
    """The evaluation, kept in the run folder with `more` facts, and its pictures and the model card with it.

    Raises RunError with the accuracy where it cannot be kept, so that no look is lost.
    """
    facts = found.as_json() | {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **more,
    }
    try:
        run.keep_evaluation(name, facts)
    except RunError as error:
        raise RunError(f"{error}; the accuracy is {found.accuracy}", hint=error.hint) from error
    sheet, notes = None, []
    try:
        if shown := found.photos or found.mistakes:
            sheet = run.keep_contact_sheet(name, contact_sheet(shown))
    except RunError as error:
        notes.append(str(error))
    try:
        write_card(run)
    except RunError as error:
        notes.append(f"the model card is not renewed: {error}")
    return replace(found, contact_sheet=sheet, notes=(*found.notes, *notes))
