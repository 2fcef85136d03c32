"""What ONNX Runtime does to model files: simplifies their graphs, and quantises them to INT8."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy.typing as npt
import onnxruntime as ort

from livefuse.errors import EngineFailed

log = logging.getLogger(__name__)

Feeds = Mapping[str, npt.NDArray[Any]]
Calibration = Literal["minmax", "percentile", "entropy"]
Activations = Literal["int8", "uint8"]

MATRIX_OPERATORS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Where the time goes; everything else keeps its float32, normalisation above all."""
_ERRORS = 3


def simplify(source: Path, out: Path) -> None:
    """Write the graph with constants folded and batch norms inside their convolutions, in standard operators only.

    Raises: EngineFailed.
    """
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(out)
    options.log_severity_level = _ERRORS
    try:
        ort.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises half a dozen private classes
        _refused(source, "load", error)


def quantise(
    source: Path,
    out: Path,
    feeds: Iterable[Feeds],
    *,
    calibration: Calibration,
    activations: Activations,
    excluded: Sequence[str],
) -> None:
    """Write the graph with explicit QuantizeLinear and DequantizeLinear around its matrix operators.

    Weights are int8, symmetric, with a scale per output channel. Activations are int8, symmetric, which is all that TensorRT
    takes, or uint8 with a zero point, which spends no bit on signs that a ReLU never leaves.
    `excluded` are names of nodes that keep their float32. `feeds` are run for the activations' ranges.
    Raises: EngineFailed. Source: onnxruntime.quantization, which wants the package `onnx`.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    methods = {
        "minmax": CalibrationMethod.MinMax,
        "percentile": CalibrationMethod.Percentile,
        "entropy": CalibrationMethod.Entropy,
    }
    options = {
        "ActivationSymmetric": activations == "int8",
        "WeightSymmetric": True,
        "QDQKeepRemovableActivations": True,
    }
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):  # the calibrators print what they do
            quantize_static(
                str(source), str(out), _Reader(iter(feeds)), quant_format=QuantFormat.QDQ, per_channel=True,
                op_types_to_quantize=list(MATRIX_OPERATORS), weight_type=QuantType.QInt8,
                activation_type=QuantType.QInt8 if activations == "int8" else QuantType.QUInt8,
                nodes_to_exclude=list(excluded), calibrate_method=methods[calibration], extra_options=options,
            )  # fmt: skip
    except Exception as error:
        _refused(source, "quantise", error)
    log.debug("%s", said.getvalue().strip())


def _refused(source: Path, do: str, error: Exception) -> NoReturn:
    hint = "`livefuse models verify` checks the file"
    raise EngineFailed(f"{source.name}: ONNX Runtime cannot {do} it: {error}", hint=hint) from error


class _Reader:
    """What the calibrators ask for their inputs."""

    def __init__(self, feeds: Iterator[Feeds]) -> None:
        self._feeds = feeds

    def get_next(self) -> dict[str, npt.NDArray[Any]] | None:
        feed = next(self._feeds, None)
        return None if feed is None else dict(feed)
