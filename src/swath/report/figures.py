"""Pictures for a report: scenes in colours by wavelength, maps in their classes' colours, as small images in text
form.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.earth.colour import Colour, ramp
from swath.sample.window import bands_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "Cutter", "Picture", "class_picture", "data_uri", "hatched", "number_picture", "outside_picture",
    "read_band", "scene_picture", "set_size_picture", "thin_of",
    "three_of", "with_alpha",
]  # fmt: skip

LONGEST = 900
RGB_NM = (655.0, 560.0, 480.0)
FALSE_NM = (860.0, 655.0, 560.0)
REACH_NM = 70.0


@dataclass(frozen=True, slots=True)
class Picture:
    """A small image. pixels (h, w, 3 or 4) uint8; step = scene pixels a picture pixel; words = what is shown and
    how.
    """

    pixels: np.ndarray
    step: int
    words: str


def thin_of(shape: tuple[int, int], longest: int = LONGEST) -> int:
    """Every how many-th pixel keeps a picture within `longest`."""
    return max(1, -(-max(shape) // longest))


def scene_picture(cubes: Mapping[str, xr.DataArray], *, longest: int = LONGEST) -> Picture:
    """The scene in colours a person knows: red, green and blue by wavelength, else near infrared, else radar, else
    grey.

    Of several dates the one with the most usable pixels (seen on a coarse grid); stretched from the 2nd to the 98th
    percentile of each band. Missing pixels are transparent.
    """
    name = max(cubes, key=lambda n: _rank(cubes[n]))
    da = cubes[name]
    bands, words = _three(da)
    shape = (da.sizes["y"], da.sizes["x"])
    step = thin_of(shape, longest)
    date = 0
    if "time" in da.dims and da.sizes["time"] > 1:
        date = _clearest(da, bands[0])
    part = da.isel(band=bands)
    if "time" in part.dims:
        words += f", {np.datetime_as_string(part.coords['time'].values[date], unit='D')}"
        part = part.isel(time=date)
    values = _coarse(part, step)
    image = np.zeros((*values.shape[1:], 4), np.uint8)
    good = np.isfinite(values).all(axis=0)
    for i, plane in enumerate(values):
        image[..., i] = _stretched(plane, good)
    image[..., 3] = np.where(good, 255, 0)
    return Picture(image, step, f"{name}: {words}" if name else words)


@dataclass(frozen=True, slots=True)
class Cutter:
    """Small pictures of parts of one scene, all stretched alike. ends: (3, 2) values of black and white by band."""

    da: Any
    ends: np.ndarray

    @classmethod
    def of(cls, cubes: Mapping[str, xr.DataArray], *, date: str | None = None) -> Cutter:
        """The colours of `scene_picture`; of several dates the one nearest to `date`, else the clearest."""
        da = cubes[max(cubes, key=lambda n: _rank(cubes[n]))]
        bands, _ = _three(da)
        if "time" in da.dims:
            at = _clearest(da, bands[0]) if da.sizes["time"] > 1 and date is None else 0
            if date is not None:
                at = int(np.abs(da.coords["time"].values - np.datetime64(date)).argmin())
            da = da.isel(time=at)
        da = da.isel(band=bands)
        values = _coarse(da, thin_of((da.sizes["y"], da.sizes["x"]), 128))
        good = np.isfinite(values).all(axis=0)
        ends = [np.percentile(plane[good], [2, 98]) if good.any() else np.array([0.0, 1.0]) for plane in values]
        if da.dtype == np.uint8:  # a picture made to be looked at
            ends = [np.array([0.0, 255.0])] * len(ends)
        return cls(da, np.array(ends))

    def cut(self, rows: slice, columns: slice, *, longest: int = 160) -> np.ndarray:
        """(h, w, 4) uint8 of a window; what is missing is transparent."""
        part = self.da.isel(y=rows, x=columns)
        values = _coarse(part, thin_of((part.sizes["y"], part.sizes["x"]), longest))
        good = np.isfinite(values).all(axis=0)
        low, high = self.ends[:, 0, None, None], self.ends[:, 1, None, None]
        share = np.clip((np.nan_to_num(values) - low) / np.where(high > low, high - low, 1.0), 0, 1)
        share = share if self.da.dtype == np.uint8 else share**0.8
        image = np.zeros((*good.shape, 4), np.uint8)
        image[..., :3] = np.round(255 * share).astype(np.uint8).transpose(1, 2, 0)
        image[..., 3] = np.where(good, 255, 0)
        return image


def three_of(cubes: Mapping[str, xr.DataArray]) -> tuple[str, list[int], str]:
    """Which cube and which three of its bands `scene_picture` shows as red, green and blue, and in words."""
    name = max(cubes, key=lambda n: _rank(cubes[n]))
    bands, words = _three(cubes[name])
    return name, bands, words


def _rank(da: xr.DataArray) -> tuple[int, int]:
    nm = da.coords["wavelength"].values
    visible = sum(bool((np.abs(nm - w) < REACH_NM).any()) for w in RGB_NM)
    return visible, da.sizes["band"]


def _three(da: xr.DataArray) -> tuple[list[int], str]:
    bands = bands_of(da)
    nm = np.array([b.wavelength for b in bands])
    for wanted, words in ((RGB_NM, "natural colours"), (FALSE_NM, "false colours, near infrared as red")):
        gap = np.abs(nm[None] - np.array(wanted)[:, None])
        gap[~np.isfinite(gap)] = np.inf
        pick = gap.argmin(axis=1)
        if (gap.min(axis=1) < REACH_NM).all() and len(set(pick.tolist())) == 3:
            return pick.tolist(), words + f" ({', '.join(bands[i].name for i in pick)})"
    if len(bands) >= 3:
        return [0, 1, 2], f"bands {', '.join(bands[i].name for i in range(3))} as red, green, blue"
    if len(bands) == 2:
        return [0, 1, 1], f"bands {bands[0].name} as red, {bands[1].name} as green and blue"
    return [0, 0, 0], f"band {bands[0].name} in grey"


def _clearest(da: xr.DataArray, band: int) -> int:
    """The date with the most usable pixels in 16 small windows: among many dates, 24 spread over time are looked at."""
    dates = np.unique(np.linspace(0, da.sizes["time"] - 1, 24).astype(int))
    size = [min(32, da.sizes[d]) for d in ("y", "x")]
    rows, columns = (np.unique(np.linspace(0, da.sizes[d] - n, 4).astype(int)) for d, n in zip("yx", size, strict=True))
    shares = []
    for t in dates:
        date = da.isel(band=[band], time=int(t))
        spots = [date.isel(y=slice(r, r + size[0]), x=slice(c, c + size[1])) for r in rows for c in columns]
        shares.append(float(np.mean([np.isfinite(_coarse(spot, 1)).mean() for spot in spots])))
    return int(dates[int(np.argmax(shares))])


def _coarse(part: xr.DataArray, step: int) -> np.ndarray:
    """(band, h, w) float with NaN where missing or flagged: every step-th row and column, a strip at a time."""
    rows = []
    height = part.sizes["y"]
    strip = max(step, 512 // step * step)
    nodata = part.coords["nodata"].values.astype(float)[:, None, None]
    for top in range(0, height, strip):
        piece = part.isel(y=slice(top, min(height, top + strip)))
        stored = np.asarray(piece.values)[:, step // 2 :: step, step // 2 :: step]
        values = stored.astype(np.float64)
        if stored.dtype.kind in "iu":
            values[stored == nodata] = np.nan
        if "flag" in piece.coords:
            flag = np.asarray(piece.coords["flag"].values)[step // 2 :: step, step // 2 :: step]
            values[:, flag != 0] = np.nan
        rows.append(values)
    out = np.concatenate(rows, axis=1)
    out[~np.isfinite(out)] = np.nan
    return np.asarray(out)


def _stretched(plane: np.ndarray, good: np.ndarray) -> np.ndarray:
    if not good.any():
        return np.zeros(plane.shape, np.uint8)
    low, high = np.percentile(plane[good], [2, 98])
    span = high - low if high > low else 1.0
    with np.errstate(invalid="ignore"):
        share = np.clip((plane - low) / span, 0, 1) ** 0.8
    return np.where(good, np.round(255 * np.nan_to_num(share)), 0).astype(np.uint8)


def read_band(path: str | Path, band: int, longest: int = LONGEST) -> tuple[np.ndarray, np.ndarray, int]:
    """A band of a raster on a coarse grid (nearest, from overviews where there are any): values, valid, step."""
    import rasterio

    with rasterio.open(path) as file:
        step = thin_of(file.shape, longest)
        size = (-(-file.height // step), -(-file.width // step))
        got = file.read(band, out_shape=size, masked=True)
    values = np.asarray(got.filled(0 if got.dtype.kind in "iu" else np.nan))
    valid = ~np.ma.getmaskarray(got)
    if values.dtype.kind == "f":
        valid &= np.isfinite(values)
    return values, valid, step


def class_picture(path: str | Path, colours: Mapping[int, Colour], *, longest: int = LONGEST) -> Picture:
    """A map of classes in its colours {code: (r, g, b)}; no data is transparent."""
    values, valid, step = read_band(path, 1, longest)
    table = np.full((int(max([*colours, int(values.max())])) + 1, 3), 128, np.uint8)
    for code, colour in colours.items():
        table[code] = colour
    return Picture(with_alpha(table[values], valid & (values > 0)), step, "class of each pixel")


def with_alpha(rgb: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """(h, w, 4): opaque where valid."""
    return np.dstack([rgb, np.where(valid, 255, 0).astype(np.uint8)])


def set_size_picture(path: str | Path, classes: int, *, longest: int = LONGEST) -> Picture:
    """Doubt of a map of classes: pale where one class is left, dark red where many are; hatched outside what labels
    cover.
    """
    size, valid, step = read_band(path, 1, longest)
    outside = _outside(path, 2, longest)
    shades = np.array(ramp("doubt", 256), np.uint8)
    top = max(2, min(classes, 6))
    share = np.clip((size.astype(float) - 1) / (top - 1), 0, 1)
    rgb = shades[np.round(share * 255).astype(int)]
    rgb[(size == 0) & valid] = (70, 70, 110)
    return Picture(
        hatched(with_alpha(rgb, valid), outside), step, f"classes that cannot be ruled out, 1 to {top} or more"
    )


def outside_picture(path: str | Path, *, longest: int = LONGEST) -> Picture:
    """Doubt of a map of numbers: what lies outside the area of applicability, hatched."""
    values, valid, step = read_band(path, 1, longest)
    rgb = np.full((*values.shape, 3), ramp("doubt", 2)[0], np.uint8)
    return Picture(hatched(with_alpha(rgb, valid), (values == 1) & valid), step, "hatched: unlike any label")


def _outside(path: str | Path, band: int, longest: int) -> np.ndarray:
    values, valid, _ = read_band(path, band, longest)
    return np.asarray((values == 1) & valid)


def hatched(rgba: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Dark lines over the pixels `where`."""
    y, x = np.indices(where.shape)
    line = where & ((y + x) % 5 < 2)
    rgba[line] = (60, 60, 70, 255)
    return np.asarray(rgba)


def number_picture(path: str | Path, *, band: int = 1, longest: int = LONGEST) -> tuple[Picture, float, float]:
    """A map of numbers from blue to yellow, and the values (2nd and 98th percentile) at the ends of the ramp."""
    values, valid, step = read_band(path, band, longest)
    low, high = (float(v) for v in np.percentile(values[valid], [2, 98])) if valid.any() else (0.0, 1.0)
    span = high - low if high > low else 1.0
    shades = np.array(ramp("sequence", 256), np.uint8)
    share = np.clip((np.where(valid, values, low) - low) / span, 0, 1)
    return Picture(with_alpha(shades[np.round(share * 255).astype(int)], valid), step, "estimated value"), low, high


def data_uri(pixels: np.ndarray, *, photo: bool = False) -> str:
    """An image (h, w, 3 or 4) uint8 as a data URI: PNG, or JPEG for photographs without holes."""
    from PIL import Image

    stream = io.BytesIO()
    whole = pixels.shape[2] == 3 or bool((pixels[..., 3] == 255).all())
    if photo and whole and pixels.size > 4 * 250_000:
        Image.fromarray(np.ascontiguousarray(pixels[..., :3])).save(stream, "JPEG", quality=86)
        kind = "jpeg"
    else:
        _png(np.ascontiguousarray(pixels[..., :3] if whole else pixels), stream)
        kind = "png"
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def _png(pixels: np.ndarray, stream: io.BytesIO) -> None:
    """A PNG; with up to 256 colours as indices into a palette, which takes a quarter of the bytes."""
    from PIL import Image

    depth = pixels.shape[2]
    key = pixels.astype(np.int64) @ (256 ** np.arange(depth - 1, -1, -1))
    if depth == 4:
        key[pixels[..., 3] == 0] = 0
    keys, index = np.unique(key, return_inverse=True)
    if len(keys) > 256:
        Image.fromarray(pixels).save(stream, "PNG", optimize=True)
        return
    channels = np.stack([keys // 256**i % 256 for i in range(depth - 1, -1, -1)], axis=1)
    image = Image.fromarray(index.reshape(key.shape).astype(np.uint8), mode="P")
    image.putpalette(channels[:, :3].ravel().tolist())
    more = {"transparency": bytes(channels[:, 3].astype(np.uint8))} if depth == 4 else {}
    image.save(stream, "PNG", optimize=True, **more)
