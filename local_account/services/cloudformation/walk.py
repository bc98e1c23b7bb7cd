"""Walk a dependency graph: nodes without dependencies first, independent nodes in parallel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

WORKERS = 6


def walk(
    graph: Mapping[str, set[str]],
    work: Callable[[str], bool],
    go_on: Callable[[], bool] = lambda: True,
) -> set[str]:
    """Call ``work(node)`` once for every node after all nodes that it needs.

    ``work`` returns whether it succeeded; nodes that need a failed one are skipped. No further node is
    started once ``go_on()`` is false; those in progress are waited for. Returns the nodes that failed.
    An exception from ``work`` is raised here, after those in progress have ended.
    """
    left = {node: {need for need in needs if need in graph} for node, needs in graph.items()}
    failed: set[str] = set()
    running: dict[Future[bool], str] = {}
    with ThreadPoolExecutor(max_workers=min(WORKERS, max(len(graph), 1))) as pool:
        while True:
            for node in [node for node, needs in left.items() if not needs] if go_on() else []:
                del left[node]
                running[pool.submit(work, node)] = node
            if not running:
                return failed
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                node = running.pop(future)
                if future.result():
                    for needs in left.values():
                        needs.discard(node)
                else:
                    failed.add(node)


def reverse(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return the graph with every edge reversed: what is needed last comes first."""
    turned: dict[str, set[str]] = {node: set() for node in graph}
    for node, needs in graph.items():
        for need in needs:
            if need in turned:
                turned[need].add(node)
    return turned


def ordered(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the nodes ordered so that each comes after those that it needs."""
    order: list[str] = []
    left = {node: {need for need in needs if need in graph} for node, needs in graph.items()}
    while ready := [node for node, needs in left.items() if not needs.difference(order)]:
        order += ready
        for node in ready:
            del left[node]
    return order
