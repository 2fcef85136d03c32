"""Opens ONNX Runtime sessions, and says aloud where their nodes really run."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnxruntime as ort

from livefuse.errors import EngineFailed
from livefuse.runtime.placement import NO_CPU, RECORD, Assignment, astray, describe, read_assignment
from livefuse.runtime.probe import tells_placement
from livefuse.runtime.providers import CPU, CUDA_FAMILY, Provider, remedy, short_name

log = logging.getLogger(__name__)

_CUDA_HINT = 'it needs CUDA and cuDNN of its own versions: `pip install "onnxruntime-gpu[cuda,cudnn]"`, and a driver'
_FATAL = 4
_REFUSED = "Exception during initialization"


def open_session(
    path: Path, wanted: Sequence[Provider], *, strict: bool, threads: int, fixed: Mapping[str, int]
) -> tuple[Any, Assignment | None]:
    """A session on the wanted providers, and where its nodes were placed (None where the runtime cannot tell).

    What a provider does not run falls to the CPU with a warning, a whole model that it cannot load too; with `strict` it
    is refused.
    Raises: EngineFailed.
    """
    providers = list(wanted)
    if CPU not in [provider.name for provider in wanted] and not strict:
        providers.append(Provider(CPU))
    try:
        session = _load(path, providers, _options(wanted, strict, threads, fixed))
    except EngineFailed as error:
        # The provider took its options, and the file may be fine: ONNX Runtime's own fused operators have no CUDA kernel
        # for every activation, for one.
        if strict or wanted[0].name == CPU or _REFUSED not in error.message:
            raise
        session = _load(path, [Provider(CPU)], _options([Provider(CPU)], strict, threads, fixed))
        log.warning("%s; the CPU runs it", error.message)
        return session, read_assignment(session)
    assignment = read_assignment(session)
    _check_loaded(path.name, wanted, session.get_providers(), strict)
    if assignment is None:
        _check_unknown(path.name, wanted, strict)
    else:
        _check_placement(path.name, wanted, assignment, strict)
    return session, assignment


def _options(wanted: Sequence[Provider], strict: bool, threads: int, fixed: Mapping[str, int]) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or min(2, max(1, (os.cpu_count() or 1) // 3))
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    # The arena stays on and is never shrunk: a run then takes its scratch memory where the run before left it. Weights
    # are not in it (they take their own size once, twice for the moment of loading).
    options.enable_cpu_mem_arena = True
    # DirectML cannot plan memory ahead; everything else should.
    options.enable_mem_pattern = all(provider.name != "DmlExecutionProvider" for provider in wanted)
    options.log_severity_level = _FATAL  # what goes wrong is raised; the runtime would print it as well
    for axis, size in fixed.items():
        options.add_free_dimension_override_by_name(axis, size)
    # Spinning threads would burn the core that the capture and sink threads need between our short runs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry(RECORD, "1")
    if strict and not tells_placement() and CPU not in [provider.name for provider in wanted]:
        options.add_session_config_entry(NO_CPU, "1")  # then the runtime itself refuses, without naming operators
    return options


def _load(path: Path, providers: Sequence[Provider], options: Any) -> Any:
    if any(provider.name in CUDA_FAMILY for provider in providers):
        _preload_cuda()
    try:
        # enable_fallback: at an error the runtime would print to standard output and take the CPU.
        return ort.InferenceSession(
            str(path), options, providers=[(one.name, one.options) for one in providers], enable_fallback=0
        )
    except Exception as error:  # the runtime raises half a dozen private classes
        on, hint = "", "`livefuse models verify` checks the file"
        if providers[0].name != CPU:
            on = f" on {', '.join(map(_written, providers))}"
            hint = 'check the options of runtime.providers; `["cpu"]` loads it without them'
        raise EngineFailed(f"{path.name}: ONNX Runtime cannot load it{on}: {error}", hint=hint) from error


def _written(provider: Provider) -> str:
    options = ",".join(f"{key}={value}" for key, value in provider.options.items())
    return short_name(provider.name) + (f":{options}" if options else "")


def _preload_cuda() -> None:
    """Find CUDA and cuDNN where pip put them. The runtime prints what it misses; a log is where that belongs."""
    if not hasattr(ort, "preload_dlls"):
        return
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        ort.preload_dlls()
    if said.getvalue():
        log.warning("%s", said.getvalue().strip())


def _check_loaded(file: str, wanted: Sequence[Provider], loaded: Sequence[str], strict: bool) -> None:
    """ONNX Runtime only warns about a provider whose libraries are missing, and goes on without it."""
    for name in (provider.name for provider in wanted if provider.name not in loaded):
        hint = _CUDA_HINT if name in CUDA_FAMILY else remedy(name)
        if strict:
            raise EngineFailed(f"{file}: {name} is installed and did not load", hint=hint)
        log.warning("%s: %s is installed and did not load; %s runs the model. %s", file, name, loaded[0], hint)


def _check_placement(file: str, wanted: Sequence[Provider], assignment: Assignment, strict: bool) -> None:
    names = [provider.name for provider in wanted]
    first = names[0]
    placed = f"{file}: {describe(assignment, first)}"
    others = {name: operators for name, operators in assignment.items() if operators and name != first}
    if strict and (astray(assignment, names) or (others and not assignment.get(first))):
        raise EngineFailed(placed, hint="runtime.strict = false allows that")
    if others:
        log.warning("%s", placed)


def _check_unknown(file: str, wanted: Sequence[Provider], strict: bool) -> None:
    first = wanted[0].name
    if first == CPU:
        return
    unknown = f"{file}: ONNX Runtime {ort.__version__} cannot tell which nodes {first} runs"
    if strict and CPU in [provider.name for provider in wanted]:  # otherwise NO_CPU has settled it
        raise EngineFailed(unknown, hint="1.24 can; or set runtime.strict = false")
    if not strict:
        log.warning("%s", unknown)
