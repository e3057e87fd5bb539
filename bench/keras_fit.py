"""Contender: Keras `fit` on TensorFlow, with float32 arrays in memory and Adam as it comes. Needs no pennyweight.

Nothing is augmented. XLA (`jit_compile`) is on or off, whichever is faster here.
"""

from __future__ import annotations

import time
from typing import Any

import keras
import numpy as np
from keras import layers

from turns import Epoch, Turns

PROBE_STEPS, PROBE_EPOCHS = 40, 3
VALIDATION_BATCH = 1024

Arrays = tuple[np.ndarray, np.ndarray]


def mlp(shape: tuple[int, int, int], classes: int) -> keras.Model:
    hidden = [layers.Dense(units, activation="relu") for units in (80, 60, 50)]
    return keras.Sequential([layers.Input(shape), layers.Flatten(), *hidden, layers.Dense(classes)])


def resnet8(shape: tuple[int, int, int], classes: int) -> keras.Model:
    """MLPerf Tiny's definition, without its weight decay."""

    def conv(x: Any, filters: int, stride: int = 1) -> Any:
        x = layers.Conv2D(filters, 3, stride, padding="same", kernel_initializer="he_normal")(x)
        return layers.BatchNormalization()(x)

    inputs = layers.Input(shape)
    x = layers.ReLU()(conv(inputs, 16))
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        out = conv(layers.ReLU()(conv(x, filters, stride)), filters)
        if stride > 1:
            x = layers.Conv2D(filters, 1, stride, padding="same", kernel_initializer="he_normal")(x)
        x = layers.ReLU()(layers.Add()([x, out]))
    return keras.Model(inputs, layers.Dense(classes)(layers.GlobalAveragePooling2D()(x)))


NETWORKS = {"mlp:hidden=80-60-50": mlp, "resnet8": resnet8}


def compiled(network: str, shape: tuple[int, int, int], classes: int, *, jit: bool) -> keras.Model:
    model = NETWORKS[network](shape, classes)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(), loss, metrics=["accuracy"], jit_compile=jit)
    return model


class Gate(keras.callbacks.Callback):
    """Lets an epoch of `fit` begin when it is told to, and hands it in."""

    def __init__(self, turns: Turns, images: int, validation: Arrays) -> None:
        super().__init__()
        self.turns, self.images, self.validation = turns, images, validation

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.turns.wait()
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        seconds = time.perf_counter() - self.began
        _, accuracy = self.model.evaluate(*self.validation, batch_size=VALIDATION_BATCH, verbose=0)
        self.turns.done(Epoch(self.images, seconds, float(accuracy)))


def warmed(
    network: str, batch: int, data: Arrays, validation: Arrays, *, jit: bool, seed: int
) -> tuple[keras.Model, float]:
    """A fresh model whose every batch shape is compiled, and the seconds of an epoch over the first batches."""
    x, y = data
    keras.utils.set_random_seed(seed)
    model = compiled(network, x.shape[1:], int(y.max()) + 1, jit=jit)
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    fresh = [np.array(variable) for variable in variables]

    some = min(PROBE_STEPS * batch + len(x) % batch, len(x))
    seconds = []
    for _ in range(PROBE_EPOCHS):
        began = time.perf_counter()
        model.fit(x[:some], y[:some], batch, verbose=0)
        seconds.append(time.perf_counter() - began)
        model.evaluate(*validation, batch_size=VALIDATION_BATCH, verbose=0)
    for variable, value in zip(variables, fresh, strict=True):
        variable.assign(value)
    return model, min(seconds)


def main() -> None:
    turns = Turns()
    settings = turns.settings
    arrays = np.load(settings["data"])
    data = arrays["train_images"].astype(np.float32) / 255, arrays["train_labels"]
    validation = arrays["validation_images"].astype(np.float32) / 255, arrays["validation_labels"]
    network, batch, seed = settings["network"], settings["batch"], settings["seed"]

    probes = {jit: warmed(network, batch, data, validation, jit=jit, seed=seed) for jit in (True, False)}
    jit = min(probes, key=lambda jit: probes[jit][1])
    model, _ = probes[jit]
    keras.utils.set_random_seed(seed)
    turns.ready(batch=batch, xla=jit, keras=keras.__version__)
    gate = Gate(turns, len(data[1]), validation)
    model.fit(*data, batch, epochs=settings["epochs"], callbacks=[gate], verbose=0)
