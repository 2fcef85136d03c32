"""Which execution provider really runs each node of a loaded model. ONNX Runtime falls back to the CPU without a word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

RECORD = "session.record_ep_graph_assignment_info"
NO_CPU = "session.disable_cpu_ep_fallback"

Assignment: TypeAlias = dict[str, Counter[str]]
"""Nodes of each provider, counted by operator."""

_MOST_OPERATORS = 6


def read_assignment(session: Any) -> Assignment | None:
    """What a session, made with RECORD, has placed where; None where the runtime cannot tell.

    Nodes are those of the graph that was partitioned, before a provider fuses its own. Source: ONNX Runtime 1.24's
    `Session_GetEpGraphAssignmentInfo`; older versions know only which providers they loaded.
    """
    read = getattr(session, "get_provider_graph_assignment_info", None)
    if read is None:
        return None
    assignment: Assignment = {name: Counter() for name in session.get_providers()}
    for part in read():
        operators = assignment.setdefault(part.ep_name, Counter())
        operators.update(node.op_type for node in part.get_nodes())
    return assignment


def node_counts(assignment: Assignment | None) -> Mapping[str, int]:
    """Nodes by provider; empty where it is not known."""
    return {name: operators.total() for name, operators in (assignment or {}).items()}


def astray(assignment: Assignment, wanted: Sequence[str]) -> Assignment:
    """The part that runs on none of the `wanted` providers."""
    return {name: operators for name, operators in assignment.items() if operators and name not in wanted}


def describe(assignment: Assignment, first: str) -> str:
    """`CUDAExecutionProvider runs 96 of 98 nodes, CPUExecutionProvider 2 (Resize 2)`."""
    total = sum(operators.total() for operators in assignment.values())
    words = f"{first} runs {assignment.get(first, Counter()).total()} of {total} nodes"
    for name, operators in assignment.items():
        if operators and name != first:
            words += f", {name} {operators.total()} ({_listed(operators)})"
    return words


def _listed(operators: Counter[str]) -> str:
    most = [f"{operator} {count}" for operator, count in operators.most_common(_MOST_OPERATORS)]
    return ", ".join(most) + (", …" if len(operators) > _MOST_OPERATORS else "")
