"""Providers by name, what is said about where nodes run, and what `strict` refuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest

from livefuse.config import RuntimeConfig
from livefuse.device.base import Lane
from livefuse.errors import BadValue, EngineFailed
from livefuse.runtime import ort_session
from livefuse.runtime.binding import DeviceSlot, HostSlot
from livefuse.runtime.ort import OrtEngine
from livefuse.runtime.placement import NO_CPU, describe
from livefuse.runtime.providers import Provider, graph_device, parse_provider, requested
from livefuse.runtime.tensors import tensors
from tests.unit import small_models as small

CPU, CUDA, TRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
HERE = onnxruntime.get_available_providers()


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("cpu", CPU, {}),
        ("CPUExecutionProvider", CPU, {}),
        (" Cuda ", CUDA, {}),
        ("cuda:device_id=1,cudnn_conv_algo_search=HEURISTIC", CUDA, {"device_id": "1", "cudnn_conv_algo_search": "HEURISTIC"}),
        ("CUDAExecutionProvider: device_id = 1 ,", CUDA, {"device_id": "1"}),
        ("tensorrt:trt_engine_cache_path=/tmp/a:b", TRT, {"trt_engine_cache_path": "/tmp/a:b"}),
        ("trt", TRT, {}),
        ("openvino:device_type=GPU", "OpenVINOExecutionProvider", {"device_type": "GPU"}),
        ("dml", "DmlExecutionProvider", {}),
        ("directml", "DmlExecutionProvider", {}),
        ("coreml", "CoreMLExecutionProvider", {}),
    ],
)  # fmt: skip
def test_providers_have_short_and_full_names_and_options(text: str, name: str, options: dict[str, str]) -> None:
    assert parse_provider(text) == Provider(name, options)


def test_a_provider_that_only_this_runtime_knows_is_taken_by_name() -> None:
    assert parse_provider("fancy:a=b", ["FancyExecutionProvider"]) == Provider("FancyExecutionProvider", {"a": "b"})


def test_an_unknown_provider_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(BadValue, match="no execution provider 'cudda'") as caught:
        parse_provider("cudda")
    assert "`cuda`" in caught.value.hint
    with pytest.raises(BadValue, match="'xyz'") as caught:
        parse_provider("xyz")
    assert "openvino" in caught.value.hint


@pytest.mark.parametrize("text", ["cuda:device_id", "cuda:=1", "cuda:device_id=1,fast"])
def test_options_that_are_no_pairs_are_refused(text: str) -> None:
    with pytest.raises(BadValue, match="is no `key=value`"):
        parse_provider(text)


def test_what_is_asked_for_keeps_its_order_and_stands_once() -> None:
    assert [p.name for p in requested(["trt", "cuda", "cpu"], [CUDA, TRT, CPU])] == [TRT, CUDA, CPU]
    with pytest.raises(BadValue, match="names cuda twice"):
        requested(["cuda", "CUDAExecutionProvider:device_id=1"], [CUDA])
    with pytest.raises(BadValue, match="is empty"):
        requested([], [CPU])


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cuda", "pip uninstall -y onnxruntime && pip install onnxruntime-gpu"),
        ("tensorrt", "onnxruntime-gpu"),
        ("dml", "onnxruntime-directml` (on Windows only)"),
        ("openvino", "onnxruntime-openvino"),
        ("coreml", "on macOS only"),
        ("xnnpack", "built from source"),
    ],
)
def test_a_provider_that_is_not_installed_names_what_is_there_and_its_package(name: str, hint: str) -> None:
    with pytest.raises(EngineFailed, match="it has azure, cpu") as caught:
        requested([name], ["AzureExecutionProvider", CPU])
    assert hint in caught.value.hint


def test_the_engine_reports_the_nodes_of_each_provider(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    engine = OrtEngine(small.doubling(tmp_path / "doubling.onnx"))
    assert engine.placement == {CPU: 2}
    assert not caplog.records


needs_azure = pytest.mark.skipif(
    "AzureExecutionProvider" not in HERE, reason="this ONNX Runtime has no second provider"
)


@needs_azure
def test_a_provider_that_runs_nothing_is_said_aloud_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    engine = OrtEngine(small.doubling(tmp_path / "doubling.onnx"), config=RuntimeConfig(providers=("azure",)))
    assert engine.placement == {"AzureExecutionProvider": 0, CPU: 2}
    lane, x = Lane(0), np.ones((2, 3), np.float32)
    for value in (1, 2, 3):
        x[:] = value
        assert engine.run(lane, {"x": x})["more"][0, 0] == value + 1
    (record,) = caplog.records
    said = "doubling.onnx: AzureExecutionProvider runs 0 of 2 nodes, CPUExecutionProvider 2 (Mul 1, Add 1)"
    assert record.getMessage() == said


@needs_azure
@pytest.mark.parametrize("providers", [("azure",), ("azure", "cpu")])
def test_strict_refuses_a_provider_that_runs_nothing(tmp_path: Path, providers: tuple[str, ...]) -> None:
    config = RuntimeConfig(providers=providers, strict=True)
    with pytest.raises(EngineFailed, match=r"runs 0 of 2 nodes, CPUExecutionProvider 2 \(Mul 1, Add 1\)"):
        OrtEngine(small.doubling(tmp_path / "doubling.onnx"), config=config)


def test_strict_takes_what_the_first_provider_runs_alone(tmp_path: Path) -> None:
    path = small.doubling(tmp_path / "doubling.onnx")
    assert OrtEngine(path, config=RuntimeConfig(strict=True)).placement == {CPU: 2}


class FakeSession:
    """A session whose providers loaded as told, with `placed` nodes by provider and operator."""

    made: dict[str, Any]

    def __init__(self, loaded: Sequence[str], placed: dict[str, dict[str, int]]) -> None:
        self._loaded, self._placed = list(loaded), placed

    def __call__(self, path: str, options: Any, *, providers: list[Any], enable_fallback: int) -> FakeSession:
        assert enable_fallback == 0
        self.made = {"providers": providers, "options": options}
        return self

    def get_providers(self) -> list[str]:
        return self._loaded

    def get_provider_graph_assignment_info(self) -> list[Any]:
        return [FakePart(name, operators) for name, operators in self._placed.items()]


class FakePart(SimpleNamespace):
    """Nodes that one provider runs."""

    def __init__(self, name: str, operators: dict[str, int]) -> None:
        super().__init__(ep_name=name)
        self._nodes = [SimpleNamespace(op_type=one) for one in Counter(operators).elements()]

    def get_nodes(self) -> list[SimpleNamespace]:
        return self._nodes


class OldSession(FakeSession):
    """As ONNX Runtime before 1.24: it cannot tell where nodes run."""

    get_provider_graph_assignment_info = None  # type: ignore[assignment]


def opened(monkeypatch: pytest.MonkeyPatch, session: FakeSession, texts: Sequence[str], strict: bool) -> Any:
    fake = SimpleNamespace(
        **{name: getattr(onnxruntime, name) for name in ("SessionOptions", "GraphOptimizationLevel")}
    )
    fake.InferenceSession, fake.__version__ = session, "1.22.0"
    fake.preload_dlls = lambda: print("cuDNN is nowhere")  # noqa: T201
    monkeypatch.setattr(ort_session, "ort", fake)
    wanted = requested(texts, [TRT, CUDA, CPU])
    return ort_session.open_session(Path("m.onnx"), wanted, strict=strict, threads=1, fixed={})[1]


def test_nodes_left_on_the_cpu_are_named(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    session = FakeSession([CUDA, CPU], {CUDA: {"Conv": 90}, CPU: {"Resize": 2, "NonMaxSuppression": 1}})
    opened(monkeypatch, session, ["cuda:device_id=1"], strict=False)
    assert session.made["providers"] == [(CUDA, {"device_id": "1"}), (CPU, {})]
    said = "m.onnx: CUDAExecutionProvider runs 90 of 93 nodes, CPUExecutionProvider 3 (Resize 2, NonMaxSuppression 1)"
    assert said in [record.getMessage() for record in caplog.records]
    with pytest.raises(EngineFailed, match="runs 90 of 93 nodes, CPUExecutionProvider 3"):
        opened(monkeypatch, session, ["cuda"], strict=True)
    assert session.made["providers"] == [(CUDA, {})]  # no last resort
    assert opened(monkeypatch, session, ["cuda", "cpu"], strict=True)[CUDA].total() == 90  # asked for


def test_strict_takes_a_second_provider_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    session = FakeSession([TRT, CUDA, CPU], {TRT: {"Conv": 90}, CUDA: {"Resize": 2}})
    opened(monkeypatch, session, ["tensorrt", "cuda"], strict=True)
    with pytest.raises(EngineFailed, match="TensorrtExecutionProvider runs 0 of 2 nodes"):
        opened(monkeypatch, FakeSession([TRT, CUDA, CPU], {CUDA: {"Conv": 2}}), ["trt", "cuda"], strict=True)


@pytest.mark.parametrize("session", [FakeSession([CPU], {CPU: {"Conv": 3}}), OldSession([CPU], {})])
def test_a_provider_that_did_not_load_is_said_aloud(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], session: FakeSession
) -> None:  # fmt: skip
    opened(monkeypatch, session, ["cuda"], strict=False)
    words = "\n".join(record.getMessage() for record in caplog.records)
    assert "CUDAExecutionProvider is installed and did not load; CPUExecutionProvider runs the model" in words
    assert "onnxruntime-gpu[cuda,cudnn]" in words
    assert "cuDNN is nowhere" in words
    assert not capsys.readouterr().out  # standard output is for results
    with pytest.raises(EngineFailed, match="did not load"):
        opened(monkeypatch, session, ["cuda"], strict=True)


def test_an_older_runtime_says_that_it_cannot_tell(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ort_session, "tells_placement", lambda: False)
    session = OldSession([CUDA, CPU], {})
    assert opened(monkeypatch, session, ["cuda"], strict=False) is None
    assert "1.22.0 cannot tell which nodes CUDAExecutionProvider runs" in caplog.text
    caplog.clear()
    opened(monkeypatch, session, ["cuda"], strict=True)
    assert session.made["options"].get_session_config_entry(NO_CPU) == "1"  # the runtime itself refuses then
    assert "cannot tell" not in caplog.text
    with pytest.raises(EngineFailed, match="cannot tell which nodes"):
        opened(monkeypatch, session, ["cuda", "cpu"], strict=True)
    caplog.clear()
    opened(monkeypatch, OldSession([CPU], {}), ["cpu"], strict=True)
    assert not caplog.records


def test_options_that_the_provider_refuses_are_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(FakeSession):
        def __call__(self, *args: Any, **options: Any) -> FakeSession:
            raise RuntimeError("device 7 is out of range")

    with pytest.raises(EngineFailed, match="on cuda:device_id=7, cpu: device 7 is out of range") as caught:
        opened(monkeypatch, Refusing([], {}), ["cuda:device_id=7"], strict=False)
    assert "runtime.providers" in caught.value.hint


class PickySession(FakeSession):
    """Its first provider cannot run this model, as CUDA cannot run a convolution that was fused with a Clip."""

    def __call__(self, path: str, options: Any, *, providers: list[Any], enable_fallback: int) -> FakeSession:
        if providers[0][0] != CPU:
            raise RuntimeError("Exception during initialization: unsupported conv activation mode")
        return super().__call__(path, options, providers=providers, enable_fallback=enable_fallback)


def test_a_model_that_the_provider_cannot_run_goes_to_the_cpu_aloud(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session = PickySession([CPU], {CPU: {"Conv": 90}})
    assert opened(monkeypatch, session, ["cuda"], strict=False) == {CPU: {"Conv": 90}}
    assert "unsupported conv activation mode; the CPU runs it" in caplog.text
    with pytest.raises(EngineFailed, match="unsupported conv activation"):
        opened(monkeypatch, session, ["cuda"], strict=True)


def test_long_lists_of_operators_are_cut() -> None:
    words = describe({CUDA: Counter(Conv=1), CPU: Counter("abcdefgh")}, CUDA)
    assert words.endswith("CPUExecutionProvider 8 (a 1, b 1, c 1, d 1, e 1, f 1, …)")


@pytest.mark.parametrize(
    ("texts", "device"),
    [
        (["cpu"], None),
        (["cuda"], None),
        (["cuda:enable_cuda_graph=0"], None),
        (["cuda:enable_cuda_graph=1"], ("cuda", 0)),
        (["trt:trt_cuda_graph_enable=True,device_id=2", "cuda:device_id=2"], ("cuda", 2)),
    ],
)
def test_a_cuda_graph_works_in_device_memory(texts: list[str], device: tuple[str, int] | None) -> None:
    assert graph_device(requested(texts, [TRT, CUDA, CPU])) == device


def a_session(path: Path) -> Any:
    return onnxruntime.InferenceSession(str(path), providers=[CPU])


def test_memory_of_the_device_keeps_its_address_and_takes_every_feed(tmp_path: Path) -> None:
    """As for a CUDA graph, with the CPU as the device."""
    session = a_session(small.doubling(tmp_path / "half.onnx", kind=small.HALF))
    values = []

    def value(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        values.append(onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, dtype.type, "cpu", 0))
        return values[-1]

    takes, gives = tensors(session.get_inputs(), "half.onnx"), tensors(session.get_outputs(), "half.onnx")
    slot = DeviceSlot(session, takes, gives, ((2, 3),), ((2, 3), (2, 3)), values=value)
    at = [one.data_ptr() for one in values]
    held = []
    for number in (1, 2, 3):
        x = np.full((3, 2), number, np.float32).T  # strided, and to be converted
        held.append(slot.run([x]))
    for number, outputs in zip((1, 2, 3), held, strict=True):
        assert outputs["double"].dtype == np.float32
        assert (outputs["double"] == 2 * number).all()
        assert (outputs["more"] == number + 1).all()
    assert [one.data_ptr() for one in values] == at


@pytest.mark.parametrize(("copies_at_bind", "bindings"), [(True, 3), (False, 1)])
def test_inputs_are_bound_again_for_a_provider_that_copies_them_then(
    tmp_path: Path, copies_at_bind: bool, bindings: int
) -> None:
    session = a_session(small.doubling(tmp_path / "doubling.onnx"))
    bound = []

    class Binding(onnxruntime.IOBinding):  # type: ignore[misc]
        def bind_cpu_input(self, name: str, array: Any) -> None:
            bound.append(name)
            super().bind_cpu_input(name, array)

    session.io_binding = lambda: Binding(session)
    takes, gives = tensors(session.get_inputs(), "m.onnx"), tensors(session.get_outputs(), "m.onnx")
    slot = HostSlot(session, takes, gives, ((2, 3),), ((2, 3), (2, 3)), copies_at_bind=copies_at_bind)
    x = np.ones((2, 3), np.float32)
    for number in (1, 2, 3):
        x[:] = number
        assert slot.run([x])["double"][1, 2] == 2 * number
    assert len(bound) == bindings


def test_the_configurations_threads_and_the_callers_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, load = small.doubling(tmp_path / "doubling.onnx"), ort_session._load
    seen: list[int] = []

    def noted(file: Path, providers: Sequence[Provider], options: Any) -> Any:
        seen.append(options.intra_op_num_threads)
        return load(file, providers, options)

    monkeypatch.setattr(ort_session, "_load", noted)
    OrtEngine(path, config=RuntimeConfig(threads=3))
    OrtEngine(path, config=RuntimeConfig(threads=3), threads=1)
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    OrtEngine(path)
    assert seen == [3, 1, 2]


def test_a_quiet_load_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What goes wrong is raised, not printed by the runtime as well."""
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(EngineFailed):
        OrtEngine(tmp_path / "broken.onnx")
    engine = OrtEngine(small.positive_places(tmp_path / "places.onnx"))
    for count in (1, 1, 3):
        engine.run(Lane(0), {"x": (np.arange(5) < count).astype(np.float32)})
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err == ""
