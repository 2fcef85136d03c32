"""Upscaling on tiles against the whole picture, and the memory it takes.

    python -m tests.bench.tiles seams [--tiny] [--model real_esrgan_x2 ...] [--size 192x160] [--tile 96] [--pictures FOLDER]
    python -m tests.bench.tiles memory [--model real_esrgan_x2] [--from 3840x2160 ...]

Models are `livefuse models synthesize`'s: shapes and operations of the real ones, random weights. `memory` takes tiny ones
and a process for each figure: how far its resident memory rises, in the first picture, above what it held with the model
loaded and not yet run, and what of that is the output itself. What is beside the output should not grow with the picture.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from livefuse.device.base import Lane
from livefuse.enhance.upscale.frames import upscaled
from livefuse.enhance.upscale.tiles import Span
from livefuse.enhance.upscale.upscaler import Cutting, Upscaler
from livefuse.frame import F32, U8, HostFrame, plane_shapes
from livefuse.memory import resident_bytes
from livefuse.runtime.base import Engine
from livefuse.runtime.ort import OrtEngine
from livefuse.source.image import read_image
from livefuse.weights.recipe import load_recipe
from livefuse.weights.synthesize import synthesize
from tests.conftest import shared_folder

WHOLE = 1 << 14
AMPLIFIED = 64


class Watched(Upscaler):
    """An upscaler that shows what its network gave where."""

    def __init__(self, *given: Any, seen: Callable[[F32, int, int], None]) -> None:
        super().__init__(*given)
        self._seen = seen

    def _bytes(self, planes: F32, row: Span, col: Span, sides: tuple[int, int]) -> U8:
        k = self.scale
        top, left = (row.start - row.read) * k, (col.start - col.read) * k
        part = planes[:, top : top + (row.stop - row.start) * k, left : left + (col.stop - col.start) * k]
        self._seen(part, row.start * k, col.start * k)
        return super()._bytes(planes, row, col, sides)


def size_of(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


def photo(width: int, height: int) -> U8:
    """A real picture of that size, else noise and edges."""
    folder = shared_folder()
    if folder is None:
        y, x = np.mgrid[:height, :width]
        return np.stack([x ^ y, (x * y) >> 4, x // 8 * 8 + y], axis=2).astype(np.uint8)
    rgb = read_image(folder / "media" / "astronaut.png")
    scale = max(width / rgb.shape[1], height / rgb.shape[0])
    size = (-(-rgb.shape[1] * scale // 1), -(-rgb.shape[0] * scale // 1))
    larger = cv2.resize(
        rgb, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    )
    return np.ascontiguousarray(np.asarray(larger, np.uint8)[:height, :width])


def timed(upscaler: Upscaler, rgb: U8) -> tuple[U8, float]:
    began = time.perf_counter()
    out = upscaler(rgb)
    return out, (time.perf_counter() - began) * 1e3


def seams(options: argparse.Namespace, folder: Path) -> None:
    print("model, size, tiles: difference to the whole picture; float of 0..255, bytes; ms")
    for name in options.model:
        engine = engine_of(name, folder, tiny=options.tiny)
        for size in options.size:
            compare(name, engine, photo(*size_of(size)), options)


def compare(name: str, engine: Engine, rgb: U8, options: argparse.Namespace) -> None:
    recipe = load_recipe(name)
    height, width = rgb.shape[:2]
    shape = (3, height * (recipe.scale or 1), width * (recipe.scale or 1))
    exact = np.empty(shape, np.float32)

    def keep(part: F32, top: int, left: int) -> None:
        exact[:, top : top + part.shape[1], left : left + part.shape[2]] = part

    most = 0.0

    def differ(part: F32, top: int, left: int) -> None:
        nonlocal most
        there = exact[:, top : top + part.shape[1], left : left + part.shape[2]]
        most = max(most, float(np.abs(part - there).max()) * 255)

    Upscaler(recipe, engine, Cutting(tile=options.tile))(rgb)  # loads and allocates
    whole, ms = timed(Watched(recipe, engine, Cutting(tile=WHOLE), seen=keep), rgb)
    print(f"{name} {width}x{height}: whole {ms:.0f} ms")
    ways = [Cutting(tile=options.tile, overlap=overlap) for overlap in options.overlap]
    for cutting in [*ways, Cutting(tile=options.tile, tiling="facefusion")]:
        most = 0.0
        upscaler = Watched(recipe, engine, cutting, seen=differ)
        out, ms = timed(upscaler, rgb)
        error = np.abs(out.astype(np.int16) - whole)
        inner = error[40:-40, 40:-40]
        print(
            f"  {cutting.tiling} tile {options.tile} overlap {cutting.overlap}: {upscaler.total} tiles, float {most:.4f}, "
            f"bytes max {error.max()} mean {error.mean():.6f} (40 px in: {inner.max()}), {ms:.0f} ms"
        )
        if options.pictures:
            save(options.pictures / f"{name}_{width}x{height}_{cutting.tiling}_{cutting.overlap}", out, error)


def save(stem: Path, out: U8, error: Any) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    shown = np.clip(error.astype(np.int32) * AMPLIFIED, 0, 255).astype(np.uint8)
    for picture, suffix in ((out, ""), (shown, f"_difference_x{AMPLIFIED}")):
        cv2.imwrite(f"{stem}{suffix}.png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


def memory(options: argparse.Namespace, folder: Path) -> None:
    print("model, from, to, format: rise of resident memory, the output's share, MB; s")
    for name in options.model:
        synthesize(load_recipe(name).synthesis or name, folder / f"{name}.onnx", tiny=True)
        for size in options.size:
            for form in ("rgb24", "yuv420p"):
                job = json.dumps({"name": name, "model": str(folder / f"{name}.onnx"), "size": size, "format": form})
                done = subprocess.run(
                    [sys.executable, "-m", "tests.bench.tiles", "one", job], capture_output=True, text=True, check=True
                )
                print(done.stdout.strip(), flush=True)


def measure_one(job: dict[str, Any]) -> None:
    """In a process of its own: the highest resident memory over a picture, from /proc (Linux)."""
    recipe, (width, height) = load_recipe(job["name"]), size_of(job["size"])
    upscaler = Upscaler(recipe, OrtEngine(Path(job["model"]), threads=os.cpu_count() or 1))
    k = upscaler.scale
    rgb = np.ascontiguousarray(np.tile(photo(256, 256), (-(-height // 256), -(-width // 256), 1))[:height, :width])
    frame = HostFrame.of_rgb(rgb)
    if job["format"] != "rgb24":
        flat = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420).reshape(-1)
        shapes = plane_shapes("yuv420p", height, width)
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
        planes = tuple(part.reshape(shape) for part, shape in zip(np.split(flat, ends), shapes, strict=True))
        frame = HostFrame(planes, "yuv420p", width, height)
    room = tuple(np.empty(shape, np.uint8) for shape in plane_shapes(frame.format, height * k, width * k))
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
    before, began = resident_bytes(), time.perf_counter()
    upscaled(Lane(0), frame, upscaler, room)
    seconds = time.perf_counter() - began
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    output = sum(plane.nbytes for plane in room)
    rise = peak - before
    print(
        f"{job['name']} {width}x{height} -> {width * k}x{height * k} {frame.format}: "
        f"{rise / 1e6:.0f}, output {output / 1e6:.0f}, beside it {(rise - output) / 1e6:.0f} MB; {seconds:.0f} s"
        f" ({before / 1e6:.0f} MB before, {upscaler.total} tiles; floats of the whole would be "
        f"{width * height * k * k * 12 / 1e6:.0f} MB)"
    )


def engine_of(name: str, folder: Path, *, tiny: bool) -> Engine:
    path = folder / f"{name}{'_tiny' if tiny else ''}.onnx"
    synthesize(load_recipe(name).synthesis or name, path, tiny=tiny)
    return OrtEngine(path, threads=os.cpu_count() or 1)


def main() -> None:
    if sys.argv[1:2] == ["one"]:
        measure_one(json.loads(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["seams", "memory"])
    parser.add_argument("--model", nargs="+", default=["real_esrgan_x2", "real_esrgan_x4"])
    parser.add_argument("--size", nargs="+", help="WIDTHxHEIGHT of the picture before")
    parser.add_argument("--tile", type=int, default=96)
    parser.add_argument("--overlap", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    options.size = options.size or (["192x160"] if options.what == "seams" else ["512x512", "1920x1080", "3840x2160"])
    with tempfile.TemporaryDirectory() as folder:
        (seams if options.what == "seams" else memory)(options, Path(folder))


if __name__ == "__main__":
    main()
