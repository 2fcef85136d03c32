"""A small still of a picture or video that livefuse has written."""

from __future__ import annotations

from pathlib import Path

from livefuse.errors import NotMedia

_SIDE_PX = 480
_QUALITY = 82
_INTO = 0.1  # the first pictures of a video are often black, or a title


def still_of(path: Path) -> bytes:
    """A JPEG, the longer side 480 px at most. Raises: NotMedia."""
    import av
    from av.error import FFmpegError

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise NotMedia(f"{path.name} has no pictures", hint="open it in a player")
            stream = container.streams.video[0]
            stream.codec_context.skip_frame = "NONKEY"
            if container.duration:
                container.seek(int(container.duration * _INTO))
            frame = next(container.decode(stream))
    except (FFmpegError, StopIteration) as error:
        raise NotMedia(f"{path.name} cannot be read: {error}", hint="open it in a player") from error
    return _jpeg(frame)


def _jpeg(frame: object) -> bytes:
    import cv2
    from av import VideoFrame

    assert isinstance(frame, VideoFrame)
    scale = min(1.0, _SIDE_PX / max(frame.width, frame.height))
    size = (max(2, round(frame.width * scale)), max(2, round(frame.height * scale)))
    picture = frame.reformat(width=size[0], height=size[1], format="bgr24").to_ndarray()
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1])
