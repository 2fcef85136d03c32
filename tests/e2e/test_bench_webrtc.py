"""`livefuse bench webrtc` with a real daemon and a real browser; the page's reader against what is drawn."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from livefuse.bench.webrtc.browser import READER
from livefuse.bench.webrtc.rows import COLUMNS
from livefuse.frame import U8
from livefuse.source.synthetic.blocks import ROWS, Stamp, cell_px, draw_blocks
from tests.e2e.browser import chromium
from tests.e2e.conftest import Run

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NO_MODELS = ("--set", "detect.model=known")

_READ = """([data, stride, step, side]) => {
  const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  return livefuseBench.readBlocks(bytes, 0, stride, step, side);
}"""


def corner(width: int, height: int, stamp: Stamp) -> tuple[U8, int]:
    luma = np.full((height, width), 77, np.uint8)
    draw_blocks([luma], stamp)
    return luma[: ROWS * cell_px(width, height)], cell_px(width, height)


@pytest.mark.parametrize("size", [(320, 240), (640, 480), (1280, 720)])
def test_the_page_reads_what_is_drawn(browser: Browser, size: tuple[int, int]) -> None:
    import base64

    page = browser.new_page()
    page.add_script_tag(path=READER)
    rng = np.random.default_rng(11)
    for _ in range(5):
        stamp = Stamp(int(rng.integers(1 << 24)), int(rng.integers(1 << 32)))
        luma, side = corner(*size, stamp)
        noisy = np.clip(luma + rng.normal(0, 20, luma.shape), 0, 255).astype(np.uint8)
        for pixels, step in ((noisy, 1), (np.repeat(noisy, 4, axis=1), 4)):
            said = [base64.b64encode(pixels.tobytes()).decode(), pixels.shape[1], step, side]
            assert page.evaluate(_READ, said) == [stamp.id, stamp.time_us]
        luma[side : 2 * side, :side] = 251 - luma[side : 2 * side, :side]  # the first bit, so that the CRC is wrong
        said = [base64.b64encode(luma.tobytes()).decode(), luma.shape[1], 1, side]
        assert page.evaluate(_READ, said) is None
    page.close()


def rows_of(path: Path) -> Sequence[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_glass_to_glass_is_measured_with_both_servers(livefuse: Run, tmp_path: Path) -> None:
    chromium()
    asked = ("--size", "640x480", "--fps", "15", "--seconds", "4", "--warm-up", "1", "--codec", "h264")
    written = ("--csv", "rows.csv", "--plot", "plot.png")
    done = livefuse("bench", "webrtc", *asked, "--shipped", "--json", *written, *NO_MODELS)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert [one["server"] for one in record["results"]] == ["livefuse", "shipped"]
    assert record["ratio"] > 0
    for one in record["results"]:
        found, parts = one["figures"], {part["name"]: part["ms"] for part in one["waterfall"]["parts"]}
        assert one["codec"] == "H264"
        assert found["counts"]["shown"] >= 10
        assert found["counts"]["unreadable"] <= 3
        assert 0 < found["to_arrival"]["p50"] <= found["to_compositor"]["p50"] <= found["glass"]["p50"]
        assert parts["swap"] > 0
        assert parts["decode"] > 0
        assert sum(parts.values()) == pytest.approx(one["waterfall"]["glass_ms"], abs=0.1)
        assert one["session"]["frames"]["verdicts"]["swapped"] > 10
    rows = rows_of(tmp_path / "rows.csv")
    assert tuple(rows[0]) == COLUMNS
    assert all(int(row["shown_ns"]) > int(row["captured_ns"]) for row in rows if row["id"])
    # each row's blocks and its browser's times are of the same frame: RTP's clock runs as the camera's numbers do
    stamped = [(int(row["id"]), int(row["rtp"])) for row in rows if row["id"]]
    steps = [((b - a) % 2**32 / 90_000, j - i) for (i, a), (j, b) in pairwise(stamped)]
    assert all(rtp_s >= 0.99 * frames / 15 for rtp_s, frames in steps)
    assert (tmp_path / "rows-shipped.csv").is_file()
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_a_session_that_cannot_run_is_told_at_once(livefuse: Run) -> None:
    chromium()
    done = livefuse("bench", "webrtc", "--size", "320x240", "--set", "detect.model=known", "--set", "align.model=none")
    assert done.returncode == 1
    assert "the session under measurement failed" in done.stderr
    assert "align.model" in done.stderr
