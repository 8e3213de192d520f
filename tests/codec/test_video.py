"""Video: what each way loses, that the colour conversion is never lossless, and that the residual keeps the bound."""

from __future__ import annotations

import numpy as np
import pytest

from swath.errors import SwathError
from swath.testing import check_codec

pytest.importorskip("av")

from swath.codec import video


def series(dates: int = 8, side: tuple[int, int] = (70, 85)) -> np.ndarray:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: side[0], : side[1]]
    ground = 1500 + 400 * np.sin(x / 9)[None] + 300 * np.cos(y / 13 + np.arange(3)[:, None, None])
    moving = 150 * np.sin(np.arange(dates) / 4)[:, None, None, None]
    noise = rng.normal(size=(dates, 3, *side)) * 12
    return np.clip(ground[None] + moving + noise, 0, 4095).astype(np.uint16)


def test_the_conversion_of_colours_is_not_lossless_and_the_other_ways_are():
    values = series()
    off = {
        way: np.rint(video.decode_stream(video.encode_stream(values, quality="best", way=way))) - values
        for way in ("yuv", "gbr", "gray")
    }
    assert 1 <= np.abs(off["yuv"]).max() <= 2
    assert not off["gbr"].any()
    assert not off["gray"].any()


@pytest.mark.parametrize(("way", "bits"), [("gray", 16), ("gbr", 12)])
def test_ffv1_loses_nothing(way, bits):
    values = series(3)
    stream = video.encode_stream(values, coder="ffv1", way=way, bits=bits)
    assert np.array_equal(np.rint(video.decode_stream(stream)), values)


def test_lower_quality_is_smaller_and_worse():
    values = series()
    sizes, errors = [], []
    for quality in ("very high", "medium", "very low"):
        stream = video.encode_stream(values, quality=quality, way="gray")
        sizes.append(len(stream.data))
        errors.append(float(np.abs(video.decode_stream(stream) - values).mean()))
    assert sizes == sorted(sizes, reverse=True)
    assert errors == sorted(errors)


def test_numbers_of_more_bits_than_the_video_are_stretched():
    values = series(2).astype(np.int32) * 10 - 9000
    back = video.decode_stream(video.encode_stream(values, quality="best", way="gray"))
    step = (values.max((0, 2, 3)) - values.min((0, 2, 3))).max() / 4095
    assert np.abs(back - values).max() <= step / 2 + 1e-6


@pytest.mark.parametrize("way", ["gbr", "yuv"])
def test_the_residual_keeps_the_contract_of_every_codec(way):
    class Way:
        @staticmethod
        def encode(values, valid=None, max_error=None):
            return video.encode(values, valid, max_error, way=way, quality="medium")

        decode = staticmethod(video.decode)

    check_codec(Way(), kinds=("uint8", "uint16", "int16"))


def test_floats_keep_the_bound_and_are_refused_without_one():
    values = (series(3) / 10000).astype(np.float32)
    values[0, 0, :9] = np.nan
    back, valid = video.decode(video.encode(values, None, 0.002))
    assert np.array_equal(valid, np.isfinite(values))
    assert np.nanmax(np.abs(back.astype(float) - values)) <= 0.002
    with pytest.raises(SwathError, match="largest error"):
        video.encode(values)
    with pytest.raises(SwathError):
        video.encode_stream(values, way="rgb")
    with pytest.raises(SwathError):
        video.encode_stream(values, coder="mpeg2")
