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

PROBE_STEPS = 40


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

    def __init__(self, turns: Turns, images: int, validation: tuple[np.ndarray, np.ndarray]) -> None:
        super().__init__()
        self.turns, self.images, self.validation = turns, images, validation

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.turns.wait()
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        seconds = time.perf_counter() - self.began
        _, accuracy = self.model.evaluate(*self.validation, batch_size=1024, verbose=0)
        self.turns.done(Epoch(self.images, seconds, float(accuracy)))


def main() -> None:
    turns = Turns()
    settings = turns.settings
    data = np.load(settings["data"])
    x, y = data["train_images"].astype(np.float32) / 255, data["train_labels"]
    validation = data["validation_images"].astype(np.float32) / 255, data["validation_labels"]
    batch, shape, classes = settings["batch"], x.shape[1:], settings["classes"]

    seconds = {}
    some = PROBE_STEPS * batch
    for jit in (True, False):
        model = compiled(settings["network"], shape, classes, jit=jit)
        model.fit(x[:some], y[:some], batch, verbose=0)
        began = time.perf_counter()
        model.fit(x[:some], y[:some], batch, verbose=0)
        seconds[jit] = time.perf_counter() - began
    jit = min(seconds, key=seconds.__getitem__)

    keras.utils.set_random_seed(settings["seed"])
    model = compiled(settings["network"], shape, classes, jit=jit)
    turns.ready(batch=batch, xla=jit, keras=keras.__version__)
    gate = Gate(turns, len(x), validation)
    model.fit(x, y, batch, epochs=settings["epochs"], callbacks=[gate], verbose=0)
