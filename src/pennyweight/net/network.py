"""Where a network comes from: a text of the zoo, a user's own `package.module:callable`, a torch module, or a Graph."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pennyweight.net.graph import Graph
from pennyweight.net.zoo import build_network, families

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pennyweight.net.ops import Shape


def open_network(
    network: str | Graph | nn.Module, input_shape: Shape, classes: int
) -> tuple[Graph, dict[str, Tensor] | None]:
    """The Graph of a network for these images, and the weights that it brings (None: it starts afresh).

    A Graph stays as it is. torch is loaded only for a user's own module.
    Raises UsageError for a name that is not known, GraphError for a network that does not fit.
    """
    if isinstance(network, Graph):
        return network, None
    if isinstance(network, str):
        if not is_callable_text(network):
            return build_network(network, input_shape, classes), None
        from pennyweight.net.trace import load_callable

        return load_callable(network, input_shape, classes)
    from pennyweight.net.trace import trace

    return trace(network, input_shape, type(network).__name__)


def is_callable_text(text: str) -> bool:
    """Whether `text` names a user's own network, `package.module:callable`, and not a family with its dials.

    >>> is_callable_text("my_nets:tiny"), is_callable_text("mlp:hidden=80")
    (True, False)
    """
    return text.partition(":")[0].strip() not in families() and re.fullmatch(r"[\w.]+:[\w.]+", text) is not None
