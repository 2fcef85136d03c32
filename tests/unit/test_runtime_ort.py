"""Engines on ONNX Runtime: whose memory results are, what feeds may be, order of runs."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livefuse.device.base import Lane
from livefuse.errors import EngineFailed
from livefuse.runtime import ort as ort_module
from livefuse.runtime.binding import HostSlot
from livefuse.runtime.ort import OrtEngine
from livefuse.runtime.ort_session import open_session
from livefuse.runtime.providers import Provider
from tests.unit import small_models as small


@pytest.fixture
def engine(tmp_path: Path) -> OrtEngine:
    return OrtEngine(small.doubling(tmp_path / "doubling.onnx"), threads=1)


def rows(n: int, start: float = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.arange(start, start + 3 * n, dtype=np.float32).reshape(n, 3)


def addresses(outputs: dict[str, Any]) -> list[int]:
    return [array.ctypes.data for array in outputs.values()]


def warmed(engine: OrtEngine, lane: Lane, n: int) -> None:
    """The first run on new shapes goes into memory of the runtime's own."""
    engine.run(lane, {"x": rows(n)})


def test_steady_state_reads_the_lane_and_writes_into_the_same_memory(
    engine: OrtEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    def counted(*model: Any, **options: Any) -> HostSlot:
        made.append(model)
        return HostSlot(*model, **options)

    monkeypatch.setattr(ort_module, "HostSlot", counted)
    lane = Lane(0)
    x = lane.buffer("x", (4, 3), np.float32)
    warmed(engine, lane, 4)
    seen = []
    for start in range(20):
        x[:] = rows(4, start)
        outputs = engine.submit(lane, {"x": x}).result()
        np.testing.assert_array_equal(outputs["double"], 2 * x)
        np.testing.assert_array_equal(outputs["more"], x + 1)
        seen.append(addresses(outputs))
        del outputs
    assert len(made) == 1
    assert all(one == seen[0] for one in seen)
    assert all(address % 64 == 0 for address in seen[0])


def test_every_value_is_written_anew(engine: OrtEngine) -> None:
    lane = Lane(0)
    warmed(engine, lane, 4)
    outputs = engine.run(lane, {"x": rows(4)})
    for array in outputs.values():
        array.fill(np.nan)  # poison: what is let go belongs to the next run
    before = addresses(outputs)
    del outputs, array
    outputs = engine.run(lane, {"x": rows(4)})
    assert addresses(outputs) == before
    np.testing.assert_array_equal(outputs["double"], 2 * rows(4))
    np.testing.assert_array_equal(outputs["more"], rows(4) + 1)


def test_results_not_yet_read_are_not_overwritten(engine: OrtEngine) -> None:
    lanes = Lane(0), Lane(1)
    for lane in lanes:
        warmed(engine, lane, 2)
    for _ in range(3):  # more runs in flight than there are kept buffers
        jobs = [(engine.submit(lanes[i % 2], {"x": rows(2, i)}), i) for i in range(50)]
        for running, i in reversed(jobs):
            np.testing.assert_array_equal(running.result()["double"], 2 * rows(2, i))
            np.testing.assert_array_equal(running.result()["more"], rows(2, i) + 1)


def test_a_view_of_a_result_keeps_it_from_being_overwritten(engine: OrtEngine) -> None:
    lane = Lane(0)
    warmed(engine, lane, 4)
    part = engine.run(lane, {"x": rows(4)})["double"][1:3].ravel()[1:]
    wanted = part.copy()
    del_me = engine.run(lane, {"x": rows(4, 100)})
    np.testing.assert_array_equal(part, wanted)
    address = addresses(del_me)
    del del_me
    assert addresses(engine.run(lane, {"x": rows(4)})) == address
    del part
    assert addresses(engine.run(lane, {"x": rows(4)})) != address  # the first slot is free again


def test_shapes_may_change_from_run_to_run(engine: OrtEngine) -> None:
    lane = Lane(0)
    for n in (2, 5, 2, 5, 1, 0, 2, 0, *range(1, 40), *range(1, 40)):
        outputs = engine.run(lane, {"x": rows(n)})
        assert outputs["double"].shape == (n, 3)
        np.testing.assert_array_equal(outputs["double"], 2 * rows(n))


def test_outputs_whose_size_depends_on_the_picture(tmp_path: Path) -> None:
    engine, lane = OrtEngine(small.positive_places(tmp_path / "places.onnx")), Lane(0)
    for count in (2, 2, 4, 1, 4, 0, 3):
        x = np.zeros(5, np.float32)
        x[:count] = 1
        np.testing.assert_array_equal(engine.run(lane, {"x": x})["places"], [list(range(count))])
    assert engine._shapes == {((5,),): None}  # known by now: no run is bound in vain


def test_a_file_that_declares_wrong_output_shapes_still_runs(tmp_path: Path) -> None:
    path = tmp_path / "lying.onnx"
    small.write_model(path, [("Relu", ["x"], ["y"])], {"x": (small.FLOAT, ("n", 3))}, {"y": (small.FLOAT, (7, 3))})
    engine, lane = OrtEngine(path), Lane(0)
    for n in (4, 4, 7, 4):
        assert engine.run(lane, {"x": rows(n)})["y"].shape == (n, 3)


def test_fixed_axes_become_the_inputs_own(tmp_path: Path) -> None:
    engine = OrtEngine(small.doubling(tmp_path / "doubling.onnx"), fixed={"n": 2})
    assert engine.inputs == {"x": (2, 3)}
    with pytest.raises(EngineFailed):
        engine.run(Lane(0), {"x": rows(3)})


def test_half_precision_is_fed_and_read_as_single(tmp_path: Path) -> None:
    path = small.doubling(tmp_path / "half.onnx", kind=small.HALF)
    engine, lane = OrtEngine(path), Lane(0)
    for start in (0.25, 1.1, 1.1, 7):
        outputs = engine.run(lane, {"x": rows(2, start)})
        assert outputs["double"].dtype == np.float32
        np.testing.assert_array_equal(outputs["double"], 2 * rows(2, start).astype(np.float16).astype(np.float32))
        held = outputs["more"][0]
        engine.run(lane, {"x": rows(2, 50)})
        np.testing.assert_array_equal(held, (rows(2, start).astype(np.float16) + np.float16(1))[0])
    as_it_is = OrtEngine(path, keep_half=True)
    for _ in range(2):
        outputs = as_it_is.run(lane, {"x": rows(2).astype(np.float16)})
        assert outputs["double"].dtype == np.float16
        np.testing.assert_array_equal(outputs["double"], 2 * rows(2))


def test_feeds_with_strides_or_of_double_precision_are_copied(engine: OrtEngine) -> None:
    lane = Lane(0)
    wide = np.zeros((4, 6), np.float32)
    for start in range(3):
        wide[:, ::2] = rows(4, start)
        np.testing.assert_array_equal(engine.run(lane, {"x": wide[:, ::2]})["double"], 2 * rows(4, start))
        exact = rows(4, start).astype(np.float64)
        np.testing.assert_array_equal(engine.run(lane, {"x": exact})["more"], rows(4, start) + 1)


@pytest.mark.parametrize(
    ("feeds", "says"),
    [
        ({}, r"input x float32 \(n, 3\): got nothing"),
        ({"y": rows(2)}, r"input x float32 \(n, 3\): got only y"),
        ({"x": rows(2), "y": rows(2)}, r"no input is called y"),
        ({"x": rows(2).reshape(3, 2)}, r"got float32 \(3, 2\)"),
        ({"x": rows(2)[0]}, r"got float32 \(3,\)"),
        ({"x": rows(2).astype(np.int32)}, r"got int32 \(2, 3\)"),
        ({"x": [[1.0, 2.0, 3.0]]}, r"got a list"),
    ],
)
def test_a_wrong_feed_is_refused_by_what_was_expected(engine: OrtEngine, feeds: dict[str, Any], says: str) -> None:
    with pytest.raises(EngineFailed, match=r"doubling\.onnx.*" + says) as caught:
        engine.submit(Lane(0), feeds).result()
    assert "x float32 (n, 3)" in str(caught.value)
    np.testing.assert_array_equal(engine.run(Lane(0), {"x": rows(1)})["double"], 2 * rows(1))


def test_what_the_runtime_refuses_carries_its_words(tmp_path: Path) -> None:
    path = tmp_path / "adding.onnx"
    axes = (small.FLOAT, ("n",))
    small.write_model(path, [("Add", ["a", "b"], ["sum"])], {"a": axes, "b": axes}, {"sum": axes})
    engine, lane = OrtEngine(path), Lane(0)
    for _ in range(2):  # bound and unbound
        with pytest.raises(EngineFailed, match=r"adding\.onnx: failed on .*'b': \(3,\)"):
            engine.run(lane, {"a": np.ones(2, np.float32), "b": np.ones(3, np.float32)})
        assert engine.run(lane, {"a": np.ones(2, np.float32), "b": np.ones(2, np.float32)})["sum"].tolist() == [2, 2]


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    for name in ("broken.onnx", "absent.onnx"):
        with pytest.raises(EngineFailed, match=f"{name}: ONNX Runtime cannot load it"):
            OrtEngine(tmp_path / name)


def test_text_tensors_are_refused(tmp_path: Path) -> None:
    axes = (8, ("n",))  # TensorProto.STRING
    path = small.write_model(tmp_path / "text.onnx", [("Identity", ["x"], ["y"])], {"x": axes}, {"y": axes})
    with pytest.raises(EngineFailed, match=r"text\.onnx: `x` is a tensor\(string\)"):
        OrtEngine(path)


def test_runs_complete_in_the_order_they_were_asked_for(engine: OrtEngine) -> None:
    lane, done = Lane(0), []
    running = [engine.submit(lane, {"x": rows(2, i)}) for i in range(20)]
    for i, one in enumerate(running):
        one.add_done_callback(lambda _, i=i: done.append(i))  # type: ignore[misc]
    engine.run(lane, {"x": rows(2)})
    assert all(one.done() for one in running)
    assert done == sorted(done)


def test_several_threads_may_use_one_engine(engine: OrtEngine) -> None:
    def work(index: int) -> bool:
        lane = Lane(index)
        x = lane.buffer("x", (2, 3), np.float32)
        good = True
        for turn in range(60):
            x[:] = rows(2, 100 * index + turn)
            run = engine.run(lane, {"x": x}) if turn % 2 else engine.submit(lane, {"x": x}).result()
            good &= bool((run["double"] == 2 * x).all() and (run["more"] == x + 1).all())
        return good

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


def test_the_caller_goes_on_while_a_run_waits_its_turn(engine: OrtEngine) -> None:
    gate, lane = threading.Event(), Lane(0)
    assert engine._thread is not None
    blocker = engine._thread.submit(gate.wait)
    running = engine.submit(lane, {"x": rows(2)})
    assert not running.done()
    gate.set()
    assert blocker.result(10)
    np.testing.assert_array_equal(running.result(10)["double"], 2 * rows(2))


def test_an_engine_and_a_lane_leave_nothing_behind(tmp_path: Path) -> None:
    engine, lane = OrtEngine(small.doubling(tmp_path / "doubling.onnx")), Lane(0)
    for _ in range(3):
        engine.submit(lane, {"x": rows(2)}).result()
    lane_gone = weakref.ref(lane)
    del lane
    gc.collect()
    assert lane_gone() is None
    assert not engine._rings
    gone = weakref.ref(engine)
    del engine
    gc.collect()
    assert gone() is None


def test_inline_runs_are_over_when_they_are_asked_for(tmp_path: Path) -> None:
    engine, lane = OrtEngine(small.doubling(tmp_path / "doubling.onnx"), inline=True), Lane(0)
    before = set(threading.enumerate())
    running = engine.submit(lane, {"x": rows(2)})
    assert running.done()
    np.testing.assert_array_equal(next(iter(running.result().values())), rows(2) * 2)
    assert set(threading.enumerate()) == before
    with pytest.raises(EngineFailed):
        engine.submit(lane, {"y": rows(2)}).result()


def test_a_model_that_fell_to_the_cpu_keeps_off_the_device_s_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its configuration asks for a CUDA graph, which would bind addresses of the device."""
    asked = [Provider("CUDAExecutionProvider", {"enable_cuda_graph": "1"})]
    monkeypatch.setattr(ort_module, "requested", lambda texts, installed: asked)
    monkeypatch.setattr(
        ort_module,
        "open_session",
        lambda path, wanted, **rest: open_session(path, [Provider("CPUExecutionProvider")], **rest),
    )
    engine, lane = OrtEngine(small.doubling(tmp_path / "doubling.onnx")), Lane(0)
    for _ in range(2):
        np.testing.assert_array_equal(next(iter(engine.run(lane, {"x": rows(2)}).values())), rows(2) * 2)
