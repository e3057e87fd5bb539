"""Contender: a search with Keras, by a list of points through `fit` or by KerasTuner's Hyperband. Needs no pennyweight.

A turn is one epoch of whichever network is trained next; building and compiling its model falls into the turn. float32
arrays in memory, nothing augmented, SGD with momentum. XLA is on or off, whichever makes a short training at the
smallest batch faster here, its compilation included.
"""

from __future__ import annotations

import tempfile
import time
from typing import Any

import keras
import keras_tuner
import numpy as np
from keras import layers

from keras_fit import PROBE_STEPS, VALIDATION_BATCH
from turns import Epoch, Turns

FACTOR = 3
"""Hyperband's, which is its default."""

SHORT = 4
"""Epochs of a short training of Hyperband."""

Point = dict[str, Any]

OPTIMIZERS = {
    "sgd": lambda rate: keras.optimizers.SGD(rate, momentum=0.9),
    "adam": keras.optimizers.Adam,
    "rmsprop": keras.optimizers.RMSprop,
}


class Gate(keras.callbacks.Callback):
    """Lets an epoch of `fit` begin when it is told to, and hands it in."""

    def __init__(self, turns: Turns, images: int) -> None:
        super().__init__()
        self.turns, self.images = turns, images

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.turns.wait()
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.turns.done(Epoch(self.images, time.perf_counter() - self.began, float(logs["val_accuracy"])))


class Mlps(keras_tuner.HyperModel):
    """Builds and fits the mlp at a point: for the tuner, and for the list."""

    def __init__(self, turns: Turns, shape: tuple[int, ...], classes: int, *, jit: bool) -> None:
        super().__init__()
        self.turns, self.shape, self.classes, self.jit = turns, shape, classes, jit

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        return self.model({name: hp.Choice(name, values) for name, values in self.turns.settings["space"].items()})

    def model(self, point: Point) -> keras.Model:
        hidden = []
        for units in point["hidden"].split("-"):
            hidden += [layers.Dense(int(units), point["activation"]), layers.Dropout(point["dropout"])]
        model = keras.Sequential([layers.Input(self.shape), layers.Flatten(), *hidden, layers.Dense(self.classes)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        optimizer = OPTIMIZERS[point["optimizer"]](point["learning_rate"])
        model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=self.jit)
        return model

    def fit(self, hp: Any, model: keras.Model, x: Any, y: Any, callbacks: Any = (), **told: Any) -> Any:
        gated = [Gate(self.turns, len(y)), *callbacks]  # the tuner copies callbacks that it is given, a Gate cannot be
        return model.fit(x, y, hp["batch"], validation_batch_size=VALIDATION_BATCH, callbacks=gated, **told)


def seconds(mlps: Mlps, point: Point, data: tuple[np.ndarray, np.ndarray], epochs: int) -> float:
    """How long a training of a fresh model takes, told by PROBE_STEPS steps with compilation and as many without."""
    x, y = (array[: PROBE_STEPS * point["batch"]] for array in data)
    model = mlps.model(point)
    times = []
    for _ in range(2):
        began = time.perf_counter()
        model.fit(x, y, point["batch"], verbose=0)
        times.append(time.perf_counter() - began)
    return times[0] + times[1] * epochs * len(data[1]) / len(y)


def main() -> None:
    turns = Turns()
    settings = turns.settings
    arrays = np.load(settings["data"])
    data = arrays["train_images"].astype(np.float32) / 255, arrays["train_labels"]
    validation = arrays["validation_images"].astype(np.float32) / 255, arrays["validation_labels"]
    shape, classes, seed = data[0].shape[1:], settings["classes"], settings["seed"]
    keras.utils.set_random_seed(seed)
    kinds = [Mlps(turns, shape, classes, jit=jit) for jit in (True, False)]
    largest = {name: values[-1] for name, values in settings["space"].items()}
    largest["batch"] = min(settings["space"]["batch"])
    short = settings["points"][0]["epochs"] if "points" in settings else SHORT
    mlps = min(kinds, key=lambda kind: seconds(kind, largest, data, short))
    keras.utils.set_random_seed(seed)
    told = {"validation_data": validation, "verbose": 0}
    turns.ready(xla=mlps.jit, keras=keras.__version__, keras_tuner=keras_tuner.__version__)
    if "points" in settings:
        for point in settings["points"]:
            mlps.fit(point, mlps.model(point), *data, epochs=point["epochs"], **told)
        return
    with tempfile.TemporaryDirectory() as folder:
        tuner = keras_tuner.Hyperband(
            mlps,
            objective="val_accuracy",
            max_epochs=settings["max_epochs"],
            factor=FACTOR,
            hyperband_iterations=1_000_000,
            seed=seed,
            directory=folder,
        )
        tuner.search(*data, **told)
