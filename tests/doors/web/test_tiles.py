"""Tiles: their pixels are the scene's physical values under the stated stretch, at every level, on every grid."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swath.doors.web.layers import Raster
from swath.doors.web.picture import scene_pixels, tile_of, window, window_of
from swath.doors.web.session import Session, start
from swath.report import draw

SIDE = 700, 900


def write(path: Path, values: np.ndarray, overviews: bool = True, **more: Any) -> Path:
    """A GeoTIFF of (B, H, W), in blocks of 128, UTM, 10 m."""
    import rasterio
    from rasterio.enums import Resampling
    from rasterio.transform import from_origin

    b, h, w = values.shape
    profile: dict[str, Any] = {"driver": "GTiff", "count": b, "height": h, "width": w, "dtype": values.dtype.name}
    profile |= {"crs": "EPSG:32632", "transform": from_origin(500_000, 5_200_000, 10, 10), "tiled": True}
    tags = more.pop("band_tags", [{}] * b)
    names = more.pop("names", [f"b{i}" for i in range(b)])
    scale = more.pop("scale", None)
    with rasterio.open(path, "w", blockxsize=128, blockysize=128, **{**profile, **more}) as out:
        out.write(values)
        for i, (name, tag) in enumerate(zip(names, tags, strict=True), 1):
            out.set_band_description(i, name)
            out.update_tags(i, **tag)
        if scale is not None:
            out.scales = (scale,) * b
        if overviews:
            out.build_overviews([2, 4], Resampling.nearest)
    return path


@pytest.fixture
def numbers() -> np.ndarray:
    draws = np.random.default_rng(0)
    ground = draws.integers(200, 4000, (3, *SIDE)).astype(np.uint16)
    ground[:, :40, :60] = 0
    return ground


@pytest.fixture
def session(tmp_path: Path) -> Session:
    made = start([tmp_path], tmp_path / "out")
    made.layers.scenes = made.scenes
    return made


def opened(session: Session, path: Path, **options: Any) -> Any:
    return session.scenes.open([path], options, trusted=True)


def pixels(session: Session, key: str, z: int, x: int, y: int, **asked: str) -> np.ndarray:
    """(256, 256, 4) of a tile."""
    from PIL import Image

    made = tile_of(session.layers, key, z, x, y, asked)
    assert made is not None
    return np.asarray(Image.open(io.BytesIO(made[0])).convert("RGBA"))


def exact(session: Session, scene: Any, z: int, x: int, y: int, **asked: str) -> np.ndarray:
    """The same before it is encoded with loss."""
    planes = session.layers.planes(scene.id)
    part = window_of(planes.view.shape, planes.view.levels, z, x, y)
    assert part is not None
    found = scene_pixels(scene, planes, part, asked)
    assert found is not None
    return found


def byte(values: np.ndarray, lo: float, hi: float) -> np.ndarray:
    """What the stretch says by itself."""
    with np.errstate(invalid="ignore"):
        return np.floor(np.clip((values.astype(np.float64) - lo) / (hi - lo) * 255, 0, 255) + 0.5)


def test_a_pixel_has_the_colour_of_its_physical_value(session: Session, tmp_path: Path, numbers: np.ndarray) -> None:
    import swath

    path = write(tmp_path / "scene.tif", numbers, nodata=0, scale=0.0001)
    scene = opened(session, path)
    cube = swath.open(path)
    assert scene.view.levels == 2
    for x, y in ((0, 0), (1, 2), (3, 2)):
        found = exact(session, scene, 2, x, y, bands="b2,b1,b0", lo="0.02", hi="0.4")
        high, wide = min(256, SIDE[0] - y * 256), min(256, SIDE[1] - x * 256)
        part = cube.isel(y=slice(y * 256, y * 256 + high), x=slice(x * 256, x * 256 + wide)).values.squeeze()
        wanted = np.moveaxis(byte(part[::-1], 0.02, 0.4), 0, -1)
        seen = np.isfinite(part).all(axis=0)
        assert np.abs(found[:high, :wide, :3][seen].astype(int) - wanted[seen]).max() <= 1
        if found.shape[2] == 4:
            assert np.array_equal(found[:high, :wide, 3] == 255, seen)
            assert not found[high:, :, 3].any()
    assert exact(session, scene, 2, 1, 1, bands="b2,b1,b0").shape == (256, 256, 3)


@pytest.mark.parametrize("overviews", [True, False])
def test_guarded_files_have_the_same_tiles(
    session: Session, tmp_path: Path, numbers: np.ndarray, overviews: bool
) -> None:
    """A file that is read in a child process with limits."""
    path = write(tmp_path / "scene.tif", numbers, overviews, nodata=0)
    plain = opened(session, path)
    found = [exact(session, plain, z, 0, 0, show="band-1") for z in range(3)]
    guarded = start([tmp_path], tmp_path / "other")
    guarded.layers.scenes = guarded.scenes
    scene = guarded.scenes.open([path], {}, trusted=False)
    assert "Guarded" in repr(guarded.layers.planes(scene.id).values)
    for z, wanted in enumerate(found):
        assert np.array_equal(exact(guarded, scene, z, 0, 0, show="band-1"), wanted)


@pytest.mark.parametrize("overviews", [True, False])
def test_levels_above_show_pixels_of_the_middle(
    session: Session, tmp_path: Path, numbers: np.ndarray, overviews: bool
) -> None:
    numbers[:] = np.arange(SIDE[1], dtype=np.uint16)[None, None] + 200
    scene = opened(session, write(tmp_path / "scene.tif", numbers, overviews))
    found = exact(session, scene, 0, 0, 0, show="band-0", lo="0", hi="1275")[: SIDE[0] // 4, : SIDE[1] // 4, 0]
    wanted = byte(np.arange(SIDE[1] // 4) * 4 + 202, 0, 1275)
    assert np.abs(found.astype(int) - wanted).max() <= 1


def test_levels_beyond_the_last_repeat_pixels(session: Session, tmp_path: Path, numbers: np.ndarray) -> None:
    scene = opened(session, write(tmp_path / "scene.tif", numbers))
    own = exact(session, scene, 2, 1, 1, show="band-0")
    near = exact(session, scene, 5, 9, 9, show="band-0")
    assert np.array_equal(near[::8, ::8], own[32:64, 32:64])
    assert np.array_equal(near[7::8, 7::8], own[32:64, 32:64])


def test_nothing_is_drawn_outside_the_scene_or_where_all_is_missing(session: Session, tmp_path: Path) -> None:
    values = np.full((1, 600, 600), 7, np.uint8)
    values[:, :256, :256] = 255
    scene = opened(session, write(tmp_path / "scene.tif", values, nodata=255))
    assert not pixels(session, scene.id, 2, 0, 0).any()
    assert tile_of(session.layers, scene.id, 2, 3, 0, {}) is None
    assert tile_of(session.layers, scene.id, 2, 1, 1, {}) is not None


def test_an_index_is_computed_from_physical_values(session: Session, tmp_path: Path, numbers: np.ndarray) -> None:
    import swath
    from swath.cube import index

    tags = [{"wavelength": str(v)} for v in (560, 665, 842)]
    path = write(tmp_path / "scene.tif", numbers, nodata=0, scale=0.0001, band_tags=tags, names=["green", "red", "nir"])
    scene = opened(session, path, scale=0.0001, offset=0.0)
    assert "index-NDVI" in [s["id"] for s in scene.shows]
    values = (
        index.compute(swath.open(path, scale=0.0001, offset=0.0), "NDVI")
        .isel(band=0)
        .values.squeeze()[256:512, 256:512]
    )
    found = exact(session, scene, 2, 1, 1, show="index-NDVI")
    wanted = draw.ramp("greenness")[byte(values, -0.2, 1.0).astype(int)]
    assert np.abs(found[..., :3].astype(int) - wanted).max() <= 3


def test_floats_and_scaled_integers_share_one_rule(numbers: np.ndarray) -> None:
    rules = [(1e-4, -0.1, 0.0)] * 3
    table, seen = draw.stretched(numbers, rules, 0.0, 0.3)
    plain, there = draw.stretched(draw.physical(numbers, rules), None, 0.0, 0.3)
    assert seen is not None
    assert there is not None
    assert np.array_equal(seen, there)
    assert np.array_equal(table[:, seen], plain[:, seen])


def test_signed_integers_go_through_the_table_by_their_bits() -> None:
    stored = np.array([[[-300, -1, 0, 1, 300]]], np.int16)
    found, seen = draw.stretched(stored, [(1.0, 0.0, float("nan"))], -300, 300)
    assert found[0, 0].tolist() == [0, 127, 128, 128, 255]
    assert seen is None


def test_classes_keep_their_colours_and_the_rest_is_clear(
    session: Session, tmp_path: Path, numbers: np.ndarray
) -> None:
    scene = opened(session, write(tmp_path / "scene.tif", numbers))
    codes = np.random.default_rng(1).integers(0, 4, (1, *SIDE)).astype(np.uint8)
    raster = Raster(
        write(tmp_path / "classes.tif", codes, nodata=0), "classes", "Classes", scene.id,
        colours={1: ("water", "#4676C6"), 2: ("wood", "#00520E"), 3: ("same", "#222222")}, hidden=(3,),
    )  # fmt: skip
    record = session.layers.add("m1.classes", raster)
    assert [c["name"] for c in record["legend"]] == ["water", "wood"]
    found = pixels(session, "m1.classes", 2, 1, 0)
    part = codes[0, :256, 256:512]
    assert (found[part == 1] == (0x46, 0x76, 0xC6, 255)).all()
    assert (found[part == 2] == (0, 0x52, 0x0E, 255)).all()
    assert not found[(part == 0) | (part == 3), 3].any()


def test_a_map_of_a_part_lies_where_it_belongs(session: Session, tmp_path: Path, numbers: np.ndarray) -> None:
    from rasterio.transform import from_origin

    scene = opened(session, write(tmp_path / "scene.tif", numbers))
    part = np.ones((1, 100, 120), np.uint8)
    place = from_origin(500_000 + 10 * 300, 5_200_000 - 10 * 50, 10, 10)
    path = write(tmp_path / "part.tif", part, False, transform=place, nodata=0)
    session.layers.add("m", Raster(path, "classes", "Part", scene.id, colours={1: ("a", "#ff0000")}))
    found = pixels(session, "m", 2, 1, 0)[..., 3] > 0
    rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (50, 149, 300 - 256, 419 - 256)
    whole = pixels(session, "m", 0, 0, 0)[..., 3] > 0
    assert abs(int(whole.sum()) - 100 * 120 // 16) < 60


def test_the_hatch_of_neighbouring_tiles_joins(session: Session, tmp_path: Path, numbers: np.ndarray) -> None:
    scene = opened(session, write(tmp_path / "scene.tif", numbers))
    doubt = np.stack([np.full(SIDE, 2, np.uint8), np.zeros(SIDE, np.uint8)])
    path = write(tmp_path / "doubt.tif", doubt, names=["set_size", "outside"], nodata=255)
    record = session.layers.add("m1.doubt", Raster(path, "doubt", "Doubt", scene.id))
    assert record["maxzoom"] > scene.view.levels
    for z, x, y in ((2, 0, 0), (4, 3, 2)):
        left, right = pixels(session, "m1.doubt", z, x, y), pixels(session, "m1.doubt", z, x + 1, y)
        both = np.concatenate([left, right], axis=1)
        assert np.array_equal(both[:, 8:], both[:, :-8])
        assert np.array_equal(both[1:, :-1], both[:-1, 1:])
        shades = both[..., 3]
        assert shades.max() > 200
        assert shades.min() < 20


def test_a_map_under_way_gives_way_to_the_finished_one(session: Session, tmp_path: Path, numbers: np.ndarray) -> None:
    scene = opened(session, write(tmp_path / "scene.tif", numbers))
    part, whole = tmp_path / "part.tif", tmp_path / "classes.tif"
    write(part, np.ones((1, *SIDE), np.uint8), nodata=0)
    raster = Raster(part, "classes", "Classes", scene.id, colours={1: ("a", "#ff0000")}, then=whole)
    session.layers.add("m", raster)
    assert pixels(session, "m", 2, 0, 0)[0, 0].tolist() == [255, 0, 0, 255]
    part.unlink()
    assert not pixels(session, "m", 2, 0, 0).any()
    write(whole, np.ones((1, *SIDE), np.uint8), nodata=0)
    assert pixels(session, "m", 2, 0, 0)[0, 0].tolist() == [255, 0, 0, 255]


def test_what_was_not_read_yet_of_a_large_file_is_clear(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swath.cube import look

    waiting: list[Any] = []
    monkeypatch.setattr(look, "AT_ONCE", 1000)
    monkeypatch.setattr("swath.cube.zoom._READ", 64)
    monkeypatch.setattr(look, "_reader", type("Later", (), {"submit": lambda self, *work: waiting.append(work)})())
    scene = opened(session, write(tmp_path / "scene.tif", np.full((1, 2200, 2200), 700, np.uint16), overviews=False))
    tile_of(session.layers, scene.id, 0, 0, 0, {})  # the first look begins to grow
    assert waiting
    assert not pixels(session, scene.id, 0, 0, 0)[..., 3].any()
    for function, *arguments in waiting:
        function(*arguments)
    assert pixels(session, scene.id, 0, 0, 0)[100, 100, 3] == 255


def test_only_doubtful_pixels_are_hatched(session: Session, tmp_path: Path, numbers: np.ndarray) -> None:
    scene = opened(session, write(tmp_path / "scene.tif", numbers))
    doubt = np.stack([np.ones(SIDE, np.uint8), np.zeros(SIDE, np.uint8)])
    doubt[0, :100, :100], doubt[1, 150:200, :100], doubt[:, 210:220] = 3, 1, 255
    path = write(tmp_path / "doubt.tif", doubt, names=["set_size", "outside"], nodata=255)
    session.layers.add("m1.doubt", Raster(path, "doubt", "Doubt", scene.id))
    seen = pixels(session, "m1.doubt", 2, 0, 0)[..., 3] > 0
    assert seen[:100, :100].mean() > 0.5
    assert seen[150:200, :100].mean() > 0.5
    assert not seen[100:150].any()
    assert not seen[200:].any()
    assert not seen[:, 100:].any()


def test_probability_is_read_in_its_own_scale(session: Session, tmp_path: Path, numbers: np.ndarray) -> None:
    scene = opened(session, write(tmp_path / "scene.tif", numbers))
    share = np.zeros((2, *SIDE), np.uint8)
    share[0], share[1] = 250, 125
    share[:, 300:] = 255
    path = write(tmp_path / "p.tif", share, names=["water", "wood"], nodata=255, scale=0.004)
    session.layers.add("m1.p", Raster(path, "probability", "Probability", scene.id))
    best, wood = pixels(session, "m1.p", 2, 0, 0), pixels(session, "m1.p", 2, 0, 0, **{"class": "wood"})
    assert np.abs(best[10, 10, :3].astype(int) - draw.ramp("cividis")[255]).max() <= 4
    assert np.abs(wood[10, 10, :3].astype(int) - draw.ramp("cividis")[128]).max() <= 4
    assert pixels(session, "m1.p", 2, 0, 1)[100, 10, 3] == 0


def test_dates_and_pixel_space_have_tiles_too(session: Session, shared: Path) -> None:
    path = shared / "modis_mato_grosso" / "ndvi.tif"
    scene = opened(session, path)
    first = exact(session, scene, 0, 0, 0, date=scene.dates[0])
    other = exact(session, scene, 0, 0, 0, date=scene.dates[40])
    assert not np.array_equal(first, other)


def test_windows_start_anywhere_and_keep_their_size() -> None:
    part = window((100, 80), 1, (3, 5), (50, 60))
    assert part is not None
    assert (part.rows, part.columns, part.cut, part.size) == ((1, 27), (2, 33), (1, 1), (50, 60))
    assert window((100, 80), 0, (100, 0), (10, 10)) is None
    edge = window((100, 80), -2, (0, 0), (256, 256))
    assert edge is not None
    assert edge.size == (25, 20)


class TestTheRoute:
    """Over HTTP: caching, refusals, nothing."""

    @pytest.fixture
    def asked(self, session: Session, tmp_path: Path, numbers: np.ndarray) -> Any:
        from starlette.applications import Starlette
        from starlette.testclient import TestClient

        from swath.doors.web import tiles

        scene = opened(session, write(tmp_path / "scene.tif", numbers))
        with TestClient(Starlette(routes=tiles.routes(session)), base_url="http://127.0.0.1") as client:
            yield lambda rest, rev=scene.rev, key=scene.id: client.get(f"/tiles/{key}/{rev}/{rest}")

    def test_a_tile_is_kept_for_good_by_its_content(self, asked: Any) -> None:
        found = asked("0/0/0?show=band-1")
        assert found.status_code == 200
        assert found.headers["content-type"] == "image/webp"
        assert "immutable" in found.headers["cache-control"]
        assert asked("0/0/0", "older").headers["cache-control"] == "no-store"

    def test_outside_is_no_content(self, asked: Any) -> None:
        assert asked("2/9/9").status_code == 204
        assert asked("2/9/9").content == b""

    @pytest.mark.parametrize(
        ("rest", "status"),
        [
            ("0/0/0?show=none", 404), ("0/0/0?lo=nan", 400), ("0/0/0?lo=3&hi=3", 400), ("0/0/0?bands=x,y,z", 400),
            ("0/0/0?date=2020-01-01", 200), ("a/0/0", 404), ("-1/0/0", 404), ("99/0/0", 404), ("0/0/٣", 404),
        ],
    )  # fmt: skip
    def test_what_is_not_there_is_refused_in_words(self, asked: Any, rest: str, status: int) -> None:
        found = asked(rest)
        assert found.status_code == status
        if status != 200:
            assert set(found.json()) >= {"rule", "got", "remedy"}

    @pytest.mark.parametrize("key", ["s9", "m1.classes", "..", "%2e%2e%2fs1"])
    def test_layers_that_are_not_there_are_not_found(self, asked: Any, key: str) -> None:
        assert asked("0/0/0", key=key).status_code == 404


def test_answers_leave_at_once(tmp_path: Path) -> None:
    """Without TCP's number asyncio leaves Nagle's delay on, and each answer takes 40 ms more on loopback."""
    import socket

    from swath.doors.web import serve

    listening, _ = serve._bind("127.0.0.1", 0, tmp_path)
    assert listening is not None
    with listening, socket.create_connection(listening.getsockname()) as client:
        own, _ = listening.accept()
        with own, client:
            assert own.proto == socket.IPPROTO_TCP


def test_who_left_while_waiting_is_not_drawn_for(session: Session) -> None:
    import asyncio

    from swath.doors.web.tiles import Tiles

    drawn: list[str] = []
    sent: list[Any] = []

    async def story() -> None:
        tiles = Tiles(session.layers, lambda error: None, workers=1)
        busy = asyncio.Event()

        def draw_(key: str, z: int, x: int, y: int, asked: dict[str, str]) -> tuple[None, str]:
            drawn.append(key)
            return None, ""

        tiles._draw = draw_  # type: ignore[method-assign]
        for _ in range(2):  # one being drawn, one next
            await tiles._free.acquire()

        async def gone() -> dict[str, str]:
            return {"type": "http.disconnect"}

        async def stays() -> dict[str, str]:
            await busy.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        def scope(key: str) -> dict[str, Any]:
            place = {"layer": key, "rev": "r", "z": "0", "x": "0", "y": "0"}
            return {"type": "http", "method": "GET", "path_params": place, "query_string": b""}

        await tiles(scope("left"), gone, send)
        waiting = asyncio.ensure_future(tiles(scope("stayed"), stays, send))
        await asyncio.sleep(0.05)
        assert not drawn
        tiles._free.release()
        await waiting

    asyncio.run(story())
    assert drawn == ["stayed"]
    assert [m["status"] for m in sent if m["type"] == "http.response.start"] == [204]
