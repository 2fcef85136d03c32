from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from livefuse.errors import EmptySource, NotMedia, SourceDenied, SourceError, SourceNotFound, UnsupportedPicture
from livefuse.frame import HostFrame, plane_shapes
from livefuse.source import open_source
from livefuse.source.decode import Decoder
from livefuse.source.media import MediaSource
from livefuse.source.planes import turn_from, turned
from tests.unit.source_clips import write_clip, write_sound


def read_all(path: Path | str) -> list[HostFrame]:
    source = open_source(str(path))
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    return frames


def reference(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def stacked(frame: HostFrame) -> np.ndarray[Any, Any]:
    """The planes in the layout of PyAV's to_ndarray."""
    if frame.format == "rgb24":
        return frame.planes[0]
    return np.concatenate([plane.reshape(-1, frame.width) for plane in frame.planes])


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "travels_as"),
    [
        ("a.mp4", "libx264", "yuv420p", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p", "yuv420p"),
        ("a.mkv", "rawvideo", "nv12", "nv12"),
        ("a.mov", "qtrle", "rgb24", "rgb24"),
        ("j.avi", "mjpeg", "yuvj420p", "yuv420p"),
    ],
)
def test_known_formats_travel_as_the_decoder_made_them(
    tmp_path: Path, name: str, codec: str, pixel_format: str, travels_as: str
) -> None:
    path = write_clip(tmp_path / name, codec, pixel_format)
    frames, expected = read_all(path), reference(path)
    assert len(frames) == len(expected) == 6
    for ours, theirs in zip(frames, expected, strict=True):
        assert ours.format == travels_as
        np.testing.assert_array_equal(stacked(ours), theirs.to_ndarray())
        assert tuple(p.shape for p in ours.planes) == plane_shapes(ours.format, ours.height, ours.width)


def test_planes_are_read_only_views_that_outlive_the_source(tmp_path: Path) -> None:
    source = MediaSource(write_clip(tmp_path / "a.mp4", size=(70, 50)))
    frame = source.read()
    assert frame is not None
    assert not any(plane.flags.owndata or plane.flags.writeable for plane in frame.planes)
    assert frame.planes[0].strides[0] > 70  # padded rows: nothing was copied
    before = [plane.copy() for plane in frame.planes]
    while source.read() is not None:
        pass
    source.close()
    for plane, was in zip(frame.planes, before, strict=True):
        np.testing.assert_array_equal(plane, was)


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "travels_as"),
    [
        ("a.mkv", "ffv1", "yuv422p10le", "yuv420p"),
        ("a.mkv", "rawvideo", "yuyv422", "yuv420p"),
        ("a.mkv", "ffv1", "gray", "yuv420p"),
        ("a.avi", "mjpeg", "yuvj422p", "yuv420p"),
        ("a.avi", "rawvideo", "bgr24", "rgb24"),
        ("a.mkv", "ffv1", "bgr0", "rgb24"),
        ("a.mov", "qtrle", "argb", "rgb24"),
    ],
)
def test_other_formats_are_converted_and_keep_their_picture(
    tmp_path: Path, name: str, codec: str, pixel_format: str, travels_as: str
) -> None:
    path = write_clip(tmp_path / name, codec, pixel_format)
    frame, theirs = read_all(path)[-1], reference(path)[-1]
    assert frame.format == travels_as
    expected = theirs.reformat(format=travels_as)
    np.testing.assert_array_equal(stacked(frame), expected.to_ndarray())


def test_yuvj422p_stays_full_range(tmp_path: Path) -> None:
    frame = read_all(write_clip(tmp_path / "a.avi", "mjpeg", "yuvj422p"))[0]
    assert frame.colour.full_range
    luma = reference(tmp_path / "a.avi")[0].planes[0]
    rows = np.frombuffer(memoryview(luma), np.uint8).reshape(luma.height, -1)[:, :64]
    np.testing.assert_array_equal(frame.planes[0], rows)


def test_a_palette_becomes_rgb(tmp_path: Path) -> None:
    frame = av.VideoFrame(32, 32, "pal8")
    indices = np.frombuffer(memoryview(frame.planes[0]), np.uint8)
    indices[:] = 3
    np.frombuffer(memoryview(frame.planes[1]), np.uint32)[3] = 0xFF102030
    with av.open(str(tmp_path / "a.gif"), "w") as output:
        stream: Any = output.add_stream("gif", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "pal8"
        for index in range(3):
            frame.pts = index
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    frames = read_all(tmp_path / "a.gif")
    assert len(frames) == 3
    assert frames[1].format == "rgb24"
    assert frames[1].planes[0][16, 16].tolist() == [0x10, 0x20, 0x30]


def tagged(stream: Any) -> None:
    context = stream.codec_context
    context.colorspace, context.color_primaries, context.color_trc, context.color_range = 9, 9, 16, 2


def test_colour_tags_come_through(tmp_path: Path) -> None:
    frame = read_all(write_clip(tmp_path / "a.mp4", setup=tagged))[0]
    colour = frame.colour
    assert (colour.matrix, colour.full_range) == ("bt2020", True)
    assert (colour.primaries_tag, colour.transfer_tag, colour.matrix_tag) == (9, 16, 9)


def test_untagged_video_is_bt601_at_any_size_as_for_ffmpeg(tmp_path: Path) -> None:
    colour = read_all(write_clip(tmp_path / "a.mp4", size=(1280, 720), ticks=range(1)))[0].colour
    assert (colour.matrix, colour.full_range, colour.matrix_tag) == ("bt601", False, 2)


def test_times_are_exact_at_ntsc_rate_and_variable_rate(tmp_path: Path) -> None:
    ntsc = write_clip(tmp_path / "a.mkv", "rawvideo", container="nut", time_base=Fraction(1001, 30000))
    assert [f.pts_ns for f in read_all(ntsc)] == [0, 33366667, 66733333, 100100000, 133466667, 166833333]
    uneven = write_clip(tmp_path / "b.mp4", ticks=[0, 1, 5, 6, 100], time_base=Fraction(1, 90000))
    assert [f.pts_ns for f in read_all(uneven)] == [0, 11111, 55556, 66667, 1111111]


def test_b_frames_come_in_display_order(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", ticks=range(20))
    pts = [frame.pts_ns for frame in read_all(path)]
    assert len(pts) == 20
    assert pts == sorted(set(pts))


def test_a_late_start_and_durations_are_kept(tmp_path: Path) -> None:
    frames = read_all(write_clip(tmp_path / "a.mkv", ticks=[15, 16, 18]))
    assert [frame.pts_ns for frame in frames] == [500_000_000, 533_000_000, 600_000_000]
    assert frames[0].duration_ns == 33_000_000


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_phone_videos_come_upright(tmp_path: Path, degrees: int) -> None:
    path = write_clip(tmp_path / "a.mp4", setup=lambda stream: stream.set_display_rotation(degrees))
    source = MediaSource(path)
    frame = source.read()
    stored = reference(path)[0].to_ndarray(format="rgb24")
    upright = np.rot90(stored, degrees // 90)
    assert frame is not None
    assert source.info.rotation == degrees
    assert (source.info.height, source.info.width) == (frame.height, frame.width) == upright.shape[:2]
    luma = np.rot90(reference(path)[0].to_ndarray()[:48], degrees // 90)
    np.testing.assert_array_equal(frame.planes[0], luma)
    assert tuple(p.shape for p in frame.planes) == plane_shapes("yuv420p", frame.height, frame.width)
    as_stored = MediaSource(path, upright=False).read()
    assert as_stored is not None
    assert (as_stored.width, as_stored.height) == (64, 48)


def test_mirrored_selfies_are_mirrored_back(tmp_path: Path) -> None:
    flipped = [-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30]
    path = write_clip(tmp_path / "a.mp4", setup=lambda stream: stream.set_display_matrix(flipped))
    frame = read_all(path)[0]
    np.testing.assert_array_equal(frame.planes[0], reference(path)[0].to_ndarray()[:48, ::-1])


@pytest.mark.parametrize("across", [(1, 0), (-1, 0), (0, 1), (0, -1)])
@pytest.mark.parametrize("handed", [1, -1])
def test_every_display_matrix(across: tuple[int, int], handed: int) -> None:
    """Against the definition: each pixel (p, q) lands at (a p + c q, b p + d q), shifted into the picture."""
    a, b = across
    c, d = -b * handed, a * handed
    stored = np.arange(12, dtype=np.uint8).reshape(3, 4)
    places = {(a * p + c * q, b * p + d * q): stored[q, p] for q in range(3) for p in range(4)}
    left, top = min(x for x, _ in places), min(y for _, y in places)
    expected = np.zeros((3, 4) if b == 0 else (4, 3), np.uint8)
    for (x, y), value in places.items():
        expected[y - top, x - left] = value
    one = 1 << 16
    turn = turn_from([a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30])
    np.testing.assert_array_equal(turned((stored,), turn)[0], expected)


def test_odd_sizes_round_chroma_up(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", "ffv1", size=(33, 17))
    frame = read_all(path)[0]
    assert [p.shape for p in frame.planes] == [(17, 33), (9, 17), (9, 17)]


def test_info(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", sound=True)
    info = open_source(str(path)).info
    assert (info.width, info.height, info.fps, info.frames) == (64, 48, Fraction(30), 6)
    assert (info.live, info.audio, info.codec, info.path) == (False, True, "h264", str(path))
    assert info.duration_ns == 200_000_000
    assert info.time_base is not None


def test_a_picture_that_changes_size_midway_is_scaled(tmp_path: Path) -> None:
    small = write_clip(tmp_path / "a.h264", container="h264")
    large = write_clip(tmp_path / "b.h264", container="h264", size=(96, 80))
    both = tmp_path / "c.h264"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    frames = read_all(both)
    assert len(frames) == 12
    assert {(f.width, f.height, f.planes[0].shape) for f in frames} == {(64, 48, (48, 64))}


def failure(path: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read_all(path)
    return caught.value


def test_what_is_not_there_and_what_is_near(tmp_path: Path) -> None:
    write_clip(tmp_path / "holiday.mp4")
    error = failure(tmp_path / "holidays.mp4")
    assert isinstance(error, SourceNotFound)
    assert "holiday.mp4?" in error.hint
    assert "does not exist either" in failure(tmp_path / "no" / "a.mp4").hint


def test_things_that_are_no_video(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("dear diary, today ...\n" * 400)
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(1).bytes(5000))
    for name, said in [("empty.mp4", "0 bytes"), ("text.mp4", "is text"), ("noise.mp4", "no video"), (".", "folder")]:
        error = failure(tmp_path / name)
        assert type(error) is NotMedia
        assert said in error.message
    assert type(failure(Path("/dev/null"))) is NotMedia


def test_sound_without_a_picture(tmp_path: Path) -> None:
    error = failure(write_sound(tmp_path / "a.m4a"))
    assert isinstance(error, NotMedia)
    assert "there is sound" in error.message


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(tmp_path / "a.mp4")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert isinstance(failure(path), SourceDenied)


def test_cut_off_before_its_index(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", ticks=range(40))
    path.write_bytes(path.read_bytes()[:-700])
    error = failure(path)
    assert isinstance(error, NotMedia)
    assert "cut off before its index" in error.message


def test_cut_off_in_the_middle_gives_what_there_is_and_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_clip(tmp_path / "a.mp4", ticks=range(60), options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    with caplog.at_level(logging.WARNING, "livefuse"):
        frames = read_all(path)
    assert 5 < len(frames) < 60
    assert f"breaks off after {len(frames)} pictures" in caplog.text


def test_a_trimmed_video_is_no_cut_off_video(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_clip(tmp_path / "a.mp4", ticks=range(-20, 10))  # an edit list leaves out what lies before 0
    with caplog.at_level(logging.WARNING, "livefuse"):
        frames = read_all(path)
    assert len(frames) == 10
    assert frames[0].pts_ns == 0
    assert not caplog.text


def test_a_damaged_packet_costs_a_picture_not_the_video(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_clip(tmp_path / "a.avi", "mjpeg", "yuvj420p", ticks=range(10))
    with av.open(str(path)) as container:
        third = list(container.demux(video=0))[3]
    data = bytearray(path.read_bytes())
    assert third.pos is not None
    data[third.pos : third.pos + third.size] = bytes(third.size)
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING, "livefuse"):
        assert len(read_all(path)) == 9
    assert "damaged picture" in caplog.text


def test_no_frames_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        output.start_encoding()
    assert isinstance(failure(path), EmptySource)


def test_sizes_out_of_reach(tmp_path: Path) -> None:
    tiny = failure(write_clip(tmp_path / "a.mkv", "ffv1", size=(64, 8)))
    wide = failure(write_clip(tmp_path / "b.mkv", "ffv1", size=(16400, 16), ticks=range(1)))
    assert isinstance(tiny, UnsupportedPicture)
    assert isinstance(wide, UnsupportedPicture)
    assert "16400x16" in wide.message


def test_closing_twice_and_reading_afterwards(tmp_path: Path) -> None:
    source = MediaSource(write_clip(tmp_path / "a.mp4"))
    source.close()
    source.close()
    assert source.read() is None


def test_a_failed_open_leaves_no_container_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(tmp_path / "a.mp4")

    def fail(*_: object) -> None:
        raise av.error.MemoryError(12, "Cannot allocate memory")

    monkeypatch.setattr(Decoder, "_decoded", fail)
    with pytest.raises(NotMedia, match="cannot be decoded"):
        MediaSource(path)


def test_real_clip(shared: Path) -> None:
    path = shared / "media" / "talking_head.mp4"
    frames = read_all(path)
    assert len(frames) == 216
    assert [f.pts_ns for f in frames] == [(2 * i * 10**9 + 30) // 60 for i in range(216)]
