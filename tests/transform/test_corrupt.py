"""Pictures made worse by degrees."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swath.batch import Batch, Pixels
from swath.earth.sensor import Band, sensor
from swath.errors import SwathError
from swath.transform.corrupt import CORRUPTIONS, Options, corrupt, corrupt_batch, move_of
from swath.transform.corrupt_geometry import rotation
from swath.transform.corrupt_sensor import mixing, sibling
from swath.transform.severity import ALL, EXTRA, GEOMETRIC, IMAGENET_C, TABLE, TWELVE

S2 = tuple(b for b in sensor("sentinel-2a-l2a").bands if b.name in ("B02", "B04", "B08", "B11"))
RGB = sensor("rgb").bands


@pytest.fixture
def pixels() -> Pixels:
    rng = np.random.default_rng(0)
    values = rng.uniform(0.05, 0.4, (3, 2, 4, 49, 41)).astype(np.float32)
    valid = rng.random(values.shape) < 0.9
    return Pixels(values, valid, S2, 10.0, np.full((3, 2), np.nan), np.full((3, 2), np.nan))


def photo(seed: int, shape: tuple[int, ...] = (3, 96, 96)) -> np.ndarray:
    """8-bit colours with shapes and grain."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.standard_normal(shape), (0, 6, 6))
    return np.clip(128 + 900 * smooth + 12 * rng.standard_normal(shape), 0, 255).astype(np.uint8)


def test_there_are_twelve_and_their_five_levels() -> None:
    assert len(CORRUPTIONS) == 12
    assert set(ALL) == set(TWELVE) | set(EXTRA)
    assert all(len(s.values) == 5 for s in TABLE.values())


@pytest.mark.parametrize("name", ALL)
def test_level_0_changes_no_bit(name: str, pixels: Pixels) -> None:
    assert corrupt(pixels, name, 0) is pixels
    x = pixels.values[0]
    assert corrupt(x, name, 0) is x


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    shape=st.sampled_from([(1, 1, 24, 24), (1, 3, 40, 57), (2, 4, 64, 33), (1, 13, 32, 32)]),
    name=st.sampled_from(TWELVE),
)
def test_distance_to_the_clean_picture_grows_strictly_with_the_level(
    seed: int, shape: tuple[int, ...], name: str
) -> None:
    """For the geometric three the distance is how far the pixels have moved."""
    if name in GEOMETRIC:
        move = [move_of(name, level, shape[-2:], seed) for level in range(6)]
        y, x = np.indices(shape[-2:]).astype(np.float32)
        apart = [float(np.hypot(m.nearest(y) - y, m.nearest(x) - x).mean()) for m in move]
    else:
        clean = np.random.default_rng(seed).uniform(0.02, 0.5, shape).astype(np.float32)
        worse = [corrupt(clean, name, level, key=seed) for level in range(6)]
        apart = [float(np.where(np.isnan(w), 1, np.abs(w - clean)).mean()) for w in worse]
    assert apart[0] == 0
    assert all(b > a for a, b in pairwise(apart)), apart


@pytest.mark.parametrize("name", ALL)
def test_an_example_is_made_worse_alone_as_among_others_and_its_input_stays(name: str, pixels: Pixels) -> None:
    before = pixels.values.copy(), pixels.valid.copy()
    keys = ("a", "b", "c")
    whole = corrupt(pixels, name, 3, key=keys)
    turned = replace(
        pixels, values=pixels.values[::-1], valid=pixels.valid[::-1], day=pixels.day[::-1], lonlat=pixels.lonlat[::-1]
    )
    back = corrupt(turned, name, 3, key=keys[::-1])
    np.testing.assert_array_equal(back.values[::-1], whole.values)
    alone = corrupt(replace(pixels, values=pixels.values[1:2], valid=pixels.valid[1:2]), name, 3, key="b")
    np.testing.assert_array_equal(alone.values[0], whole.values[1])
    np.testing.assert_array_equal(alone.valid[0], whole.valid[1])
    again = corrupt(pixels, name, 3, key=keys)
    assert again.values.tobytes() == whole.values.tobytes()
    np.testing.assert_array_equal(pixels.values, before[0])
    np.testing.assert_array_equal(pixels.valid, before[1])


@pytest.mark.parametrize("name", [n for n in ALL if n not in GEOMETRIC and n != "misregistration"])
@pytest.mark.parametrize("level", [1, 5])
def test_what_is_missing_stays_missing_and_does_not_spread(name: str, level: int, pixels: Pixels) -> None:
    wild = replace(pixels, values=np.where(pixels.valid, pixels.values, np.nan))
    out = corrupt(wild, name, level, key="a")
    tame = corrupt(pixels, name, level, key="a")
    assert np.isnan(out.values[~pixels.valid]).all()
    assert not out.valid[~pixels.valid].any()
    assert np.isfinite(out.values[out.valid]).all()
    np.testing.assert_array_equal(out.values[out.valid], tame.values[out.valid])
    lost = pixels.valid & ~out.valid
    assert lost.any() == (name in ("gaps", "missing_bands", "missing_dates"))
    assert np.isnan(out.values[lost]).all()


@pytest.mark.parametrize("name", TWELVE)
@pytest.mark.parametrize("bands", [1, 7, 200])
def test_any_number_of_bands_works_with_nan(name: str, bands: int) -> None:
    x = np.random.default_rng(1).uniform(0, 0.5, (bands, 48, 40)).astype(np.float32)
    x[:, 3:6, 4:9] = np.nan
    out = corrupt(x, name, 4)
    assert out.shape == x.shape
    if name not in GEOMETRIC:
        assert np.isnan(out[:, 3:6, 4:9]).all()
    assert np.isfinite(out).mean() > 0.6
    assert not np.array_equal(out, x, equal_nan=True)


def test_stored_integers_are_made_worse_in_their_units_and_classes_are_refused() -> None:
    stored = np.random.default_rng(2).integers(300, 4000, (2, 40, 40)).astype(np.uint16)
    stored[:, :4] = 0
    bands = tuple(replace(b, scale=1e-4, offset=-0.1, nodata=0) for b in S2[:2])
    physical = np.where(stored == 0, np.nan, stored * 1e-4 - 0.1).astype(np.float32)
    for name in ("gaussian_noise", "clouds", "gaps"):
        out = corrupt(stored, name, 3, bands=bands)
        assert out.dtype == np.uint16
        truth = corrupt(physical, name, 3, bands=tuple(replace(b, scale=1.0, offset=0.0) for b in bands))
        lost = np.isnan(truth)
        assert (out[lost] == 0).all()
        np.testing.assert_allclose(out[~lost] * 1e-4 - 0.1, np.clip(truth[~lost], -0.1, None), atol=1.1e-4)
    with pytest.raises(SwathError, match="classes"):
        corrupt(stored, "haze", 1)
    classes = replace(S2[0], quantity="class")
    with pytest.raises(SwathError, match="classes"):
        corrupt(stored[:1], "haze", 1, bands=(classes,))


@pytest.mark.parametrize("name", GEOMETRIC)
@pytest.mark.parametrize("shape", [(40, 40), (33, 58)])
def test_a_mask_moves_exactly_as_a_picture_of_its_own_labels(name: str, shape: tuple[int, int]) -> None:
    mask = np.random.default_rng(3).integers(0, 6, shape)
    for level in range(6):
        picture, moved = corrupt(
            mask[None].astype(np.float32), name, level, "x", target=mask, options=Options(sample="nearest")
        )
        np.testing.assert_array_equal(picture[0], moved)


def test_a_full_turn_is_the_identity_and_quarters_are_exact() -> None:
    x = np.random.default_rng(4).random((2, 30, 30)).astype(np.float32)
    seen = np.ones(x.shape, bool)
    for degrees in (0, 360, -720):
        assert np.array_equal(rotation(degrees).linear(x, seen)[0], x)
    for quarters in (1, 2, 3):
        np.testing.assert_array_equal(rotation(90 * quarters).linear(x, seen)[0], np.rot90(x, quarters, (1, 2)))


@pytest.mark.parametrize("name", GEOMETRIC)
def test_the_corners_of_a_box_go_where_its_pixels_go(name: str) -> None:
    picture = np.zeros((81, 101), np.float32)
    picture[36:46, 44:60] = 1
    for level in range(1, 6):
        move = move_of(name, level, (81, 101), "k")
        corners = move.boxes([[44, 36, 60, 46]], (81, 101))[0]
        rows, columns = np.nonzero(move.nearest(picture))
        if not np.all((corners >= 0) & (corners <= (101, 81))):
            continue  # partly out of the frame
        low, high = corners.min(0) - 1, corners.max(0) + 1
        own = (columns > low[0]) & (columns < high[0]) & (rows > low[1]) & (rows < high[1])  # no mirrored copies
        rows, columns = rows[own], columns[own]
        assert abs(corners[:, 0].mean() - (columns.mean() + 0.5)) < 0.6
        assert abs(corners[:, 1].mean() - (rows.mean() + 0.5)) < 0.6
        u, v = corners[1] - corners[0], corners[3] - corners[0]
        area = abs(u[0] * v[1] - u[1] * v[0])
        assert abs(area - len(rows)) < 0.15 * area + 3


def test_a_shrunk_picture_is_mirrored_around_and_keeps_its_mean() -> None:
    x = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (1, 64, 1))
    out = corrupt(x, "scale", 4)
    assert abs(float(out.mean()) - 0.5) < 0.01
    np.testing.assert_allclose(out[0, :, 16:48], np.tile(np.linspace(0, 1, 32), (64, 1)), atol=0.03)


def test_haze_lies_before_the_blue_more_than_before_the_infrared(pixels: Pixels) -> None:
    dark = replace(pixels, values=np.full_like(pixels.values, 0.05), valid=np.ones_like(pixels.valid))
    dark.values[:, :, :, :4, :12] = 0.5
    hazy = corrupt(dark, "haze", 3).values - dark.values
    assert (hazy[:, :, 0, 10:] > hazy[:, :, 2, 10:]).all()


def test_clouds_cover_their_share_leave_radar_alone_and_shadows_darken() -> None:
    x = np.full((4, 120, 120), 0.1, np.float32)
    for level, share in enumerate((0.05, 0.1, 0.2, 0.35, 0.5), 1):
        worse = corrupt(x, "clouds", level, bands=S2)
        assert abs(float((worse[0] != 0.1).mean()) - share) < 0.01
    assert worse[0].max() == pytest.approx(0.8)
    assert worse[3].max() == pytest.approx(0.5)
    both = corrupt(x, "clouds_and_shadow", 4, bands=S2)
    assert 0.035 < both[0].min() < 0.05
    radar = Band("VV", quantity="backscatter", units="dB")
    with pytest.raises(SwathError, match="bands of light"):
        corrupt(x[:1], "clouds", 2, bands=(radar,))
    batch = Batch(
        {
            "s2": Pixels(x[None, None], np.ones((1, 1, *x.shape), bool), S2, 10.0, np.zeros((1, 1)), np.zeros((1, 2))),
            "s1": Pixels(
                x[None, None, :1] - 12, np.ones((1, 1, 1, 120, 120), bool), (radar,), 10.0, np.zeros((1, 1)), np.zeros((1, 2))
            ),
        },
        np.zeros((1, 120, 120), int),
        key=("a",),
    )  # fmt: skip
    out = corrupt_batch(batch, "clouds", 2)
    assert out.pixels["s1"] is batch.pixels["s1"]
    assert out.pixels["s2"] is not batch.pixels["s2"]


def test_impossible_values_are_held_within_what_the_quantity_can_be(pixels: Pixels) -> None:
    bright = replace(pixels, values=pixels.values * 3.5)
    out = corrupt(bright, "gaussian_noise", 5)
    assert out.values[out.valid].min() >= -0.02
    assert out.values[out.valid].max() <= 1.6


def test_a_swap_reads_the_siblings_bands_and_says_why_it_cannot() -> None:
    whole = sensor("sentinel-2a-l1c").bands
    weight = mixing(whole, sibling(whole))
    np.testing.assert_allclose(weight.sum(1), 1, atol=1e-5)
    names = [b.name for b in whole]
    assert weight[names.index("B05")].argmax() == names.index("B04")  # Landsat has no red edge: red is nearest
    flat = np.full((13, 24, 24), 0.3, np.float32)
    np.testing.assert_allclose(corrupt(flat, "sensor_swap", 5, bands=whole), 0.3, atol=1e-5)
    with pytest.raises(SwathError, match="two or more"):
        corrupt(flat[:3], "sensor_swap", 2)


def test_misregistration_moves_later_dates_and_leaves_the_first(pixels: Pixels) -> None:
    full = replace(pixels, valid=np.ones_like(pixels.valid))
    out = corrupt(full, "misregistration", 5, key="m")
    np.testing.assert_array_equal(out.values[:, 0], full.values[:, 0])
    ramp = np.tile(np.arange(41, dtype=np.float32), (1, 2, 4, 49, 1))
    moved = corrupt(replace(full, values=ramp, valid=np.ones(ramp.shape, bool)), "misregistration", 5, key="m")
    assert 0 < float(np.abs(moved.values[0, 1, 0, 20, 20] - 20)) <= 4.01


def test_gaussian_noise_of_imagenet_c_has_the_documented_deviation_on_8_bit_colours() -> None:
    grey = np.full((3, 128, 128), 128, np.uint8)
    for level, share in enumerate(IMAGENET_C["gaussian_noise"][:2], 1):
        out = corrupt(grey, "gaussian_noise", level, bands=RGB, options=Options(scale_of="imagenet_c"))
        assert out.dtype == np.uint8
        assert float(out.std()) == pytest.approx(share * 255, rel=0.03)
        assert float(out.mean()) == pytest.approx(128, abs=1)
    rng, clean = np.random.default_rng(0), photo(1)
    for level, share in enumerate(IMAGENET_C["gaussian_noise"], 1):
        out = corrupt(clean, "gaussian_noise", level, bands=RGB, options=Options(scale_of="imagenet_c"))
        peer = np.clip(clean / 255 + rng.normal(size=clean.shape, scale=share), 0, 1) * 255
        assert float(out.mean()) == pytest.approx(float(peer.mean()), abs=1.0)
        assert float(out.std()) == pytest.approx(float(peer.std()), rel=0.02)


def test_gaussian_blur_equals_a_gaussian_filter_of_the_documented_deviation() -> None:
    from skimage.filters import gaussian

    clean = photo(2)
    for level, sigma in enumerate(IMAGENET_C["gaussian_blur"], 1):
        out = corrupt(clean, "gaussian_blur", level, bands=RGB, options=Options(scale_of="imagenet_c"))
        peer = np.clip(gaussian(clean / 255.0, sigma=sigma, channel_axis=0), 0, 1) * 255
        assert float(np.abs(out - peer)[:, 12:-12, 12:-12].mean()) < 1.0
        assert float(out.std()) == pytest.approx(float(peer.std()), rel=0.05)


def test_compression_equals_a_jpeg_of_the_documented_quality() -> None:
    import io

    from PIL import Image

    clean = photo(3)
    for level, quality in enumerate(IMAGENET_C["compression"], 1):
        out = corrupt(clean, "compression", level, bands=RGB, options=Options(scale_of="imagenet_c"))
        stream = io.BytesIO()
        Image.fromarray(np.moveaxis(clean, 0, -1)).save(stream, "JPEG", quality=int(quality))
        np.testing.assert_array_equal(out, np.moveaxis(np.asarray(Image.open(stream)), -1, 0))


@pytest.mark.parametrize(
    ("name", "theirs", "size"),
    [
        ("gaussian_noise", "gaussian_noise", 0),
        ("gaussian_blur", "gaussian_blur", 0),
        ("compression", "jpeg_compression", 0),
    ],
)
def test_imagecorruptions_itself_has_the_same_mean_and_deviation(name: str, theirs: str, size: int) -> None:
    package = pytest.importorskip("imagecorruptions", reason="the outside reference imagecorruptions is not installed")
    clean = photo(4, (3, 128, 128))
    for level in range(1, 6):
        out = corrupt(clean, name, level, bands=RGB, options=Options(scale_of="imagenet_c")).astype(float)
        peer = package.corrupt(np.moveaxis(clean, 0, -1), corruption_name=theirs, severity=level).astype(float)
        assert out.mean() == pytest.approx(peer.mean(), abs=1.5)
        assert out.std() == pytest.approx(peer.std(), rel=0.05)


def test_an_unknown_corruption_or_level_is_refused(pixels: Pixels) -> None:
    with pytest.raises(SwathError, match="corruptions are gaussian_noise"):
        corrupt(pixels, "rain", 1)
    with pytest.raises(SwathError, match="levels 0 to 5"):
        corrupt(pixels, "haze", 6)
    with pytest.raises(SwathError, match="levels 0 to 5"):
        corrupt(pixels, "haze", 2.5)  # type: ignore[arg-type]


def test_a_spectrometer_has_no_sibling_that_looks_where_it_looks() -> None:
    bands = tuple(Band(f"b{i}", wavelength=400 + 10 * i, fwhm=10) for i in range(200))
    with pytest.raises(SwathError, match="does not look"):
        corrupt(np.full((200, 24, 24), 0.2, np.float32), "sensor_swap", 1, bands=bands)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 200), (257, 2)])
@pytest.mark.parametrize("kind", ["random", "constant", "nothing seen"])
def test_the_oddest_pictures_come_back_in_their_shape(shape: tuple[int, int], kind: str) -> None:
    x = np.random.default_rng(0).uniform(0, 0.4, (2, 4, *shape)).astype(np.float32)
    x = {"random": x, "constant": np.full_like(x, 0.2), "nothing seen": np.full_like(x, np.nan)}[kind]
    for name in ALL:
        out = corrupt(x, name, 5, bands=S2)
        assert out.shape == x.shape
        assert not np.isinf(out).any()
        assert kind != "nothing seen" or np.isnan(out).all()


@pytest.mark.parametrize("name", GEOMETRIC)
def test_moved_batches_keep_the_rules_of_transforms(name: str) -> None:
    from swath.testing import check_transform

    rng = np.random.default_rng(3)
    values = rng.uniform(0, 0.5, (2, 1, 4, 32, 32)).astype(np.float32)
    p = Pixels(values, np.ones(values.shape, bool), S2, 10.0, np.zeros((2, 1)), np.zeros((2, 2)))
    batch = Batch({"s2": p}, rng.integers(0, 3, (2, 32, 32)), key=("a", "b"), place=("a", "b"))
    check_transform(lambda b, _: corrupt_batch(b, name, 4, options=Options(sample="nearest")), batch)
