"""Graphs of the same architecture, shapes, parameters and operations as the models people use, with random weights."""

from __future__ import annotations

from livefuse.weights.synthesize.catalogue import ARCHITECTURES, Architecture, Precision, Summary, build, synthesize

__all__ = ["ARCHITECTURES", "Architecture", "Precision", "Summary", "build", "synthesize"]
