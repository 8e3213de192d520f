"""Indices: spyndex's own numbers, only from reflectance, bands by letter, name or wavelength, lazily."""

from __future__ import annotations

import ast
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from swath.cube.contract import check, make
from swath.cube.formula import formula, parse
from swath.cube.index import available, compute
from swath.cube.lazy import ArraySource, lazy
from swath.earth.sensor import sensor
from swath.errors import BandError, UnitError

S2 = sensor("sentinel-2a-l2a").bands
RNG = np.random.default_rng(0)


def cube(bands: Any = S2, values: np.ndarray | None = None, letters: bool = True, **more: Any) -> xr.DataArray:
    if values is None:
        values = RNG.uniform(0.01, 0.6, (2, len(bands), 5, 4)).astype(np.float32)
    da = make(
        values, bands=[b.name for b in bands], geobox=None, time=["2020-06-01", "2020-07-01"], quantity=[b.quantity for b in bands],
        units=[b.units for b in bands], wavelength=[b.wavelength for b in bands], fwhm=[b.fwhm for b in bands],
        gsd=[b.gsd for b in bands], **more,
    )  # fmt: skip
    return da.assign_coords(common=("band", [b.common for b in bands])) if letters else da


@pytest.mark.parametrize(
    "name", ["NDVI", "EVI", "NDWI", "MNDWI", "NBR", "SAVI", "BAI", "NIRv", "AVI", "MCARI705", "S2REP"]
)
def test_numbers_are_spyndex_s_own(name: str):
    import spyndex

    da = cube()
    values = {b.common: da.sel(band=b.name).values.astype(float) for b in S2 if b.common}
    constants = {k: spyndex.constants[k].default for k in spyndex.constants if spyndex.constants[k].default is not None}
    with np.errstate(all="ignore"):
        truth = np.asarray(spyndex.computeIndex(name, {**constants, **values}))
    got = compute(da, name)
    np.testing.assert_allclose(got.values[:, 0], truth, rtol=1e-4, atol=1e-5)


def test_every_formula_of_the_catalogue_is_harmless_and_known():
    import spyndex

    refused = []
    for name in spyndex.indices:
        try:
            formula(name)
        except BandError as error:
            refused.append((name, str(error)))
    assert {name for name, _ in refused} <= {n for n, i in spyndex.indices.items() if "PAR" in i.bands}


def test_no_text_is_ever_executed(monkeypatch: pytest.MonkeyPatch):
    import spyndex

    entry = spyndex.indices["NDVI"]
    monkeypatch.setattr(entry, "formula", "__import__('os').getpid()")
    formula.cache_clear()
    with pytest.raises(BandError, match="in NDVI"):
        formula("NDVI")
    monkeypatch.undo()
    formula.cache_clear()
    assert isinstance(ast.parse(formula("NDVI").text, mode="eval").body, ast.BinOp)


def test_the_result_is_a_cube_of_indices_on_the_same_grid_and_dates():
    da = cube(flag=np.ones((2, 5, 4), np.uint8))
    got = compute(da, "NDVI,NDMI")
    assert check(got) == ""
    assert got.coords["band"].values.tolist() == ["NDVI", "NDMI"]
    assert set(got.coords["quantity"].values) == {"index"}
    assert got.coords["gsd"].values.tolist() == [10, 20]
    assert (got.coords["flag"].values == 1).all()
    assert (got.coords["time"].values == da.coords["time"].values).all()
    assert got.attrs["formulas"].startswith("NDVI = (N-R)/(N+R)")


def test_bands_are_asked_by_name_or_wavelength():
    da = cube()
    narrow = compute(da, "NDVI[N=B8A R=665]").values[:, 0]
    b8a, red = (da.sel(band=b).values.astype(float) for b in ("B8A", "B04"))
    np.testing.assert_allclose(narrow, (b8a - red) / (b8a + red), rtol=1e-5)
    same = compute(da, "NDVI", bands={"N": "B8A", "R": 665.0})
    np.testing.assert_array_equal(same.values[:, 0], narrow)
    assert str(same.coords["band"].values[0]) == "NDVI[N=B8A R=665.0]"
    assert parse(["NDVI", "EVI"]) == [("NDVI", {}), ("EVI", {})]


def test_without_letters_wavelengths_decide_and_landsat_s_one_near_infrared_serves():
    values = RNG.uniform(0.01, 0.6, (2, len(S2), 5, 4)).astype(np.float32)
    np.testing.assert_array_equal(
        compute(cube(values=values), "NDVI").values, compute(cube(values=values, letters=False), "NDVI").values
    )
    oli = [b for b in sensor("landsat-8-c2-l2").bands if b.quantity == "reflectance"]
    da = cube(oli)
    n, r = (da.sel(band=b).values.astype(float) for b in ("SR_B5", "SR_B4"))
    np.testing.assert_allclose(compute(da, "NDVI").values[:, 0], (n - r) / (n + r), rtol=1e-5)


def test_a_single_date_keeps_its_form():
    da = cube().isel(time=0, drop=True)
    got = compute(da, "NDVI")
    assert got.dims == ("band", "y", "x")
    assert check(got) == ""


@pytest.mark.parametrize("quantity", ["digital_number", "radiance", "other"])
def test_anything_but_reflectance_is_refused(quantity: str):
    dn = [b for b in S2 if b.common in ("N", "R")]
    stored = RNG.integers(0, 4000, (2, 2, 3, 3)).astype(np.uint16)
    values = stored if quantity == "digital_number" else stored.astype(np.float32)
    da = cube(dn, values).assign_coords(quantity=("band", [quantity] * 2))
    with pytest.raises(UnitError, match="from reflectance alone"):
        compute(da, "NDVI")


def test_stored_reflectance_is_refused_too():
    values = RNG.integers(0, 4000, (2, 2, 3, 3)).astype(np.uint16)
    da = cube([b for b in S2 if b.common in ("N", "R")], values)
    with pytest.raises(UnitError):
        compute(da, "NDVI")


def test_thermal_formulas_and_mixed_levels_are_refused():
    with pytest.raises(UnitError, match="thermal"):
        compute(cube(), "NDBaI")
    mixed = cube().assign_coords(quantity=("band", ["toa_reflectance"] + ["reflectance"] * (len(S2) - 1)))
    with pytest.raises(UnitError, match="one quantity"):
        compute(mixed, "NDVI[R=B01]")


def test_what_is_missing_is_named():
    rgb = [b for b in S2 if b.common in ("R", "G", "B")]
    with pytest.raises(BandError, match=r"no band for N \(760-900 nm\) among B02"):
        compute(cube(rgb), "NDVI")
    with pytest.raises(BandError, match="did you mean"):
        compute(cube(), "NDVII")
    with pytest.raises(BandError, match="needs the bands"):
        compute(cube(), "NDVI[Z=B8A]")
    with pytest.raises(BandError, match="by name"):
        compute(cube(), "NDVI[B8A]")
    with pytest.raises(BandError, match="once"):
        compute(cube(), "NDVI,NDVI")
    with pytest.raises(BandError, match="of its own"):
        compute(cube(), "NDVI[N=B04]")
    assert "NDVI" not in available(cube(rgb))
    assert "NDVI" in available(cube())


def test_undefined_is_nan_and_missing_stays_missing():
    pair = [b for b in S2 if b.common in ("N", "R")]
    values = np.zeros((2, 2, 1, 2), np.float32)
    values[:, :, 0, 1] = np.nan
    assert np.isnan(compute(cube(pair, values), "NDVI").values).all()


def test_kernel_ndvi_is_its_closed_form():
    da = cube()
    ndvi = compute(da, "NDVI").values.astype(float)
    np.testing.assert_allclose(compute(da, "kNDVI").values, np.tanh(ndvi**2), rtol=1e-4, atol=1e-5)


def test_radar_indices_take_decibels_as_power():
    bands = sensor("sentinel-1-rtc").bands[:2]
    power = RNG.uniform(0.01, 0.5, (2, 2, 3, 3)).astype(np.float32)
    linear = cube(bands, power).assign_coords(polarisation=("band", ["VV", "VH"]))
    decibel = cube(bands, 10 * np.log10(power)).assign_coords(
        polarisation=("band", ["VV", "VH"]), units=("band", ["dB"] * 2)
    )
    truth = 4 * power[:, 1] / (power[:, 0] + power[:, 1])
    for da in (linear, decibel):
        np.testing.assert_allclose(compute(da, "DpRVIVV").values[:, 0], truth, rtol=1e-4)


class Counting(ArraySource):
    """Counts what is read."""

    seen: list[tuple[int, int]] = []

    def read(self, dates: Any, bands: Any, rows: slice, columns: slice) -> np.ndarray:
        self.seen.append((len(bands), (rows.stop - rows.start) * (columns.stop - columns.start)))
        return super().read(dates, bands, rows, columns)


def test_only_the_asked_window_and_bands_are_read():
    values = RNG.uniform(0.01, 0.6, (2, len(S2), 64, 64)).astype(np.float32)
    source = Counting(values)
    Counting.seen.clear()
    da = cube(S2, lazy(source))
    got = compute(da, "NDVI,NDWI")
    assert Counting.seen == []
    window = got.isel(y=slice(8, 16), x=slice(4, 8), band=[0]).values
    assert Counting.seen == [(2, 32)]
    whole = compute(cube(S2, values), "NDVI").values
    np.testing.assert_array_equal(window, whole[:, :, 8:16, 4:8])


def test_ndvi_of_the_eopatch_equals_its_own(shared: Path):
    """The patch's five dates of reflectance are five of the 68 dates of its NDVI."""
    import gzip
    import io

    def load(path: Path) -> np.ndarray:
        return np.asarray(np.load(io.BytesIO(gzip.decompress(path.read_bytes()))))

    bands = sensor("sentinel-2a-l1c").bands
    spectra = load(shared / "eopatch/FiveDates/data/BANDS-S2-L1C.npy.gz").transpose(0, 3, 1, 2)
    ndvi = load(shared / "eopatch/TestEOPatch/data/NDVI.npy.gz")[..., 0]
    da = make(
        spectra, bands=[b.name for b in bands], geobox=None, time=np.arange(5).astype("datetime64[D]"),
        quantity="toa_reflectance", wavelength=[b.wavelength for b in bands], fwhm=[b.fwhm for b in bands],
    )  # fmt: skip
    got = compute(da, "NDVI").values[:, 0]
    for date in got:
        assert min(np.nanmax(np.abs(date - other)) for other in ndvi) < 1e-5


def test_a_cube_without_wavelengths_is_refused_where_the_formula_needs_them():
    pair = [b for b in S2 if b.common in ("N", "R", "G", "S1")]
    da = cube(pair).assign_coords(wavelength=("band", [math.nan] * len(pair)))
    assert formula("NDGI").waves
    with pytest.raises(BandError, match="wavelengths"):
        compute(da, "NDGI")
