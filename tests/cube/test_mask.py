"""Quality bands become reasons: exact values, real files, no value left without a rule."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.cube.contract import FLAGS
from swath.cube.mask import KINDS, combine, flags, kind_of
from swath.earth.sensor import sensor, sensors
from swath.errors import BandError, UnitError

USABLE, UNSEEN, CLOUD, SHADOW, SNOW, SATURATED = (
    FLAGS[k] for k in ("usable", "never_seen", "cloud", "shadow", "snow", "saturated")
)


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        *(("scl", v, r) for v, r in enumerate(
            [UNSEEN, SATURATED, USABLE, SHADOW, USABLE, USABLE, USABLE, USABLE, CLOUD, CLOUD, CLOUD, SNOW])),
        ("qa_pixel", 1, UNSEEN), ("qa_pixel", 21824, USABLE), ("qa_pixel", 21952, USABLE), ("qa_pixel", 22280, CLOUD),
        ("qa_pixel", 21762, CLOUD), ("qa_pixel", 54596, CLOUD), ("qa_pixel", 23888, SHADOW), ("qa_pixel", 30048, SNOW),
        ("qa_radsat", 0, USABLE), ("qa_radsat", 8, SATURATED), ("qa_radsat", 512, UNSEEN), ("qa_radsat", 2048, UNSEEN),
        ("bqa", 0, UNSEEN), ("bqa", 1, UNSEEN), ("bqa", 2720, USABLE), ("bqa", 2752, USABLE), ("bqa", 2800, CLOUD),
        ("bqa", 2976, SHADOW), ("bqa", 3744, SNOW), ("bqa", 6816, CLOUD), ("bqa", 2724, SATURATED), ("bqa", 672, USABLE),
        ("bqa", 20480, USABLE), ("bqa", 53248, CLOUD), ("bqa", 28672, CLOUD),
        ("fmask", 0, USABLE), ("fmask", 64, USABLE), ("fmask", 224, USABLE), ("fmask", 2, CLOUD), ("fmask", 4, CLOUD),
        ("fmask", 8, SHADOW), ("fmask", 16, SNOW), ("fmask", 255, UNSEEN),
        ("mod13_reliability", -1, UNSEEN), ("mod13_reliability", 1, USABLE), ("mod13_reliability", 3, CLOUD),
        ("mod09_state", 65535, UNSEEN), ("mod09_state", 1, CLOUD), ("mod09_state", 4, SHADOW), ("mod09_state", 4096, SNOW),
        ("clm", 1, CLOUD), ("clm", 255, UNSEEN), ("is_data", 0, UNSEEN), ("is_valid", 0, CLOUD), ("valid", 0, UNSEEN),
    ],
)  # fmt: skip
def test_a_value_means_what_the_document_says(kind: str, value: int, reason: int):
    assert flags(kind, np.array([[value]], np.int32)).tolist() == [[reason]]


@given(st.sampled_from(sorted(KINDS)), st.integers(0, 65535))
def test_every_value_has_a_reason_of_the_contract(kind: str, value: int):
    width = np.uint8 if KINDS[kind].bits == 8 else np.uint16
    stored = np.array([value & (2 ** KINDS[kind].bits - 1)], width)
    got = flags(kind, stored)
    assert got.dtype == np.uint8
    assert got[0] in FLAGS.values()
    assert flags(kind, stored.astype(np.float64))[0] == got[0]


def test_shape_stays_and_booleans_and_nan_are_understood():
    assert flags("is_data", np.array([[True, False]])).tolist() == [[0, UNSEEN]]
    assert flags("scl", np.array([4.0, np.nan])).tolist() == [0, UNSEEN]
    assert flags("scl", np.zeros((2, 0, 3), np.uint8)).shape == (2, 0, 3)


def test_averaged_or_foreign_quality_bands_are_refused():
    with pytest.raises(UnitError, match="whole numbers"):
        flags("scl", np.array([4.5]))
    with pytest.raises(UnitError, match="8 bits"):
        flags("scl", np.array([21824], np.uint16))
    with pytest.raises(BandError, match="known kind"):
        flags("guess", np.array([0], np.uint8))


@given(st.lists(st.sampled_from(sorted(FLAGS.values())), min_size=1, max_size=8))
def test_combining_never_makes_a_pixel_usable_again(values: list[int]):
    a = np.array(values, np.uint8)
    b = a[::-1].copy()
    both = combine(a, b)
    assert ((both == 0) == ((a == 0) & (b == 0))).all()
    assert (both == combine(b, a)).all()
    assert (combine(a, a) == a).all()


def test_never_seen_beats_cloud_and_cloud_beats_snow():
    assert combine(np.array([CLOUD, SNOW]), np.array([UNSEEN, CLOUD])).tolist() == [UNSEEN, CLOUD]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SCL", "scl"), ("T32TQM_20200101T101010_SCL_20m", "scl"), ("LC08_L1TP_013032_20180710_20180717_01_T1_BQA", "bqa"),
        ("LC08_L2SP_008059_20191201_20200825_02_T1_QA_PIXEL", "qa_pixel"), ("QA_RADSAT", "qa_radsat"),
        ("HLS.L30.T14RNV.2020001T170000.v2.0.Fmask", "fmask"), ("CLM", "clm"), ("IS_DATA", "is_data"),
        ("250m 16 days pixel reliability", "mod13_reliability"), ("QA60", "qa60"), ("B04", None), ("SR_B2", None),
        ("sclera", None),
    ],
)  # fmt: skip
def test_names_tell_quality_bands(name: str, kind: str | None):
    assert kind_of(name) == kind


def test_the_sensors_tables_name_known_kinds():
    for s in sensors().values():
        for name, kind in s.masks:
            assert kind in KINDS
            assert kind_of(name, s) == kind
    assert kind_of("X_state_1km_1", sensor("modis-mod09")) == "mod09_state"


def test_landsat_collection_2_clouds_of_a_real_scene(shared: Path):
    import rasterio

    with rasterio.open(next((shared / "landsat_c2").glob("*/*QA_PIXEL.TIF"))) as file:
        got = flags("qa_pixel", file.read(1))
    count = {reason: int((got == value).sum()) for reason, value in FLAGS.items()}
    # values 21824 (clear land), 21952 (clear water) and 22080 (water, cloud confidence medium) are all that is clear
    assert count["usable"] == 14905 + 72 + 347
    assert count["never_seen"] == 0
    assert count["cloud"] > 40_000
    assert sum(count.values()) == got.size


def test_collection_1_fill_is_where_the_bands_are_zero(shared: Path):
    import rasterio

    for path in sorted((shared / "landsat8_new_york").glob("*/*BQA*"))[:4]:
        with rasterio.open(path) as qa, rasterio.open(str(path).replace("BQA", "B4")) as red:
            unseen = flags("bqa", qa.read(1)) == UNSEEN
            assert unseen[red.read(1) == 0].all()


def test_an_eopatch_s_own_masks_agree(shared: Path):
    folder = shared / "eopatch/TestEOPatch/mask"
    clm, valid = (
        np.load(io.BytesIO(gzip.decompress((folder / f"{n}.npy.gz").read_bytes()))) for n in ("CLM", "IS_VALID")
    )
    assert ((flags("clm", clm) == 0) == valid).all()
