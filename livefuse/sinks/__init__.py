"""Hop 7: where frames go. `open_sink(url)` is the door."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from livefuse.config import OutputConfig, RuntimeConfig
    from livefuse.sinks.base import Sink
    from livefuse.sinks.shared import Encoders
    from livefuse.sinks.url import SinkUrl


def open_sink(
    url: str,
    output: OutputConfig,
    runtime: RuntimeConfig | None = None,
    *,
    encoders: Encoders | None = None,
    camera: Callable[[str], Sink] | None = None,
) -> Sink:
    """The sink that a URL names, not opened yet: the session opens it on the sink's own thread.

    `null:`, a path or `file:PATH` (video by its suffix, or pictures), `rtmp://` `rtmps://` `rtsp://` `srt://` `udp://`,
    `vcam:`, `vcam:/dev/video10` or `pipewire:`; options follow as a query with FFmpeg's names and win over `output`.
    With `upscale=MODEL`, or `output.upscale`, frames are enlarged before they go there; `runtime` is what runs the model.
    Network sinks that are given the same `encoders` (one object per session) and have equal settings are encoded once.
    Virtual cameras are those of `camera`, else they live as long as the sink.
    Raises: BadValue, SinkUnwritable.
    """
    from livefuse.sinks.url import parse_sink_url

    target = parse_sink_url(url)
    model = target.options.get("upscale", output.upscale)
    kept = camera(url) if camera is not None and target.scheme in ("vcam", "pipewire") else None
    if not model:
        return kept or _plain_sink(target, output, encoders)
    sink = kept or _plain_sink(target, output, None)  # its frames are its own
    from livefuse.sinks.upscaled import UpscaledSink, Upscaling

    return UpscaledSink(sink, Upscaling(model), runtime)


def _plain_sink(target: SinkUrl, output: OutputConfig, encoders: Encoders | None) -> Sink:
    from livefuse.sinks.url import NETWORK_SCHEMES

    if target.scheme == "null":
        from livefuse.sinks.null import NullSink

        return NullSink.from_url(target)
    if target.scheme in ("vcam", "pipewire"):
        from livefuse.sinks.virtualcam import VirtualCameraSink

        return VirtualCameraSink.from_url(target)
    if target.scheme in NETWORK_SCHEMES:
        from livefuse.sinks.stream import StreamSink

        return StreamSink.from_url(target, output, encoders)
    if target.is_image:
        from livefuse.sinks.image import ImageSink

        return ImageSink.from_url(target)
    from livefuse.sinks.file import FileSink

    return FileSink.from_url(target, output)
