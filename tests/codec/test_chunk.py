import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from swath.codec import Damaged, decode, encode
from swath.errors import SwathError

DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]


def bits(values):
    return values.view(f"u{values.itemsize}")


def smooth(shape, seed=0):
    """Hills with noise, a little unlike from band to band."""
    draw = np.random.default_rng(seed)
    t, c, h, w = shape
    y, x = np.mgrid[:h, :w]
    base = 1500 + 900 * np.sin(y / 17) * np.cos(x / 23)
    return (
        base[None, None] * (1 + 0.1 * np.arange(c)[None, :, None, None])
        + 50 * np.arange(t)[:, None, None, None]
        + draw.normal(0, 12, shape)
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 17, 9), (1, 4, 101, 100), (3, 1, 1, 40), (1, 2, 33, 1)])
def test_without_a_bound_every_bit_comes_back(dtype, shape):
    values = smooth(shape)
    values = (values / 20).astype(dtype) if "8" in dtype else values.astype(dtype)
    back, valid = decode(encode(values))
    assert back.dtype == values.dtype
    assert valid.all()
    assert (bits(back) == bits(values)).all()


def test_two_hundred_and_twenty_four_bands_come_back():
    values = smooth((1, 224, 12, 13)).astype(np.int16)
    assert (decode(encode(values))[0] == values).all()


def test_floats_that_are_decimals_cost_no_more_than_their_integers():
    whole = smooth((1, 2, 64, 64)).astype(np.int16)
    assert len(encode((whole / 10000).astype(np.float32))) <= len(encode(whole)) + 16


def test_odd_floats_keep_their_bits():
    values = np.array([0.0, -0.0, np.inf, -np.inf, 1e-40, 3e38, 0.1, np.nan], np.float32).reshape(1, 1, 2, 4)
    back, valid = decode(encode(values))
    assert (valid == ~np.isnan(values)).all()
    assert (bits(back)[valid] == bits(values)[valid]).all()
    assert np.isnan(back[~valid]).all()
    back, valid = decode(encode(values, np.ones(values.shape, bool), 0.5))
    assert valid.all()
    assert (np.isnan(back) == np.isnan(values)).all()
    assert (back[np.isinf(values)] == values[np.isinf(values)]).all()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_bound_is_never_broken(data):
    dtype = np.dtype(data.draw(st.sampled_from(DTYPES)))
    shape = data.draw(arrays.array_shapes(min_dims=4, max_dims=4, max_side=7))
    values = data.draw(arrays.arrays(dtype, shape))
    valid = data.draw(arrays.arrays(bool, shape))
    error = data.draw(
        st.one_of(st.none(), st.floats(0, 1e6), st.lists(st.floats(0, 1e5), min_size=shape[1], max_size=shape[1]))
    )
    back, mask = decode(encode(values, valid, error))
    assert back.dtype == dtype
    assert (mask == valid).all()
    limit = np.broadcast_to(np.array(0.0 if error is None else error).reshape(1, -1, 1, 1), shape)[valid]
    was, now = values[valid].astype(np.float64), back[valid].astype(np.float64)
    special = ~np.isfinite(was)
    assert np.array_equal(was[special], now[special], equal_nan=True)
    assert (np.abs(was[~special] - now[~special]) <= limit[~special]).all()
    if error is None and dtype.kind != "f":
        assert (back[valid] == values[valid]).all()


@pytest.mark.parametrize("error", [None, 1, 5, 20, 300])
def test_the_ends_of_the_integers_do_not_wrap(error):
    draw = np.random.default_rng(3)
    for dtype in ("int16", "uint16", "int32", "uint8"):
        ends = np.iinfo(dtype)
        values = draw.choice([ends.min, ends.max, 0, ends.max - 1, ends.min + 1], (2, 2, 20, 21)).astype(dtype)
        back, _ = decode(encode(values, max_error=error))
        assert np.abs(back.astype(np.int64) - values.astype(np.int64)).max() <= (error or 0)


def test_constant_and_empty_bands_cost_a_few_bytes():
    values = np.full((2, 3, 64, 64), 7, np.int16)
    assert len(encode(values)) < 200
    assert len(encode(values, np.zeros(values.shape, bool))) < 40
    back, valid = decode(encode(values.astype(np.float32), np.zeros(values.shape, bool)))
    assert not valid.any()
    assert np.isnan(back).all()


def test_what_the_mask_hides_costs_nothing():
    values = smooth((2, 2, 96, 96)).astype(np.int16)
    valid = np.ones(values.shape, bool)
    valid[:, :, 30:80, 10:90] = False
    noise = values.copy()
    noise[~valid] = np.random.default_rng(1).integers(-32768, 32767, (~valid).sum())
    assert len(encode(noise, valid, 5)) == len(encode(values, valid, 5))
    assert len(encode(noise, valid, 5)) < 0.8 * len(encode(values, max_error=5))


def test_cut_or_flipped_bytes_are_found():
    values = smooth((1, 2, 20, 20)).astype(np.int16)
    data = encode(values, max_error=5)
    for length in range(0, len(data), 7):
        with pytest.raises(Damaged):
            decode(data[:length])
    for place in range(0, len(data), 3):
        wrong = bytearray(data)
        wrong[place] ^= 1 << (place % 8)
        with pytest.raises(Damaged):
            decode(bytes(wrong))
    with pytest.raises(Damaged):
        decode(data, shape=(1, 2, 20, 21))


@pytest.mark.parametrize("error", [None, 5])
def test_bytes_with_a_forged_checksum_are_refused_or_give_an_array_of_the_declared_shape(error):
    values = smooth((2, 2, 20, 20)).astype(np.int16)
    valid = np.random.default_rng(0).random(values.shape) > 0.1
    data = encode(values, valid, error)
    draw = np.random.default_rng(5)
    for _ in range(300):
        wrong = bytearray(data[:-4])
        for place in draw.integers(4, len(wrong), draw.integers(1, 4)):
            wrong[place] = draw.integers(256)
        wrong = wrong[: draw.integers(5, len(wrong))] if draw.random() < 0.3 else wrong
        try:
            back, mask = decode(bytes(wrong) + zlib.crc32(bytes(wrong)).to_bytes(4, "little"))
        except Damaged:
            continue
        assert back.shape == mask.shape
        assert back.size <= 1 << 26


def test_what_cannot_be_coded_is_refused_in_one_line():
    for values, more in [
        (np.zeros((2, 2), np.int16), {}),
        (np.zeros((1, 1, 2, 2), np.complex64), {}),
        (np.zeros((1, 1, 0, 2), np.int16), {}),
        (np.zeros((1, 2, 2, 2), np.int16), {"max_error": [1.0, 2.0, 3.0]}),
        (np.zeros((1, 2, 2, 2), np.int16), {"max_error": -1}),
        (np.zeros((1, 2, 2, 2), np.int16), {"max_error": float("nan")}),
        (np.zeros((1, 2, 2, 2), np.int16), {"valid": np.ones((1, 2, 2, 1), bool)}),
    ]:
        with pytest.raises(SwathError) as refusal:
            encode(values, **more)
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("error", [None, 1e-300, 0.1, 1e300])
def test_the_largest_and_smallest_floats_are_coded_in_silence(error):
    draw = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        ends = np.finfo(dtype)
        values = draw.choice([ends.max, ends.min, ends.tiny, ends.smallest_subnormal, 0.0, 1.0], (1, 2, 12, 13)).astype(
            dtype
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            back, _ = decode(encode(values, None, error))
        with np.errstate(over="ignore"):
            assert (np.abs(back.astype(np.float64) - values.astype(np.float64)) <= (error or 0)).all()
