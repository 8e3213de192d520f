"""A small picture of a scene: true colour where the bands allow it, stretched between 2 and 98 per cent, missing clear."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from swath.cube.contract import FLAGS
from swath.cube.scene import Piece
from swath.cube.sources import coarse
from swath.earth.recognise import letter_index
from swath.errors import OutputError

__all__ = ["quicklook", "write_png"]


def quicklook(piece: Piece, path: Path, *, side: int = 1024) -> tuple[Path, str]:
    """Write a PNG of at most `side` pixels; returns its path and a sentence on what it shows.

    Raises OutputError when it cannot be written.
    """
    t, _, height, width = piece.source.shape
    shrink = max(1.0, max(height, width) / side)
    size = max(1, round(height / shrink)), max(1, round(width / shrink))
    bands, words = _colours(piece)
    date = _clearest(piece)
    values = coarse(piece.source, [date], bands, *size)[0].astype(np.float32)
    missing = _missing(values, piece, bands)
    if piece.flag is not None:
        missing |= coarse(piece.flag, [date], [0], *size)[0, 0] == FLAGS["never_seen"]
    image = np.zeros((4, *size), np.uint8)
    image[:3] = _stretch(values, missing)
    image[3] = np.where(missing, 0, 255)
    write_png(path, image)
    when = f", {str(piece.time[date])[:10]}" if piece.time is not None and t > 1 else ""
    return path, f"quicklook {path}: {words}{when}, stretched between 2 and 98 %"


def _colours(piece: Piece) -> tuple[list[int], str]:
    found = [letter_index(piece.bands, letter) for letter in ("R", "G", "B")]
    if all(i is not None for i in found) and len(set(found)) == 3:
        index = [i for i in found if i is not None]
        return index, "true colour " + ", ".join(piece.bands[i].name for i in index)
    return [0], f"band {piece.bands[0].name}"


def _clearest(piece: Piece, most: int = 60) -> int:
    """The date with the most usable pixels by its flag, of at most `most`; without flags the one with fewest gaps."""
    t = piece.source.shape[0]
    if t == 1:
        return 0
    dates = sorted(set(np.linspace(0, t - 1, min(t, most)).astype(int).tolist()))
    side = (min(48, piece.source.shape[2]), min(48, piece.source.shape[3]))
    if piece.flag is not None:
        good = (coarse(piece.flag, dates, [0], *side) == 0).mean(axis=(1, 2, 3))
    else:
        values = coarse(piece.source, dates, [0], *side)
        good = np.array([1.0 - _missing(v, piece, [0]).mean() for v in values])
    return int(dates[int(np.argmax(good))])


def _missing(values: np.ndarray, piece: Piece, bands: list[int]) -> np.ndarray:
    """(H, W) bool: not finite or nodata in any of the bands."""
    gone: np.ndarray = ~np.isfinite(values).all(axis=0)
    for i, b in enumerate(bands):
        if np.isfinite(piece.empty[b]):
            gone |= values[i] == piece.empty[b]
    return gone


def _stretch(values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """(3, H, W) uint8; one band becomes grey; a constant one mid grey."""
    out = np.zeros((3, *missing.shape), np.uint8)
    for k in range(3):
        band = values[min(k, len(values) - 1)]
        seen = band[~missing]
        if not seen.size:
            continue
        low, high = np.percentile(seen, [2, 98])
        scaled = (band - low) / (high - low) * 255 if high > low else np.full(band.shape, 127.0)
        out[k] = np.clip(np.nan_to_num(scaled), 0, 255).astype(np.uint8)
    return out


def write_png(path: Path, image: np.ndarray) -> None:
    """Write (bands, H, W) uint8 as PNG, aside and renamed. Raises OutputError."""
    import warnings

    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    bands, height, width = image.shape
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(aside, "w", driver="PNG", width=width, height=height, count=bands, dtype="uint8") as out:
                out.write(image)
        os.replace(aside, path)
    except (OSError, RasterioError) as error:
        aside.unlink(missing_ok=True)
        raise OutputError(
            rule="the picture is written where --quicklook says",
            got=f"{path}: {error}",
            remedy="name a PNG in a folder that exists",
        ) from error
