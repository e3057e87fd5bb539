"""Contenders that take turns: each trains in a process of its own, one epoch whenever it is told to.

Epochs alternate A B C A B C …, so whatever else the machine does hits all alike; who waits, sleeps.
The standard library only, for a contender may run in another Python than the bench.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

Settings = dict[str, Any]

SHOWN_ERROR_LINES = 15


@dataclass(frozen=True)
class Epoch:
    """One pass over `images` training images in `seconds`, and the validation accuracy after it (not in the time)."""

    images: int
    seconds: float
    accuracy: float

    @property
    def images_per_s(self) -> float:
        return self.images / self.seconds


class Turns:
    """The contender's side. What the libraries print goes to the error stream, so that answers stay readable."""

    def __init__(self) -> None:
        self.settings: Settings = json.loads(sys.argv[1])
        self._answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def ready(self, **facts: Any) -> None:
        """Say that all is set up, with what a reader should know."""
        self._say(facts)

    def wait(self) -> None:
        """Return when the next epoch may begin; the process ends if there is none."""
        if not sys.stdin.readline():
            sys.exit()

    def done(self, epoch: Epoch) -> None:
        """Hand in an epoch."""
        self._say(asdict(epoch))

    def _say(self, facts: Settings) -> None:
        print(json.dumps(facts), file=self._answers, flush=True)


class Contender:
    """The bench's side: `module` is a file beside this one whose `main()` trains as `settings` say."""

    def __init__(self, name: str, module: str, settings: Settings, python: str = sys.executable) -> None:
        self.name = name
        self.facts: Settings = {}
        self._command = [python, "-c", f"import {module}; {module}.main()", json.dumps(settings)]

    def __enter__(self) -> Self:
        self._errors = tempfile.TemporaryFile("w+")
        here = str(Path(__file__).parent)
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=os.environ | {"PYTHONPATH": here, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        self.facts = self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._errors.close()

    def epoch(self) -> Epoch:
        """Let it train one epoch. Raises RuntimeError where it broke down."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Epoch(**self._answer())

    def _answer(self) -> Settings:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            last = self._errors.read().splitlines()[-SHOWN_ERROR_LINES:]
            raise RuntimeError("\n".join([f"{self.name} broke down:", *last]))
        answer: Settings = json.loads(line)
        return answer


def race(contenders: Sequence[Contender], epochs: int) -> list[list[Epoch]]:
    """The epochs of each contender. All are set up one after the other before the first epoch."""
    with ExitStack() as stack:
        for contender in contenders:
            stack.enter_context(contender)
        rounds = [[contender.epoch() for contender in contenders] for _ in range(epochs)]
    return [list(column) for column in zip(*rounds, strict=True)]
