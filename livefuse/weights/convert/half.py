"""Rewrites a graph in half precision: weights and activations float16, norms float32, every change of type a Cast node.

Why not ONNX Runtime's `transformers.float16`: it casts around each operator that it keeps, so what passes from one kept
operator to the next is rounded to half precision in between, and the square inside an instance norm overflows all the same.
Here a run of kept operators stays in float32 from end to end, and a Cast stands only where the type really changes.
Inputs and outputs keep the types that they had: who runs the model need not know.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field

from livefuse.weights.convert.norms import float_nodes
from livefuse.weights.convert.prepare import FLOAT, HALF, element, types_of
from livefuse.weights.onnx.model import Model, initializer
from livefuse.weights.onnx.schema import INT, Message, NodeProto, TensorProto

_ALWAYS_FLOAT = {"Resize": (1, 2), "Upsample": (1,)}
"""Inputs whose type the standard fixes: regions and scales."""
_ANY_TYPE = frozenset({"Shape", "Size", "Cast", "CastLike", "IsNaN", "IsInf"})
"""Operators that take what there is and do not pass it on."""


@dataclass(frozen=True, slots=True)
class Halved:
    """What came of it: nodes that work in half precision, nodes kept in float32, Casts put in."""

    half: int
    single: int
    casts: int


def to_half(model: Model) -> Halved:
    """Rewrite a prepared model in place. Raises: EngineFailed where a type cannot be told."""
    types = types_of(model)
    rewrite = _Rewrite(model, types, float_nodes(model, types))
    nodes = list(rewrite.nodes())
    graph = model.proto.graph
    del graph.node[:]
    graph.node.extend(nodes)
    weights = list(rewrite.weights())
    del graph.initializer[:]
    graph.initializer.extend(weights)
    del graph.value_info[:]
    graph.value_info.extend(rewrite.infos())
    return Halved(rewrite.halved, len(rewrite.kept), rewrite.casts)


@dataclass(slots=True)
class _Rewrite:
    model: Model
    types: Mapping[str, Message]
    kept: set[int]
    halved: int = 0
    casts: int = 0
    _made: dict[str, int] = field(default_factory=dict)
    """Float type of each tensor that was float32, as it is now under its own name."""
    _cast: dict[tuple[str, int], str] = field(default_factory=dict)
    _added: list[Message] = field(default_factory=list)
    _used: dict[str, set[int]] = field(default_factory=dict)
    """Float types in which each weight is wanted."""

    def nodes(self) -> Iterator[Message]:
        graph = self.model.proto.graph
        self._made = {info.name: FLOAT for info in graph.input if self._is_float(info.name)}
        results = {info.name for info in graph.output}
        self._used = {weight.name: set() for weight in graph.initializer if weight.data_type == FLOAT}
        self._used |= {name: {FLOAT} for name in results & self._used.keys()}
        for place, node in enumerate(graph.node):
            half = place not in self.kept and self._computes_in_float(node)
            self.halved += half
            yield from self._fed(node, half)
            outputs = [name for name in node.output if self._is_float(name)]
            self._made.update((name, HALF if half else FLOAT) for name in outputs)
            renamed = [name for name in outputs if half and name in results]
            for name in renamed:
                self._rename(node, name)
            yield node
            for name in renamed:  # a result keeps its type
                yield self._cast_node(self._cast[name, HALF], name, FLOAT)

    def _is_float(self, name: str) -> bool:
        return name in self.types and element(self.types[name]) == FLOAT

    def _computes_in_float(self, node: Message) -> bool:
        return node.op_type not in _ANY_TYPE and any(map(self._is_float, (*node.input, *node.output)))

    def _fed(self, node: Message, half: bool) -> Iterator[Message]:
        """The Casts that a node's inputs need; its inputs are renamed to what they give."""
        if node.op_type in _ANY_TYPE:
            for name in node.input:
                self._used.get(name, set()).add(FLOAT)
            return
        for place, name in enumerate(node.input):
            if not name or not self._is_float(name):
                continue
            fixed = place in _ALWAYS_FLOAT.get(node.op_type, ())
            wanted = HALF if half and not fixed else FLOAT
            node.input[place] = yield from self._as(name, wanted)
        for attribute in node.attribute:  # what a branch or a loop's body reads from around it is float32 there
            for inner in (attribute.g, *attribute.graphs):
                yield from self._captured(inner)

    def _as(self, name: str, wanted: int) -> Generator[Message, None, str]:
        """Yields the Cast that it takes, if any; returns the name to read."""
        if name in self._used:
            self._used[name].add(wanted)
            return self._half_name(name) if wanted == HALF else name
        if self._made.get(name, FLOAT) == wanted:
            return name
        if (name, wanted) not in self._cast:
            self._cast[name, wanted] = self._new(name, wanted)
            yield self._cast_node(name, self._cast[name, wanted], wanted)
        return self._cast[name, wanted]

    def _captured(self, graph: Message) -> Iterator[Message]:
        own = {name for node in graph.node for name in node.output} | {info.name for info in graph.input}
        own |= {weight.name for weight in graph.initializer}
        for node in graph.node:
            for place, name in enumerate(node.input):
                if name not in own and self._is_float(name):
                    node.input[place] = yield from self._as(name, FLOAT)
            for attribute in node.attribute:
                for inner in (attribute.g, *attribute.graphs):
                    yield from self._captured(inner)
        for info in graph.output:
            if info.name not in own and self._is_float(info.name):
                info.name = yield from self._as(info.name, FLOAT)

    def _rename(self, node: Message, name: str) -> None:
        fresh = self._cast[name, HALF] = self._new(name, HALF)
        self._made[name] = FLOAT
        node.output[list(node.output).index(name)] = fresh

    def _new(self, name: str, kind: int) -> str:
        fresh = f"{name}.{'half' if kind == HALF else 'single'}"
        while fresh in self.types:
            fresh += "_"
        info = type(self.types[name])()
        info.CopyFrom(self.types[name])
        info.name, info.type.tensor_type.elem_type = fresh, kind
        self._added.append(info)
        return fresh

    def _cast_node(self, source: str, result: str, kind: int) -> Message:
        self.casts += 1
        node = NodeProto(op_type="Cast", input=[source], output=[result], name=f"cast.{self.casts}.{result}")
        node.attribute.add(name="to", i=kind, type=INT)
        return node

    def _half_name(self, name: str) -> str:
        fresh = f"{name}.half"
        while fresh in self.types:
            fresh += "_"
        return fresh

    def weights(self) -> Iterator[Message]:
        """Every weight in the type that is wanted, in the file's order: what lies last stays last."""
        for weight in self.model.proto.graph.initializer:
            wanted = self._used.get(weight.name, set())
            if HALF in wanted:
                values = initializer(self.model, weight.name)
                assert values is not None
                half = TensorProto(name=self._half_name(weight.name), dims=weight.dims, data_type=HALF)
                half.raw_data = values.astype("<f2").tobytes()
                yield half
            if HALF not in wanted or FLOAT in wanted:
                yield weight

    def infos(self) -> Iterator[Message]:
        """Types of what nodes make, under the names that there are now."""
        graph = self.model.proto.graph
        told = {info.name for info in (*graph.input, *graph.output)}
        produced = {name for node in graph.node for name in node.output}
        for name, info in self.types.items():
            if name in produced and name not in told:
                if element(info) == FLOAT:
                    info.type.tensor_type.elem_type = self._made.get(name, FLOAT)
                yield info
        yield from self._added
