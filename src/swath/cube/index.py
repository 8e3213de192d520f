"""Spectral indices by spyndex's names and formulas: from reflectance only, lazily, each window when it is asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube import contract
from swath.cube.contract import bands_of
from swath.cube.formula import RADAR, Formula, evaluate, formula, parse
from swath.cube.lazy import lazy
from swath.earth.recognise import LETTERS, find, letter_index, nearest
from swath.earth.sensor import Band
from swath.earth.unit import from_db
from swath.errors import BandError, UnitError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Formula", "Indices", "available", "compute", "formula", "parse", "plan"]

Array = Any
_THERMAL = {"T", "T1", "T2"}
_OPTICAL = {"reflectance", "toa_reflectance"}


def compute(
    da: xr.DataArray, names: str | Sequence[str], *, bands: Mapping[str, str | float] | None = None
) -> xr.DataArray:
    """The cube of these indices: band = index name, quantity index, on the grid, dates and flags of `da`; float32.

    da: a cube of reflectance (radar indices: backscatter, taken as linear power). names: as in `parse`. bands: which
    band stands for a letter, by name or by wavelength in nm, e.g. {"N": "B8A", "R": 665}; otherwise by the cube's own
    letters, else by wavelength. NaN where a band is missing or the formula is undefined (0 / 0). Lazy when `da` is.
    Kernels: radial basis with sigma = (a + b) / 2 (Camps-Valls et al. 2021, Science Advances 7, eq. 3).

    Raises BandError (unknown index, band not there), UnitError (digital numbers, radiance, thermal formulas).
    """
    contract.validate(da)
    own = bands_of(da)
    return _cube(da, plan(own, names, bands=bands, dtype=str(da.dtype)), own)


def plan(
    own: Sequence[Band],
    names: str | Sequence[str],
    *,
    bands: Mapping[str, str | float] | None = None,
    dtype: str = "float32",
) -> Indices:
    """Indices of these bands, to be computed on arrays window by window. Raises as `compute` does."""
    asked = [(formula(name), {**(bands or {}), **given}) for name, given in parse(names)]
    titles = [f.name + (f"[{' '.join(f'{k}={v}' for k, v in given.items())}]" if given else "") for f, given in asked]
    if doubled := sorted({t for t in titles if titles.count(t) > 1}):
        raise BandError(rule="an index is asked for once", got=", ".join(doubled), remedy="leave the second out")
    return Indices(tuple(titles), tuple(_plan(f, given, own, dtype) for f, given in asked))


def available(da: xr.DataArray) -> list[str]:
    """Names of the indices of spyndex's catalogue that this cube's bands, quantities and units allow."""
    import spyndex

    own = bands_of(da)
    names = []
    for name in spyndex.indices:
        try:
            _plan(formula(name), {}, own, str(da.dtype))
        except (BandError, UnitError):
            continue
        names.append(str(name))
    return names


@dataclass(frozen=True)
class _Plan:
    """A formula with the cube's band for each letter."""

    formula: Formula
    places: dict[str, int]
    waves: dict[str, float]
    decibels: frozenset[str]

    def __call__(self, values: Mapping[int, Array]) -> Array:
        """float32 of bands {index: array}; NaN where it is undefined."""
        with np.errstate(all="ignore"):
            known: dict[str, Any] = dict(self.formula.constants)
            for letter, place in self.places.items():
                band = values[place].astype(np.float64)
                known[letter] = from_db(band).astype(np.float64) if letter in self.decibels else band
            known.update({name: self.waves[letter] for name, letter in self.formula.waves})
            for name, (a, b) in self.formula.kernels:
                one, two = known[a], np.float64(1.0) if b == "L" else known[b]
                known[name] = np.exp(-((one - two) ** 2) / (2 * ((one + two) / 2) ** 2))
            out = evaluate(self.formula, known)
            out = np.asarray(out, np.float64)
            return np.where(np.isfinite(out), out, np.nan).astype(np.float32)


@dataclass(frozen=True)
class Indices:
    """Indices with the bands they need. titles: their band names; plans: a formula with its bands, each."""

    titles: tuple[str, ...]
    plans: tuple[_Plan, ...]

    @property
    def needs(self) -> list[int]:
        """Indices of the bands that any formula reads."""
        return sorted({place for p in self.plans for place in p.places.values()})

    def __call__(self, values: Array) -> Array:
        """(T, I, H, W) float32 of (T, C, H, W) physical values; NaN where undefined."""
        by_place = {place: values[:, place] for place in self.needs}
        return np.stack([p(by_place) for p in self.plans], axis=1)


def _plan(index: Formula, given: Mapping[str, str | float], own: Sequence[Band], dtype: str) -> _Plan:
    if thermal := sorted(_THERMAL & set(index.letters)):
        raise UnitError(
            rule="indices are computed from reflectance alone",
            got=f"{index.name} = {index.text} mixes it with thermal numbers ({', '.join(thermal)}) in a unit of its own",
            remedy="choose an index without a thermal band",
        )
    if unused := sorted(set(given) - set(index.letters)):
        raise BandError(
            rule=f"{index.name} needs the bands {', '.join(index.letters)}",
            got=f"a band for {', '.join(unused)}",
            remedy="name only letters of the formula",
        )
    places = {letter: _place(index, letter, given.get(letter), own) for letter in index.letters}
    _check_units(index, places, own, dtype)
    by_band: dict[int, str] = {}
    for letter, place in places.items():
        if place in by_band and {letter, by_band[place]} != {"N", "N2"}:
            raise BandError(
                rule="each letter of an index has a band of its own",
                got=f"{own[place].name} for {by_band[place]} and {letter}",
                remedy="name the bands, e.g. NDVI[N=B8A R=B04]",
            )
        by_band[place] = letter
    waves = {letter: own[places[letter]].wavelength for _, letter in index.waves}
    if any(math.isnan(w) for w in waves.values()):
        raise BandError(
            rule=f"{index.name} needs the wavelengths of its bands",
            got="bands without",
            remedy="name the sensor (--sensor)",
        )
    decibels = frozenset(x for x in places if x in RADAR and own[places[x]].units == "dB")
    return _Plan(index, places, waves, decibels)


def _place(index: Formula, letter: str, given: str | float | None, own: Sequence[Band]) -> int:
    if given is None:
        place = letter_index(own, letter)
    else:
        try:
            place = nearest(own, float(given))
        except ValueError:
            place = find(own, str(given))
    if place is None:
        what = f"for {letter} ({_range(letter)})" if given is None else f"{given!r} for {letter}"
        there = ", ".join(
            b.name + (f" {b.wavelength:g} nm" if math.isfinite(b.wavelength) else "") for b in list(own)[:16]
        )
        raise BandError(
            rule=f"{index.name} = {index.text} needs the bands {', '.join(index.letters)}",
            got=f"no band {what} among {there}{' ...' if len(own) > 16 else ''}",
            remedy=f"name it, e.g. {index.name}[{letter}=BAND], or choose an index of the bands there are",
        )
    return place


def _range(letter: str) -> str:
    return f"{LETTERS[letter][0]:g}-{LETTERS[letter][1]:g} nm" if letter in LETTERS else "polarisation"


def _check_units(index: Formula, places: Mapping[str, int], own: Sequence[Band], dtype: str) -> None:
    wrong = []
    for letter, place in places.items():
        band = own[place]
        wanted = {"backscatter"} if letter in RADAR else _OPTICAL
        if band.quantity not in wanted or not dtype.startswith("float"):
            wrong.append(f"{band.name} is {band.quantity}")
    if wrong:
        kind = "backscatter" if set(places) & RADAR else "reflectance"
        raise UnitError(
            rule=f"indices are computed from {kind} alone ({index.name} = {index.text})",
            got="; ".join(wrong),
            remedy="settle the unit with --sensor, or with --offset and --scale: physical = (stored + offset) x scale",
        )
    if len({own[p].quantity for p in places.values()}) > 1:
        raise UnitError(
            rule="the bands of an index are one quantity",
            got=", ".join(f"{own[p].name} {own[p].quantity}" for p in places.values()),
            remedy="use bands of one processing level",
        )


@dataclass(frozen=True)
class IndexSource:
    """A lazy Source (T, indices, H, W) over a cube: each window reads the bands it needs and no more."""

    da: xr.DataArray
    indices: Indices

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, indices, H, W)."""
        return self.da.sizes.get("time", 1), len(self.indices.plans), self.da.sizes["y"], self.da.sizes["x"]

    @property
    def dtype(self) -> np.dtype:
        """Always float32."""
        return np.dtype(np.float32)

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """Indices of a window."""
        plans = [self.indices.plans[i] for i in bands]
        wanted = sorted({place for p in plans for place in p.places.values()})
        part = self.da.variable.isel(band=wanted, y=rows, x=columns)
        if "time" in part.dims:
            part = part.isel(time=list(dates))
        values = np.asarray(part.values)
        values = values if values.ndim == 4 else values[None]
        by_place = {place: values[:, i] for i, place in enumerate(wanted)}
        return np.stack([p(by_place) for p in plans], axis=1)


def _gsd(own: Sequence[Band], one: _Plan) -> float:
    known = [own[p].gsd for p in one.places.values() if math.isfinite(own[p].gsd)]
    return max(known) if known else math.nan


def _cube(da: xr.DataArray, indices: Indices, own: Sequence[Band]) -> xr.DataArray:
    import xarray as xr

    n = len(indices.titles)
    values = xr.Variable(("time", "band", "y", "x"), lazy(IndexSource(da, indices)))
    if "time" not in da.dims:
        values = values.isel(time=0)
    coords: dict[str, Any] = {k: c for k, c in da.coords.items() if "band" not in c.dims}
    nan = np.full(n, np.nan)
    coords |= {
        "band": list(indices.titles),
        "wavelength": ("band", nan),
        "fwhm": ("band", nan),
        "gsd": ("band", np.array([_gsd(own, p) for p in indices.plans])),
        "quantity": ("band", np.full(n, "index")),
        "units": ("band", np.full(n, "1")),
        "nodata": ("band", nan),
    }
    out = xr.DataArray(values._data, dims=values.dims, coords=coords)
    kept = {k: da.attrs[k] for k in ("sensor", "resampling", "simulated") if k in da.attrs}
    out.attrs = kept | {
        "formulas": "; ".join(f"{t} = {p.formula.text}" for t, p in zip(indices.titles, indices.plans, strict=True)),
        "references": " ".join(dict.fromkeys(p.formula.reference for p in indices.plans)),
        "made_from": " ".join(own[i].name for i in indices.needs),
    }
    return contract.validate(out if not da.variable._in_memory else out.load())
