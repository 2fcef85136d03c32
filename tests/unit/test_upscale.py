"""The upscaler around a network: what it shows the network, and what becomes of the answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import livefuse
from livefuse.engines import Engines
from livefuse.enhance.upscale.upscaler import Cutting, Upscaler
from livefuse.errors import BadValue, Interrupted, RecipeInvalid
from livefuse.paths import Paths
from livefuse.weights.recipe import load_recipe
from tests.synthetic_models import install
from tests.unit.upscalers import F32, Network, blurred, engine_of, nearest, noise, recipe_of, upscaler_of

U8 = npt.NDArray[np.uint8]
RADIUS = 3


def blurring(scale: int) -> Network:
    return lambda x: nearest(scale)(blurred(x, RADIUS))


def blurred_whole(rgb: U8, scale: int) -> U8:
    """The same, worked out on the whole picture continued by its mirror image."""
    planes: F32 = (rgb.astype(np.float32) / np.float32(255)).transpose(2, 0, 1)[None]
    mirrored: F32 = np.pad(planes, ((0, 0), (0, 0), (RADIUS, RADIUS), (RADIUS, RADIUS)), mode="reflect")
    larger = nearest(scale)(blurred(mirrored, RADIUS, valid=True))[0].transpose(1, 2, 0)
    return np.rint(np.clip(larger * 255, 0, 255)).astype(np.uint8)


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize(("height", "width"), [(150, 131), (70, 201), (33, 47), (4, 90), (160, 160)])
def test_with_overlap_enough_tiles_are_the_whole_picture_bit_for_bit(scale: int, height: int, width: int) -> None:
    rgb = noise(height, width)
    tiled = upscaler_of(blurring(scale), scale, Cutting(tile=48, overlap=RADIUS))
    out = tiled(rgb)
    assert out.shape == (height * scale, width * scale, 3)
    assert tiled.total == tiled.done > (1 if max(height, width) > 48 else 0)
    np.testing.assert_array_equal(out, blurred_whole(rgb, scale))


def test_with_less_overlap_than_the_network_sees_they_are_not() -> None:
    rgb = noise(150, 131)
    out = upscaler_of(blurring(2), 2, Cutting(tile=48, overlap=RADIUS - 1))(rgb)
    assert (out != blurred_whole(rgb, 2)).any()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 5), (2, 64)])
def test_a_picture_smaller_than_the_overlap_is_mirrored_as_often_as_need_be(height: int, width: int) -> None:
    rgb = noise(height, width)
    out = upscaler_of(nearest(2), 2, Cutting(tile=64, overlap=16))(rgb)
    np.testing.assert_array_equal(out, rgb.repeat(2, axis=0).repeat(2, axis=1))


def test_networks_that_take_blocks_of_pixels_see_the_same_blocks_in_every_tile() -> None:
    """As Real-ESRGAN x2 does: here every 2 x 2 px become their mean."""

    def blocks(x: F32) -> F32:
        n, _, h, w = x.shape
        assert h % 2 == w % 2 == 0
        return nearest(4)(x.reshape(n, 3, h // 2, 2, w // 2, 2).mean(axis=(3, 5)).astype(np.float32))

    rgb = noise(121, 175)
    whole = upscaler_of(blocks, 2, Cutting(tile=400, overlap=8))
    tiled = upscaler_of(blocks, 2, Cutting(tile=64, overlap=8))
    np.testing.assert_array_equal(tiled(rgb), whole(rgb))
    assert tiled.total > whole.total == 1


def test_all_tiles_have_one_size_and_as_many_run_at_once_as_asked_for() -> None:
    engine, rgb = engine_of(nearest(2)), noise(100, 150)
    batched = Upscaler(recipe_of(2), engine, Cutting(tile=64, overlap=8, batch=4))
    out = batched(rgb)
    shapes = {feed["input"].shape for feed in engine.fed}
    assert len(shapes) == 1
    assert next(iter(shapes))[0] == 4
    assert len(engine.fed) == -(-batched.total // 4)
    np.testing.assert_array_equal(out, rgb.repeat(2, axis=0).repeat(2, axis=1))


def test_a_network_of_fixed_size_gets_that_size() -> None:
    engine, rgb = engine_of(nearest(2), (1, 3, 64, 72)), noise(50, 200)
    out = Upscaler(recipe_of(2), engine, Cutting(batch=4))(rgb)
    assert {feed["input"].shape for feed in engine.fed} == {(1, 3, 64, 72)}
    np.testing.assert_array_equal(out, rgb.repeat(2, axis=0).repeat(2, axis=1))
    with pytest.raises(BadValue, match="tile = 128"):
        Upscaler(recipe_of(2), engine, Cutting(tile=128))


def test_values_are_rounded_and_cut_off_at_black_and_white() -> None:
    """Hand-worked: 0.5 / 255 more than v / 255 is v + 0.5, which goes to the even one; beyond 0..1 nothing wraps around."""
    levels = np.array([-80.0, -0.3, 0.4, 1.5, 2.5, 99.6, 254.4, 255.4, 600.0], np.float32) / 255

    def stripes(x: F32) -> F32:
        return np.broadcast_to(levels[np.arange(x.shape[3]) % 9], x.shape).astype(np.float32)

    out = upscaler_of(stripes, 1, Cutting(tile=64, overlap=0))(noise(8, 9))
    assert out[0, :, 0].tolist() == [0, 0, 0, 2, 2, 100, 254, 255, 255]


def test_a_recipe_s_result_is_put_into_its_range_and_order() -> None:
    """Here the network answers -1..1, blue first."""
    recipe = recipe_of(2)
    result = recipe.result.model_copy(update={"gain": 0.5, "offset": 0.5, "order": "bgr"})
    engine = engine_of(lambda x: nearest(2)(x * 2 - 1)[:, ::-1])
    rgb = noise(20, 30)
    out = Upscaler(recipe.model_copy(update={"result": result}), engine)(rgb)
    np.testing.assert_array_equal(out, rgb.repeat(2, axis=0).repeat(2, axis=1))


def seen_through(x: F32) -> F32:
    """Depends on where in the tile a pixel lies, and reaches beyond 0..1."""
    y = nearest(2)(blurred(x, 2))
    places = np.add.outer(np.arange(y.shape[2]), 3 * np.arange(y.shape[3])) % 7
    return (y * 1.2 - 0.1 + places / 500).astype(np.float32)


def facefusion(rgb: U8, tile: tuple[int, int, int], scale: int) -> U8:
    """FaceFusion's way, from its description: the picture on a black canvas that holds whole tiles, each tile run by itself,
    its values cut off to bytes, its rim cut off, and the rest laid edge to edge."""
    side, pad, rim = tile
    step = side - 2 * rim
    height, width = rgb.shape[:2]
    rows, cols = ((length + 2 * pad) // step + 1 for length in (height, width))
    canvas = np.zeros((rows * step + 2 * rim, cols * step + 2 * rim, 3), np.uint8)
    canvas[rim + pad : rim + pad + height, rim + pad : rim + pad + width] = rgb
    merged = np.zeros((rows * step * scale, cols * step * scale, 3), np.uint8)
    for i in range(rows):
        for j in range(cols):
            cut = canvas[i * step : i * step + side, j * step : j * step + side].astype(np.float32) / 255
            run = seen_through(np.ascontiguousarray(cut.transpose(2, 0, 1)[None]))[0].transpose(1, 2, 0)
            shown = (run * 255).clip(0, 255).astype(np.uint8)[rim * scale : -rim * scale, rim * scale : -rim * scale]
            y, x = i * step * scale, j * step * scale
            merged[y : y + step * scale, x : x + step * scale] = shown
    return merged[pad * scale : (pad + height) * scale, pad * scale : (pad + width) * scale]


@pytest.mark.parametrize(("height", "width"), [(150, 131), (40, 24), (17, 100), (104, 64)])
@pytest.mark.parametrize("tile", [(48, 8, 4), (64, 16, 8), (32, 0, 2)])
def test_facefusion_s_picture_to_the_bit(tile: tuple[int, int, int], height: int, width: int) -> None:
    rgb = noise(height, width)
    ours = upscaler_of(seen_through, 2, Cutting(tiling="facefusion"), tile=tile)(rgb)
    np.testing.assert_array_equal(ours, facefusion(rgb, tile, 2))


def test_facefusion_s_tiles_need_to_be_known() -> None:
    with pytest.raises(BadValue, match="states no tiles"):
        upscaler_of(nearest(2), 2, Cutting(tiling="facefusion"))


def test_a_network_of_another_scale_is_found_out() -> None:
    with pytest.raises(RecipeInvalid, match="its recipe says"):
        upscaler_of(nearest(4), 2, Cutting(tile=64))(noise(30, 40))


@pytest.mark.parametrize("cutting", [Cutting(tile=40), Cutting(tile=64, overlap=30), Cutting(overlap=-1)])
def test_tiles_too_small_for_their_overlap_are_refused_at_once(cutting: Cutting) -> None:
    with pytest.raises(BadValue):
        upscaler_of(nearest(2), 2, cutting)


def test_what_is_called_between_tiles_may_stop_the_picture() -> None:
    calls = []

    def stop() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise Interrupted("enough")

    upscaler = Upscaler(recipe_of(2), engine_of(nearest(2)), Cutting(tile=64, overlap=8), between=stop)
    with pytest.raises(Interrupted):
        upscaler(noise(200, 200))
    assert 0 < upscaler.done < upscaler.total


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    install(Paths.default({"LIVEFUSE_HOME": str(folder)}), "real_esrgan_x2")
    return folder


def test_a_picture_from_python(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Synthesized, Real-ESRGAN enlarges and blurs a little: the picture must be there, twice as large."""
    monkeypatch.setenv("LIVEFUSE_HOME", str(home))
    y, x = np.mgrid[:61, :83].astype(np.float32)
    rgb = np.stack([120 + 90 * np.sin(x / 9), 120 + 90 * np.cos(y / 7), 2 * x + y], axis=2).astype(np.uint8)
    out = livefuse.upscale_image(rgb, "real_esrgan_x2", tile=72, overlap=16)
    assert out.shape == (122, 166, 3)
    assert np.abs(out[::2, ::2].astype(int) - rgb).mean() < 12
    room = np.empty_like(out)
    assert livefuse.upscale_image(rgb, "real_esrgan_x2", out=room) is room
    assert np.abs(room.astype(int) - out).max() <= 1, "tiled or whole"


def test_mistakes_of_a_caller_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engines, "load", lambda *_: engine_of(nearest(2)))
    with pytest.raises(BadValue, match="is a detector"):
        livefuse.upscale_image(noise(20, 20), "yunet")
    with pytest.raises(BadValue, match="shape"):
        livefuse.upscale_image(noise(20, 20)[..., 0], "real_esrgan_x2")
    with pytest.raises(BadValue, match="room"):
        livefuse.upscale_image(noise(20, 20), "real_esrgan_x2", out=noise(20, 20))
    with pytest.raises(BadValue, match="a tile of 20 px"):
        livefuse.upscale_image(noise(20, 20), "real_esrgan_x2", tile=20)


def test_recipes_of_upscalers_state_tiles_that_work() -> None:
    for name in ("real_esrgan_x2", "real_esrgan_x4", "real_esrgan_general_x4v3", "span_kendata_x4", "ultra_sharp_x4"):
        recipe = load_recipe(name)
        assert recipe.kind == "upscaler"
        assert recipe.scale
        for tiling in ("livefuse", "facefusion"):
            upscaler = Upscaler(recipe, engine_of(nearest(recipe.scale)), Cutting(tiling=tiling))
            assert upscaler(noise(10, 12)).shape == (10 * recipe.scale, 12 * recipe.scale, 3)
