"""How SChanger scales what it is given: bands found by wavelength or name, units checked, each date by its own numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from swath.batch import Pixels
from swath.earth.sensor import Band
from swath.errors import BandError, SwathError, UnitError
from swath.models.bands import Wanted, columns

__all__ = ["PUBLISHED", "TABLES", "Scaling", "measure", "named", "published"]

# Means and deviations of RGB / 255 on both dates of each training set: the mean over training pictures of the mean and of
# the deviation of one (evaluation/normalization of zhouziyu-cn/SChanger). Rows: before mean, deviation; after mean, deviation.
TABLES: dict[str, tuple[tuple[float, float, float], ...]] = {
    "levir": ((0.450260, 0.446668, 0.381347), (0.192589, 0.181647, 0.169087),
              (0.345523, 0.338196, 0.288815), (0.144336, 0.140168, 0.132767)),
    "levir_plus": ((0.446480, 0.442535, 0.377722), (0.173938, 0.164157, 0.152074),
                   (0.341493, 0.334707, 0.285607), (0.128414, 0.124891, 0.117564)),
    "s2looking": ((0.175656, 0.207904, 0.203985), (0.049154, 0.044471, 0.038774),
                  (0.205953, 0.220245, 0.212459), (0.045972, 0.037465, 0.029996)),
    "cdd": ((0.353894, 0.391042, 0.343066), (0.153336, 0.154792, 0.142906),
            (0.473244, 0.498616, 0.468731), (0.160683, 0.163959, 0.157589)),
    "sysu": ((0.396596, 0.528462, 0.465400), (0.202135, 0.158112, 0.152967),
             (0.402024, 0.487661, 0.398957), (0.182353, 0.156827, 0.154372)),
    "whu": ((0.490689, 0.449112, 0.393020), (0.143358, 0.138292, 0.137561),
            (0.491401, 0.490355, 0.469809), (0.181708, 0.171959, 0.178498)),
}  # fmt: skip
PUBLISHED = tuple(f"schanger_{size}_{data}.pth" for size in ("small", "base") for data in (*TABLES, "pretrain"))
_DATES = ("before", "after")


@dataclass(frozen=True)
class Scaling:
    """Bands in the order of the network, and (value - mean) / deviation of each date in the bands' own unit.

    mean, deviation: {"before": [...], "after": [...]}. The numbers belong to pictures of that date, not to the place where the
    network takes them: they go with a picture when dates are swapped. source: what they were measured on, in words.
    """

    bands: tuple[Band, ...]
    mean: Mapping[str, Sequence[float]]
    deviation: Mapping[str, Sequence[float]]
    source: str

    @property
    def names(self) -> tuple[str, ...]:
        """Band names in order."""
        return tuple(b.name for b in self.bands)

    @property
    def quantities(self) -> tuple[str, ...]:
        """Quantities that occur, in order."""
        return tuple(dict.fromkeys(b.quantity for b in self.bands))

    def columns(self, bands: Sequence[Band]) -> list[int]:
        """Which of these bands the network takes. Raises BandError for a missing one, UnitError for another quantity or unit."""
        wanted = [Wanted(b.name, b.wavelength, 40.0, b.polarisation, tuple(b.aliases)) for b in self.bands]
        found = columns(bands, wanted)
        if missing := [w.name for w, i in zip(wanted, found, strict=True) if i is None]:
            raise BandError(
                rule=f"the network reads the bands {', '.join(self.names)}",
                got=f"{', '.join(b.name for b in bands)}, without {', '.join(missing)}",
                remedy="give pictures with these bands",
            )
        taken = [int(i) for i in found if i is not None]
        for want, i in zip(self.bands, taken, strict=True):
            have = bands[i]
            if have.quantity != want.quantity or (have.units or "1") != (want.units or "1"):
                raise UnitError(
                    rule=f"the network reads {want.name} as {want.quantity} in {want.units or '1'}",
                    got=f"{have.quantity} in {have.units or '1'}",
                    remedy="settle the unit with --scale and --offset, or use a network trained on this one",
                )
        return taken

    def __call__(self, pixels: Pixels, date: str) -> Tensor:
        """(B, C, H, W) float32 in deviations, 0 where a value is not valid. Raises SwathError unless there is one date."""
        if pixels.values.shape[1] != 1:
            raise SwathError(
                rule="a pair is one date before and one after",
                got=f"{pixels.values.shape[1]} dates {date}",
                remedy="choose one with --dates, or make a composite",
            )
        at = self.columns(pixels.bands)
        values, valid = _tensor(pixels.values)[:, 0, at].float(), _tensor(pixels.valid)[:, 0, at]
        mean, deviation = (
            torch.tensor(list(kind[date]), dtype=torch.float32, device=values.device)[:, None, None]
            for kind in (self.mean, self.deviation)
        )
        return torch.where(valid, (torch.where(valid, values, 0.0) - mean) / deviation, 0.0)

    def to_json(self) -> dict[str, Any]:
        """Plain values for a file; NaN wavelengths are None."""
        plain = [{k: _plain(v) for k, v in asdict(b).items() if k in _KEPT} for b in self.bands]
        each = {d: {"mean": list(self.mean[d]), "deviation": list(self.deviation[d])} for d in _DATES}
        return {"bands": plain, **each, "source": self.source}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Scaling:
        """The inverse of `to_json`."""
        bands = tuple(
            Band(**{k: math.nan if v is None else tuple(v) if isinstance(v, list) else v for k, v in b.items()})
            for b in record["bands"]
        )
        mean, deviation = ({d: record[d][kind] for d in _DATES} for kind in ("mean", "deviation"))
        return cls(bands, mean, deviation, str(record.get("source", "")))


def _tensor(values: Any) -> Tensor:
    return torch.as_tensor(np.ascontiguousarray(values) if isinstance(values, np.ndarray) else values)


_KEPT = ("name", "wavelength", "fwhm", "gsd", "quantity", "units", "polarisation", "aliases")


def _plain(value: Any) -> Any:
    return (
        None if isinstance(value, float) and math.isnan(value) else list(value) if isinstance(value, tuple) else value
    )


def measure(pixels: Sequence[Pixels], *, source: str) -> Scaling:
    """Mean and deviation of each band over all valid values of all dates: both dates are scaled alike.

    pixels: of both dates, all with the same bands, in physical values: where one sensor saw both, what differs between the dates
    is the ground, the season or the light, and stays to be seen. Raises SwathError without valid values.
    """
    bands = pixels[0].bands
    sums = np.zeros((3, len(bands)))
    for p in pixels:
        values, valid = np.asarray(p.values, np.float64), np.asarray(p.valid)
        values = np.where(valid, values, 0.0)
        over = (0, 1, 3, 4)
        sums += np.stack([valid.sum(over), values.sum(over), np.square(values).sum(over)])
    if not (sums[0] > 0).all():
        lost = [b.name for b, n in zip(bands, sums[0], strict=True) if n == 0]
        raise SwathError(
            rule="every band has valid values to be scaled by", got=f"none in {', '.join(lost)}", remedy="leave it out"
        )
    mean = sums[1] / sums[0]
    variance = np.maximum(sums[2] / sums[0] - mean**2, 0.0)
    deviation = np.where(variance > 1e-12 * np.maximum(1.0, mean**2), np.sqrt(variance), 1.0)
    m, d = [float(v) for v in mean], [float(v) for v in deviation]
    return Scaling(bands, dict.fromkeys(_DATES, m), dict.fromkeys(_DATES, d), source)


def named(path: str | Path) -> str | None:
    """The training set that a published file's name tells, None where it tells none."""
    stem = Path(path).stem
    for size in ("small", "base"):
        if stem.startswith(f"schanger_{size}_"):
            return stem.removeprefix(f"schanger_{size}_")
    return None


def published(data: str | None, *, single: bool) -> dict[str, Any]:
    """The scaling that belongs to published weights, as statistics of a file. Raises SwathError with all names.

    Files of the single-date pretraining say no table of theirs: they take that of LEVIR unless `data` names another, and say so.
    """
    said = data
    if data == "pretrain" or (data is None and single):
        data, said = "levir", "levir, by assumption: none is published for the pretraining set"
    if data not in TABLES:
        raise SwathError(
            rule="published weights are scaled by the means of their training set, which their file's name tells",
            got=str(data),
            remedy=f"name it as published ({', '.join(PUBLISHED)}), or say data= one of {', '.join(TABLES)}",
        )
    rows = [[255.0 * v for v in row] for row in TABLES[data]]
    bands = tuple(Band(name, quantity="digital_number", units="1") for name in ("red", "green", "blue"))
    mean, deviation = dict(zip(_DATES, rows[::2], strict=True)), dict(zip(_DATES, rows[1::2], strict=True))
    return Scaling(bands, mean, deviation, f"8-bit pictures, table of {said}").to_json()
