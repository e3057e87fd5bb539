"""The graph of a run and the names of its classes, which are read without torch."""

from __future__ import annotations

from pennyweight.core.errors import GraphError, RunError
from pennyweight.core.run import GRAPH, SETTINGS, Run
from pennyweight.net.graph import Graph


def graph_of(run: Run) -> Graph:
    """The graph of a run, finished or not."""
    try:
        graph = Graph.from_json(run.read(GRAPH))
    except GraphError as error:
        raise RunError(f"{run.folder}: {GRAPH} is not a graph: {error}") from error
    if len(graph.input_shape) != 3 or len(graph.shapes[graph.output]) != 1:
        raise RunError(f"{run.folder}: {GRAPH} does not lead from a picture to one number a class")
    return graph


def class_names_of(run: Run, graph: Graph) -> tuple[str, ...]:
    """The names of the classes, in the order of the logits."""
    names = run.read(SETTINGS).get("class_names")
    if not isinstance(names, list) or len(names) != graph.classes:
        raise RunError(f"{run.folder}: {SETTINGS} names {names!r} as classes, which do not fit its graph")
    return tuple(map(str, names))
