"""Identities from real photos and videos, seen with the real models."""

from __future__ import annotations

import shutil
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from livefuse.config import Config, IdentityConfig
from livefuse.errors import EmptySource, IdentityError, NoFace, NotMedia, SeveralFaces, SourceForbidden
from livefuse.frame import U8
from livefuse.photos import photo_embedder, photo_finder
from livefuse.source.image import read_image
from livefuse.source.synthetic.portrait import draw_portrait
from livefuse.swap.identity import Embed, FaceFinder, Shot, load_identity, video
from livefuse.swap.identity.gather import gather
from livefuse.swap.identity.quality import BLURRED, quality_of
from livefuse.swap.identity.sampling import sampled_frames
from livefuse.swap.identity.video import SHOTS
from tests.unit.identity_sources import SELF, SquareFinder


@pytest.fixture(scope="module")
def eyes(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[FaceFinder, Embed]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIVEFUSE_HOME", str(home))
        patch.setenv("LIVEFUSE_MODEL_MIRROR", str(shared / "models"))
        find, embed = photo_finder(Config()), photo_embedder(Config())
        portrait, _ = draw_portrait(1, 256)
        box, points, landmarks = find(portrait)[0]
        assert box.shape == (4,)
        embed([Shot(portrait, landmarks, points, "", "", quality_of(portrait, points, 100))])
    return find, embed


@pytest.fixture(scope="module")
def talker(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four photos of one person: other light, a turned camera, half the size."""
    folder = tmp_path_factory.mktemp("talker")
    with av.open(str(shared / "media" / "talking_head.mp4")) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    turned = cv2.warpAffine(frames[120], cv2.getRotationMatrix2D((240, 240), 12, 1), (480, 480))
    small = cv2.resize(frames[200], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    dark = np.clip(frames[70] * 0.6, 0, 255).astype(np.uint8)
    paths = [folder / name for name in ("1.png", "2.jpg", "3.webp", "4.bmp")]
    for path, image in zip(paths, (frames[10], dark, turned, small), strict=True):
        cv2.imwrite(str(path), image)
    return paths


def test_a_stranger_among_photos_of_one_person(
    eyes: tuple[FaceFinder, Embed], talker: list[Path], shared: Path
) -> None:
    found = gather([*map(str, talker[:2]), str(shared / "media" / "mona_lisa.jpg"), *map(str, talker[2:])], SELF, *eyes)
    assert len(found.taken) == 5
    assert found.outliers == {2}
    assert [one.shot.source for one in found.used()] == ["1.png", "2.jpg", "3.webp", "4.bmp"]


def test_different_people_are_all_named(eyes: tuple[FaceFinder, Embed], shared: Path) -> None:
    media = shared / "media"
    found = gather([str(media / "mona_lisa.jpg"), str(media / "astronaut.png")], SELF, *eyes)
    assert found.disagreeing
    assert len(found.used()) == 2


def test_a_drawing_among_photos_is_a_stranger(eyes: tuple[FaceFinder, Embed], talker: list[Path]) -> None:
    assert gather([*map(str, talker[:2]), "synthetic:7"], SELF, *eyes).outliers == {2}


def test_a_stranger_is_warned_of(
    eyes: tuple[FaceFinder, Embed], talker: list[Path], shared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in (*talker[:3], shared / "media" / "mona_lisa.jpg"):
        shutil.copy(path, folder)
    (folder / "plain.png").write_bytes(cv2.imencode(".png", np.full((90, 90, 3), 80, np.uint8))[1].tobytes())
    loaded = load_identity(SELF.model_copy(update={"photo": str(folder)}), eyes[0], tmp_path / "ids", eyes[1])
    assert [shot.source for shot in loaded.shots] == ["1.png", "2.jpg", "3.webp"]
    assert "mona_lisa.jpg" in caplog.text
    assert "plain.png was left out: no face found" in caplog.text
    assert len(list((tmp_path / "ids").rglob("consent.json"))) == 3, "a stranger's photo is not kept"


def test_a_video_gives_the_best_shots(
    eyes: tuple[FaceFinder, Embed], shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video, "SAMPLES", 16)
    found = gather([str(shared / "media" / "talking_head.mp4")], SELF, *eyes)
    shots = [one.shot for one in found.taken]
    assert len(shots) == SHOTS
    assert not found.outliers
    times = [shot.time_s or 0.0 for shot in shots]
    assert times == sorted(set(times))
    assert 0 <= times[0] < times[-1] < 7.2
    assert min(shot.quality.score for shot in shots) > 0.7
    png = cv2.imdecode(np.frombuffer(found.taken[0].content(), np.uint8), cv2.IMREAD_COLOR)
    assert png is not None
    assert png.shape[0] <= 480
    assert shots[0].title == f"talking_head.mp4 at {times[0]:.2f} s"


def test_one_person_is_taken_of_two_in_a_video(
    eyes: tuple[FaceFinder, Embed], talker: list[Path], tmp_path: Path
) -> None:
    """The talker is there all the time, somebody smaller beside them in half of it."""
    base = cv2.cvtColor(read_image(talker[0]), cv2.COLOR_RGB2BGR)
    other = cv2.cvtColor(draw_portrait(1, 300)[0], cv2.COLOR_RGB2BGR)
    frames = []
    for i in range(8):
        frame = np.full((480, 800, 3), 120, np.uint8)
        frame[:, :480] = base
        if i % 2:
            frame[90:390, 490:790] = other
        frames.append(frame[..., ::-1])
    found = gather([str(clip(tmp_path / "two.mp4", frames))], SELF, *eyes)
    assert len(found.taken) == 8
    person = eyes[1]([gather([str(talker[0])], SELF, *eyes).taken[0].shot])
    assert (eyes[1]([one.shot for one in found.taken]) @ person.T).min() > 0.8


def test_two_people_for_equally_long_ask_who_is_meant(
    eyes: tuple[FaceFinder, Embed], talker: list[Path], tmp_path: Path
) -> None:
    one = cv2.resize(read_image(talker[0]), (400, 400))
    other = draw_portrait(1, 400)[0]
    frames = [one] * 3 + [other] * 3
    path = str(clip(tmp_path / "both.mp4", frames))
    with pytest.raises(SeveralFaces, match="several people"):
        gather([path], SELF, *eyes)


def clip(path: Path, frames: list[U8], *, rate: int = 10, gop: int = 12) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "14", "g": str(gop)}
        for rgb in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def numbered(count: int) -> list[U8]:
    """Frames whose brightness is their number."""
    return [np.full((64, 64, 3), 20 + i * 200 // count, np.uint8) for i in range(count)]


def numbers(path: Path, count: int, **limits: int) -> list[int]:
    """Which frames were sampled, by their brightness and checked against their times."""
    found = []
    for frame in sampled_frames(path, **limits):
        number = round(frame.pts_ns * 10 / 1e9)
        rgb = cv2.cvtColor(
            np.vstack([frame.planes[0], *(p.reshape(-1, 64) for p in frame.planes[1:])]), cv2.COLOR_YUV2RGB_I420
        )
        assert rgb.mean() == pytest.approx(20 + number * 200 // count, abs=4), "time and picture belong together"
        found.append(number)
    return found


def test_samples_are_evenly_spread(tmp_path: Path) -> None:
    path = clip(tmp_path / "long.mp4", numbered(200))
    found = numbers(path, 200, samples=10)
    assert found == [10 + 20 * i for i in range(10)]


def test_a_short_video_gives_each_frame_once(tmp_path: Path) -> None:
    path = clip(tmp_path / "short.mp4", numbered(6))
    assert numbers(path, 6, samples=48) == [0, 1, 2, 3, 4, 5]


def test_a_long_video_is_sought_in(tmp_path: Path) -> None:
    """Five frames may be decoded before each sample; keyframes come every 12."""
    path = clip(tmp_path / "long.mp4", numbered(200))
    found = numbers(path, 200, samples=8, decoded_pixels=5 * 8 * 64 * 64)
    assert len(found) == 8
    assert all(b - a > 12 for a, b in pairwise(found)), "spread over the whole"
    assert found[-1] > 170


def test_a_video_without_keyframes_stays_in_its_budget(tmp_path: Path) -> None:
    path = clip(tmp_path / "one_key.mp4", numbered(200), gop=1000)
    found = numbers(path, 200, samples=8, decoded_pixels=5 * 8 * 64 * 64)
    assert found == sorted(set(found))
    assert 1 <= len(found) <= 8
    assert found[-1] <= 40, "no more than was paid for"


def test_a_video_without_a_face(tmp_path: Path) -> None:
    path = clip(tmp_path / "empty.mp4", numbered(6))

    def blind(rgb: U8) -> list[object]:
        return []

    with pytest.raises(NoFace, match=r"empty\.mp4"):
        gather([str(path)], SELF, blind, None)  # type: ignore[arg-type]


def test_without_a_recogniser_the_main_face_of_each_frame(tmp_path: Path) -> None:
    frames = []
    for i in range(8):
        frame = np.zeros((300, 500, 3), np.uint8)
        frame[80:200, 100 + i : 220 + i] = 160 + 10 * i
        frame[20:70, 400:450] = 160 + 10 * i
        frames.append(frame)
    found = gather([str(clip(tmp_path / "squares.mp4", frames))], SELF, SquareFinder(), None)
    assert len(found.taken) == 8
    assert {round(one.shot.quality.face_px, -1) for one in found.taken} == {120}
    second = gather([str(tmp_path / "squares.mp4")], SELF.model_copy(update={"face": 1}), SquareFinder(), None)
    assert {round(one.shot.quality.face_px, -1) for one in second.taken} == {50}


def test_hostile_videos_are_refused(tmp_path: Path) -> None:
    script = tmp_path / "evil.mp4"
    script.write_text("ffconcat version 1.0\nfile /etc/passwd\n")
    with pytest.raises(SourceForbidden):
        gather([str(script)], SELF, SquareFinder(), None)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip(tmp_path / "whole.mp4", numbered(20)).read_bytes()[:300])
    with pytest.raises((NotMedia, EmptySource)):
        gather([str(cut)], SELF, SquareFinder(), None)


@pytest.mark.parametrize("word", ["/dev/null", "/dev/zero"])
def test_devices_are_no_photos(word: str, tmp_path: Path) -> None:
    if not Path(word).exists():
        pytest.skip("no such device here")
    with pytest.raises((NotMedia, IdentityError)):
        load_identity(IdentityConfig(photo=word, consent="self"), SquareFinder(), tmp_path)


def test_quality_orders_as_people_would(eyes: tuple[FaceFinder, Embed], shared: Path) -> None:
    def quality(image: U8) -> tuple[float, float, float]:
        box, points, _ = max(eyes[0](image), key=lambda face: float(face[0][3] - face[0][1]))
        found = quality_of(image, points, float(box[3] - box[1]))
        return found.sharpness, found.frontal, found.light

    photo = read_image(shared / "media" / "mona_lisa.jpg")
    sharp, soft = quality(photo), quality(np.asarray(cv2.GaussianBlur(photo, (0, 0), 6), np.uint8))
    assert sharp[0] > 0.8
    assert soft[0] < BLURRED
    dark = quality(np.asarray(photo // 6, np.uint8))
    assert dark[2] < 0.3 < sharp[2]
    turned = quality(read_image(shared / "media" / "pearl_earring.jpg"))
    assert turned[1] < 0.5 < sharp[1]
    large = quality(np.asarray(cv2.resize(photo, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC), np.uint8))
    assert large[0] == pytest.approx(sharp[0], abs=0.15), "size alone does not blur"
