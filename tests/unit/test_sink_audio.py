"""Sound is carried over bit for bit, with what the file says about itself."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from livefuse.config import OutputConfig
from livefuse.errors import NotMedia, SourceNotFound
from livefuse.sinks.file import FileSink
from livefuse.source import open_source
from tests.unit.sink_clips import clip_with_sound, info_of, moving, sounds, stamps, steady

FAST = OutputConfig(preset="ultrafast")


def rewrite(source: Path, out: Path, frames: int = 30, audio_until_ns: int | None = None) -> FileSink:
    info = info_of()
    sink = FileSink(out, FAST, audio_from=source, audio_until_ns=audio_until_ns)
    sink.open(info)
    for frame in moving(info, steady(frames)):
        sink.write(frame)
    sink.close()
    return sink


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_packets_and_their_times_are_the_same(tmp_path: Path, suffix: str) -> None:
    source = clip_with_sound(tmp_path / "in.mp4", tracks=2)
    sink = rewrite(source, tmp_path / f"out{suffix}")
    assert sink.notes == []
    for track in (0, 1):
        assert len(sounds(source, track)) > 40
        assert sounds(tmp_path / f"out{suffix}", track) == sounds(source, track)


def test_matroska_keeps_the_bytes_and_the_distance_to_the_picture(tmp_path: Path) -> None:
    """Its clock has milliseconds and no negative times: everything moves together."""
    source = clip_with_sound(tmp_path / "in.mp4")
    rewrite(source, tmp_path / "out.mkv")
    before, after = sounds(source), sounds(tmp_path / "out.mkv")
    assert [s.data for s in after] == [s.data for s in before]
    lead = Fraction(before[0].pts or 0, 48_000) - stamps(source)[0]
    assert abs(Fraction(after[0].pts or 0, 1000) - stamps(tmp_path / "out.mkv")[0] - lead) <= Fraction(1, 1000)


def test_sound_and_picture_are_interleaved(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    rewrite(clip_with_sound(tmp_path / "in.mp4", frames=90), out, frames=90)
    with av.open(str(out)) as container:
        places = [(p.stream.type, p.pos) for p in container.demux() if p.size]
    first_sound = min(pos or 0 for kind, pos in places if kind == "audio")
    last_picture = max(pos or 0 for kind, pos in places if kind == "video")
    assert first_sound < last_picture


def test_tags_languages_and_chapters_come_along_and_rotation_does_not(tmp_path: Path) -> None:
    source = clip_with_sound(tmp_path / "in.mp4", tracks=2)
    out = tmp_path / "out.mp4"
    rewrite(source, out)
    with av.open(str(out)) as container:
        assert container.metadata["title"] == "A film"
        assert container.metadata["comment"].startswith("synthetic media made with livefuse")
        assert [s.metadata["language"] for s in container.streams.audio] == ["eng", "deu"]
        assert [c["metadata"]["title"] for c in container.chapters()] == ["One", "Two"]
        assert next(container.decode(video=0)).rotation == 0


def test_a_codec_the_container_cannot_hold_is_encoded_and_said(tmp_path: Path) -> None:
    source = clip_with_sound(tmp_path / "in.mkv", codec="pcm_s16le")
    sink = rewrite(source, tmp_path / "out.webm")
    assert any("webm cannot hold pcm_s16le" in note for note in sink.notes)
    with av.open(str(tmp_path / "out.webm")) as container:
        assert container.streams.audio[0].codec_context.name in ("opus", "libopus")
        heard = sum(f.samples for f in container.decode(audio=0)) / 48_000
    assert heard == pytest.approx(1.0, abs=0.05)


def test_aac_is_the_fallback_for_video_files(tmp_path: Path) -> None:
    """FLV lists PCM, and turns 48 kHz down only when its header is written."""
    source = clip_with_sound(tmp_path / "in.mkv", codec="pcm_s16le")
    sink = rewrite(source, tmp_path / "out.flv")
    assert any("flv cannot hold pcm_s16le, encoded to aac" in note for note in sink.notes)
    with av.open(str(tmp_path / "out.flv")) as container:
        assert sum(f.samples for f in container.decode(audio=0)) / 48_000 == pytest.approx(1.0, abs=0.05)


def test_the_sound_can_end_with_a_shortened_picture(tmp_path: Path) -> None:
    source = clip_with_sound(tmp_path / "in.mp4", frames=60)
    rewrite(source, tmp_path / "out.mp4", frames=15, audio_until_ns=500_000_000)
    kept = sounds(tmp_path / "out.mp4")
    assert kept == sounds(source)[: len(kept)]
    assert abs(len(kept) * 1024 / 48_000 - 0.5) < 0.05


def test_a_late_picture_keeps_its_distance(tmp_path: Path) -> None:
    """The picture begins half a second after the sound; the source says so in its times."""
    path = clip_with_sound(tmp_path / "in.mp4", start=15)
    source = open_source(str(path))
    info = info_of()
    sink = FileSink.for_source(tmp_path / "out.mp4", FAST, source.info)
    sink.open(info)
    while (frame := source.read()) is not None:
        sink.write(frame)
    sink.close()
    source.close()
    assert stamps(tmp_path / "out.mp4") == stamps(path)
    assert stamps(path)[0] == Fraction(1, 2)
    assert sounds(tmp_path / "out.mp4") == sounds(path)


def test_a_source_that_is_gone_or_no_film(tmp_path: Path) -> None:
    (tmp_path / "in.mp4").write_bytes(b"\0\1\2\3" * 100)
    for name, error in (("in.mp4", NotMedia), ("other.mp4", SourceNotFound)):
        with pytest.raises(error):
            FileSink(tmp_path / "out.mp4", FAST, audio_from=tmp_path / name).open(info_of())
    assert [entry.name for entry in tmp_path.iterdir()] == ["in.mp4"]


def test_real_clip(tmp_path: Path, shared: Path) -> None:
    path = shared / "media" / "talking_head.mp4"
    source = open_source(str(path))
    info = info_of(source.info.width, source.info.height, source.info.format, source.info.colour, source.info.fps)
    sink = FileSink.for_source(tmp_path / "out.mp4", FAST, source.info)
    sink.open(info)
    while (frame := source.read()) is not None:
        sink.write(frame)
    sink.close()
    source.close()
    assert sink.notes == []
    assert stamps(tmp_path / "out.mp4") == stamps(path)
    assert len(stamps(path)) == 216
    assert sounds(tmp_path / "out.mp4") == sounds(path)
