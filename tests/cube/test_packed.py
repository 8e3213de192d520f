"""Packed files: bits, bounds, missing values, windows, threads, damage and hostile bytes."""

from __future__ import annotations

import json
import pickle
import struct
import zlib

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

import swath
from swath.cube import contract, packed, packing
from swath.cube.kept import Kept
from swath.cube.lazy import ArraySource
from swath.cube.packed_form import PREAMBLE
from swath.earth.sensor import Band
from swath.errors import FormatError, SwathError

GRID = GeoBox((70, 90), Affine.translation(5e5, 5e6) @ Affine.rotation(20) @ Affine.scale(10, -10), "EPSG:32633")


def part(values: np.ndarray, *, nodata: float = np.nan, error: float = 0.0, flag=None, **facts) -> packing.Part:
    bands = tuple(
        Band(name=f"b{i}", quantity="digital_number", units="1", nodata=nodata) for i in range(values.shape[1])
    )
    source = None if flag is None else ArraySource(flag)
    return packing.Part(
        ArraySource(values), bands, None, None, source, error=(error,) * values.shape[1], **facts
    )  # fmt: skip


def whole(file: packed.PackedFile, grid: int = 0) -> np.ndarray:
    source = packed.layers(file)[grid].source
    t, b, h, w = source.shape
    return source.read(range(t), range(b), slice(0, h), slice(0, w))


def numbers(kind: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = rng.normal(size=shape).cumsum(-1).cumsum(-2)
    if np.dtype(kind).kind == "f":
        return smooth.astype(kind)
    info = np.iinfo(kind)
    return np.clip(smooth * 3 + (info.max // 4), info.min, info.max).astype(kind)


@pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "float32", "float64"])
def test_every_type_comes_back_bit_by_bit_from_odd_sizes(tmp_path, kind):
    values = numbers(kind, (2, 3, 101, 100))
    file = packing.write(tmp_path / "a.swath", [part(values)])
    back = whole(file)
    assert back.dtype == values.dtype
    assert back.tobytes() == values.tobytes()


def test_nan_infinities_nodata_and_minus_zero_come_back_as_they_were(tmp_path):
    values = numbers("float32", (1, 2, 40, 30))
    values[0, 0, :5], values[0, 0, 6], values[0, 1, 7], values[0, 1, 8, 3] = np.nan, np.inf, -np.inf, -0.0
    values[0, 1, 10:20] = -9999.0
    for error in (0.0, 0.01):
        back = whole(packing.write(tmp_path / "a.swath", [part(values, nodata=-9999.0, error=error)]))
        odd = ~np.isfinite(values) | (values == -9999)
        assert np.array_equal(back[odd], values[odd], equal_nan=True)
        assert np.abs(back[~odd] - values[~odd]).max() <= error
        assert not (back[~odd] == -9999).any()
    assert np.signbit(whole(packing.write(tmp_path / "a.swath", [part(values)]))[0, 1, 8, 3])


@given(
    kind=st.sampled_from(["uint8", "int16", "uint16", "float32"]),
    error=st.sampled_from([1.0, 2.5, 7.0, 50.0]),
    nodata=st.sampled_from([np.nan, 0.0, 100.0]),
    seed=st.integers(0, 10_000),
)
def test_the_bound_holds_and_nothing_becomes_or_stops_being_nodata(tmp_path_factory, kind, error, nodata, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 120, (2, 2, 9, 11)).astype(kind)
    file = packing.write(
        tmp_path_factory.mktemp("p") / "a.swath", [part(values, nodata=nodata, error=error)], workers=1
    )
    back = whole(file)
    assert np.array_equal(back == nodata, values == nodata)
    assert np.abs(back.astype(float) - values).max() <= error


def test_flags_many_bands_and_several_grids_are_kept(tmp_path):
    many = numbers("int16", (1, 202, 20, 30))
    flag = np.random.default_rng(0).integers(0, 6, (3, 1, 300, 500)).astype(np.uint8)
    flag[1] = 2
    values = numbers("uint16", (3, 2, 300, 500))
    file = packing.write(tmp_path / "a.swath", [part(values, flag=flag), part(many)], workers=3)
    assert np.array_equal(whole(file), values)
    assert np.array_equal(whole(file, 1), many)
    source = packed.layers(file)[0].flag
    assert np.array_equal(source.read([0, 1, 2], [0], slice(0, 300), slice(0, 500)), flag)


def test_threads_change_no_byte(tmp_path):
    values = numbers("uint16", (2, 1, 500, 500))
    for n in (1, 4):
        packing.write(tmp_path / f"{n}.swath", [part(values)], workers=n)
    assert (tmp_path / "1.swath").read_bytes() == (tmp_path / "4.swath").read_bytes()


def test_one_window_of_one_date_reads_only_its_chunk(tmp_path, monkeypatch):
    values = numbers("uint16", (3, 1, 768, 768))
    path = tmp_path / "a.swath"
    file = packing.write(path, [part(values)])
    sizes = file.index["length"]
    read: list[int] = []
    fetch = packed.fetch
    monkeypatch.setattr(packed, "fetch", lambda p, place, n: read.append(n) or fetch(p, place, n))
    cube = swath.open(path)
    window = cube.isel(time=1) if "time" in cube.dims else cube
    assert not read or max(read) < 5000  # what was decoded before is not read again; nothing else was
    read.clear()
    source = packed.layers(packed.open_packed(path))[0].source
    got = source.read([1], [0], slice(256, 512), slice(512, 768))
    assert np.array_equal(got[0], values[1, :, 256:512, 512:768])
    assert len(read) == 1
    assert sum(read) == sizes[file.header.grids[0].number((1, 1, 2), 0)]
    assert sum(read) < path.stat().st_size / 20
    assert window is not None


def test_xarray_reads_the_header_first_and_then_one_chunk_for_one_window(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(2, 1, 600, 700)) * 400 + 4000).astype(np.int16)
    when = np.array(["2020-01-01", "2020-02-01"], "datetime64[ns]")
    path = tmp_path / "a.swath"
    swath.pack(contract.make(values, bands=["a"], geobox=None, time=when), out=path)
    read: list[int] = []
    fetch = packed.fetch
    monkeypatch.setattr(packed, "fetch", lambda p, place, n: read.append(n) or fetch(p, place, n))
    packed._opened.cache_clear()
    monkeypatch.setattr(packed, "_chunks", Kept(1 << 20))
    frame = xr.open_dataset(path, engine="swath")
    assert sum(read) < 4000
    read.clear()
    got = frame["values"].isel(time=1, y=slice(256, 512), x=slice(256, 512)).values
    assert np.array_equal(got[0], values[1, 0, 256:512, 256:512])
    assert len(read) == 1
    assert read[0] < path.stat().st_size / 8


def test_clouded_numbers_cost_nothing(tmp_path):
    values = numbers("float32", (1, 1, 256, 256)).round(2)
    clear = packing.write(tmp_path / "a.swath", [part(values, error=0.05)]).size
    gone = np.random.default_rng(1).random((4, 4)).argsort().reshape(4, 4) < 2
    values[0, 0][np.kron(gone, np.ones((64, 64), bool))] = np.nan
    share = float(np.isfinite(values).mean())
    cloudy = packing.write(tmp_path / "b.swath", [part(values, error=0.05)]).size
    assert cloudy < clear * (share + 0.1) + 500


def test_constant_and_empty_bands_are_small(tmp_path):
    values = np.full((2, 3, 256, 256), np.nan, np.float32)
    values[:, 1] = 0.25
    file = packing.write(tmp_path / "a.swath", [part(values)])
    assert np.array_equal(whole(file), values, equal_nan=True)
    assert file.size < 3000


def small(tmp_path) -> bytes:
    values = numbers("uint16", (1, 1, 12, 14))
    flag = np.zeros((1, 1, 12, 14), np.uint8)
    path = tmp_path / "small.swath"
    packing.write(path, [part(values, flag=flag)], promise={"words": "x"}, tags={"a": "b"})
    return path.read_bytes()


def test_every_flipped_bit_is_found(tmp_path):
    data = small(tmp_path)
    good = tmp_path / "good.swath"
    good.write_bytes(data)
    whole(packed.open_packed(good))
    for place in range(len(data)):
        broken = bytearray(data)
        broken[place] ^= 1 << (place % 8)
        path = tmp_path / f"{place}.swath"
        path.write_bytes(bytes(broken))
        with pytest.raises(FormatError):  # noqa: PT012
            file = packed.open_packed(path)
            for number in range(len(file.index)):
                file.decoded(number)
        path.unlink()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.6, 0.99])
def test_a_file_cut_short_is_refused_with_what_is_missing(tmp_path, share):
    values = numbers("uint16", (1, 1, 600, 600))
    path = tmp_path / "a.swath"
    packing.write(path, [part(values)])
    data = path.read_bytes()
    path.write_bytes(data[: max(9, int(share * len(data)))])
    with pytest.raises(FormatError, match="cut short") as error:
        swath.open(path)
    if share > 0.1:
        assert "of its 9 chunks are missing" in str(error.value)


def remade(data: bytes, change) -> bytes:
    """A packed file whose header was changed, with checksums that fit."""
    fields = list(PREAMBLE.unpack(data[: PREAMBLE.size]))
    start, length = fields[4], fields[2]
    header = json.loads(zlib.decompress(data[start : start + length]))
    new = change(header)
    head = new if isinstance(new, bytes) else zlib.compress(json.dumps(header).encode())
    move = len(head) - length
    chunks = fields[8]
    index = np.frombuffer(data[fields[7] : fields[7] + 16 * chunks], packed.ENTRY).copy()
    index["place"] = index["place"].astype(np.int64) + move
    fields[2], fields[3], fields[5] = len(head), fields[3] + move, zlib.crc32(head)
    fields[7], fields[9], fields[10] = fields[7] + move, zlib.crc32(index.tobytes()), fields[10] + move
    first = PREAMBLE.pack(*fields)[:-4]
    return first + struct.pack("<I", zlib.crc32(first)) + head + index.tobytes() + data[start + length + 16 * chunks :]


def bomb(header):
    return zlib.compress(b'{"grids":[' + b"0," * 40_000_000 + b"0]}")


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h["grids"][0].update(shape=[1, 1, 10**9, 10**9]),
        lambda h: h["grids"][0].update(shape=[10**6, 1, 12, 14], chunk=[10**6, 12, 14]),
        lambda h: h["grids"][0].update(shape=[1, 1, -5, 14]),
        lambda h: h["grids"][0].update(shape=[1, 1, 60000, 60000], chunk=[1, 60000, 60000]),
        lambda h: h["grids"][0].update(dtype="object"),
        lambda h: h["grids"][0].update(dtype="float64"),
        lambda h: h["grids"][0].update(groups=[[0, 0]]),
        lambda h: h["grids"][0].update(affine=[float("1e999")] * 6),
        lambda h: h["grids"][0].update(affine=[1e308, 0, 0, 0, 1, 0], crs="EPSG:32633"),
        lambda h: h["grids"][0].update(affine=[0, 0, 0, 0, 0, 0]),
        lambda h: h["grids"][0].update(affine=[1, 0, 0, 0, 1, 0], crs="no CRS at all"),
        lambda h: h["grids"][0].update(time=[1, 2]),
        lambda h: h["grids"][0].update(bands=[{}]),
        lambda h: h.update(grids=[]),
        lambda h: h.update(grids="x"),
        lambda h: b"no deflate",
        lambda h: zlib.compress(b"[" * 100_000),
        bomb,
    ],
)
@pytest.mark.parametrize("safe", [False, True])
def test_a_header_that_lies_is_refused_in_one_line(tmp_path, change, safe):
    data = small(tmp_path)
    assert remade(data, lambda h: None)[:8] == data[:8]
    path = tmp_path / "bad.swath"
    path.write_bytes(remade(data, change))
    with pytest.raises(SwathError) as error:  # noqa: PT012
        cube = swath.open(path, safe=safe)
        cube.load()
    assert "\n" not in str(error.value)


def test_a_header_remade_without_a_change_still_opens(tmp_path):
    path = tmp_path / "same.swath"
    path.write_bytes(remade(small(tmp_path), lambda h: None))
    assert swath.open(path).load().shape[-2:] == (12, 14)


def test_files_that_are_none_are_refused(tmp_path):
    path = tmp_path / "a.swath"
    for data in (b"", b"hello", b"\x89SWATH\n" + b"x" * 100, b"\x89SWATH\r\n" + b"x" * 200):
        path.write_bytes(data)
        with pytest.raises(FormatError):
            swath.open(path)


def test_nothing_is_left_when_writing_fails(tmp_path):
    class Broken(ArraySource):
        def read(self, dates, bands, rows, columns):
            if rows.start:
                raise FormatError(rule="a", got="b", remedy="c")
            return super().read(dates, bands, rows, columns)

    values = numbers("uint16", (1, 1, 1200, 300))
    broken = part(values)
    broken = packing.Part(Broken(values), broken.bands, None, None, error=broken.error)
    with pytest.raises(FormatError):
        packing.write(tmp_path / "a.swath", [broken])
    assert not list(tmp_path.iterdir())


def cube_of_all() -> xr.DataArray:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 2, 70, 90)).round(3).astype(np.float32)
    values[0, 0, :10] = np.nan
    return contract.make(
        values,
        bands=["red", "heat"],
        geobox=GRID,
        time=np.array(["2020-01-01", "2020-02-01T10:11:12", "2020-03-05"], "datetime64[ns]"),
        wavelength=[665.0, np.nan],
        gsd=[10, 30],
        quantity=["reflectance", "temperature"],
        units=["1", "K"],
        flag=rng.integers(0, 6, (3, 70, 90)).astype(np.uint8),
        sensor="a camera of ours",
        attrs={"simulated": "yes", "long_name": "made"},
    )


@pytest.mark.parametrize("safe", [False, True])
def test_a_cube_comes_back_whole_with_its_rotated_grid(tmp_path, safe):
    cube = cube_of_all()
    swath.pack(cube, out=tmp_path / "a.swath")
    back = swath.open(tmp_path / "a.swath", safe=safe)
    xr.testing.assert_identical(back.load(), cube)
    assert contract.grid(back) == GRID


def test_plain_xarray_opens_it_lazily(tmp_path):
    cube = cube_of_all()
    path = tmp_path / "a.swath"
    swath.pack(cube, out=path)
    found = xr.open_dataset(path, engine="swath")
    xr.testing.assert_equal(found["values"].isel(time=1, y=slice(3, 9)).load(), cube.isel(time=1, y=slice(3, 9)))
    assert found["values"].attrs["simulated"] == "yes"
    again = pickle.loads(pickle.dumps(xr.open_dataset(path, engine="swath")))
    xr.testing.assert_equal(again["values"].load(), cube)
    stored = xr.open_dataset(path, engine="swath", mask_and_scale=False)
    assert list(stored.coords["scale"].values) == [1.0, 1.0]
    tree = xr.open_datatree(path, engine="swath")
    assert [g for g in tree.groups if g != "/"] == ["/10m"]
    with pytest.raises(ValueError, match="there are 10 m"):
        xr.open_dataset(path, engine="swath", gsd=60.0)


def test_the_backend_is_registered():
    from importlib.metadata import entry_points

    points = {p.name: p.value for p in entry_points(group="xarray.backends")}
    if "swath" not in points:
        pytest.skip("this installation is older than the entry point: install again")
    assert points["swath"] == "swath.cube.backend:SwathBackend"
