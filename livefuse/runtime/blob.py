"""From a picture to a network's input: 256 possible values per channel, so normalising is one table look-up each."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.errors import EngineFailed
from livefuse.frame import U8
from livefuse.weights.recipe import Normalisation

Layout = Literal["nchw", "nhwc"]


class Blob:
    """Fills network inputs by a recipe's normalisation, channel order and layout; keeps no state, so threads may share it.

    Without a normalisation pixels go in as they are, 0..255, red first.
    """

    def __init__(self, normalisation: Normalisation | None, layout: Layout = "nchw") -> None:
        known = normalisation or Normalisation(order="rgb")
        gain, offset = (np.array(part) for part in known.affine())
        self._values = np.arange(256)[None] * gain[:, None] + offset[:, None]
        self._channels = (0, 1, 2) if known.order == "rgb" else (2, 1, 0)
        self._layout = layout
        self._plain = bool((gain == 1).all() and (offset == 0).all())
        self._tables: dict[np.dtype[Any], npt.NDArray[Any]] = {}
        self._table(np.dtype(np.float32))

    def shape(self, height: int, width: int) -> tuple[int, int, int]:
        """What one picture's input is shaped like."""
        return (3, height, width) if self._layout == "nchw" else (height, width, 3)

    def fill(self, rgb: U8, out: npt.NDArray[Any]) -> None:
        """Write one picture's input. Shapes: rgb (h, w, 3) -> out (3, h, w), or (h, w, 3) where the layout is nhwc; float32
        or float16, C-contiguous."""
        if (
            out.shape != self.shape(*rgb.shape[:2]) or not out.flags.c_contiguous
        ):  # OpenCV would write elsewhere, silently
            raise EngineFailed(f"the input is {out.shape} {self._layout}, the picture {rgb.shape}")
        table = self._table(out.dtype)
        if self._layout == "nhwc":
            ordered = rgb if self._channels[0] == 0 else cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
            cv2.LUT(ordered, table, dst=out)
            return
        for plane, channel in enumerate(self._channels):
            if self._plain:
                np.copyto(out[plane], cv2.extractChannel(rgb, channel), casting="unsafe")
            else:
                cv2.LUT(cv2.extractChannel(rgb, channel), table[plane], dst=out[plane])

    def _table(self, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """Shapes: (3, 256) in the input's channel order; (1, 256, 3) for nhwc, as OpenCV wants it."""
        table = self._tables.get(dtype)
        if table is None:
            values = self._values if self._layout == "nchw" else self._values.T[None]
            table = self._tables[dtype] = np.ascontiguousarray(values.astype(dtype))
        return table
