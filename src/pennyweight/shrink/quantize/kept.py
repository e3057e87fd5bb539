"""The integer network of a run, as `quantize` leaves it in the run folder and whoever ships it takes it from there.

integer/network.safetensors   the network (see net/integer/store.py)
integer/results.json          what `quantize` found, and the checksums of the network and of the weights it was made of
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pennyweight.core.errors import GraphError, RunError
from pennyweight.core.files import read_within, sweep, write_bytes, write_json, writing
from pennyweight.core.run import TENSORS_MAX_BYTES, TEXT_MAX_BYTES, WEIGHTS, Run
from pennyweight.core.text import command
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.net.integer.store import from_bytes, to_bytes

FOLDER, NETWORK, RESULTS = "integer", "network.safetensors", "results.json"


def keep(run: Run, network: IntegerNetwork, facts: dict[str, Any]) -> None:
    """Leave the network and what was found in the run folder, in the place of older ones."""
    content = to_bytes(network)
    folder = run.subfolder(FOLDER)
    with writing(folder / NETWORK) as path:
        write_bytes(path, content)
    sha256 = {NETWORK: hashlib.sha256(content).hexdigest(), WEIGHTS: run.checksum(WEIGHTS)}
    with writing(folder / RESULTS) as path:
        write_json(path, facts | {"sha256": sha256})
    sweep(folder)


def kept_network(run: Run) -> IntegerNetwork:
    """The integer network of a run. Raises RunError where there is none, or not that of these weights."""
    again = command("quantize", run.folder)
    try:
        content = read_within(run.folder, f"{FOLDER}/{NETWORK}", TENSORS_MAX_BYTES)
        facts = json.loads(read_within(run.folder, f"{FOLDER}/{RESULTS}", TEXT_MAX_BYTES))
        told = facts["sha256"]
        whole = told[NETWORK] == hashlib.sha256(content).hexdigest() and told[WEIGHTS] == run.checksum(WEIGHTS)
        network = from_bytes(content) if whole else None
    except FileNotFoundError as error:
        raise RunError(f"{run.folder} is not quantised", hint=again) from error
    except (OSError, ValueError, LookupError, TypeError, RecursionError, GraphError) as error:
        raise RunError(f"{run.folder}: its integer network cannot be read: {error}", hint=again) from error
    if network is None:
        raise RunError(f"{run.folder}: its integer network is not that of these weights", hint=again)
    return network
