"""Pixel features from several sensors and dates, in small named groups: fitted once, the same in every window.

Groups: spectra (every date's bands, gaps filled; a season as level and shape), indices (normalised differences, from
reflectance only), components (minimum noise fraction), space (components smoothed at several scales), profile
(openings and closings), texture, season (statistics over time and harmonics), tokens (of an Encoder). Layers of one
sensor are in `layers`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.baseline import layers as layering
from swath.baseline import spatial, spectral
from swath.baseline.sampling import Sample, lay, sample_windows
from swath.baseline.threads import one_thread
from swath.baseline.tokens import TokenPlanes
from swath.batch import Batch, Encoder
from swath.errors import BandError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["GROUPS", "GUIDES", "Features"]

GROUPS = ("spectra", "indices", "season", "components", "space", "profile", "texture", "tokens")
SCALES = (1.0, 2.0, 4.0, 8.0)
RADII = (2, 4, 6, 8)
GRAINS = (1.5, 3.0)
COMPONENTS = 20
PROFILED = 6
GUIDES = 3


@dataclass(frozen=True, slots=True)
class Features:
    """What was fitted: sensors, components, which groups. Callable on a Batch; see `fit`.

    groups: the ones computed, in the order of GROUPS. guide (3,): factors that turn the first components into a guide
    for edge-aware smoothing, in which neighbours typically differ by one. flat: points without neighbours.
    """

    sensors: tuple[layering.Layers, ...]
    components: spectral.Components
    guide: np.ndarray
    groups: tuple[str, ...]
    flat: bool = False
    tokens: TokenPlanes | None = None

    @classmethod
    def fit(
        cls,
        cubes: Mapping[str, xr.DataArray],
        *,
        names: Sequence[str] | None = None,
        seed: int = 0,
        encoder: Encoder | None = None,
    ) -> Features:
        """Learn dates, usual values and components from a seeded sample of windows of the scene; no labels are used.

        cubes: aligned cubes by sensor name, on (y, x) or `place`. names: the groups wanted, all that apply by default.
        Raises BandError when a sensor holds no value or a group is unknown.
        """
        if wrong := set(names or ()) - set(GROUPS):
            raise BandError(
                rule=f"feature groups are {', '.join(GROUPS)}", got=", ".join(sorted(wrong)), remedy="check names"
            )
        flat = any("place" in da.dims for da in cubes.values())
        sample = sample_windows(lay(cubes), seed)
        sensors = tuple(layering.fit_layers(n, [b.pixels[n] for b in sample.batches]) for n in cubes)
        stacks = [_stacked(sensors, b) for b in sample.batches]
        spectra, difference = _spectra(sample, stacks, flat)
        with one_thread():
            components = spectral.fit_components(spectra, difference, COMPONENTS)
        guide = np.ones(min(GUIDES, components.weight.shape[1]), np.float32)
        if difference is not None:
            guide = _guide_scale(spectra, difference, components)
        tokens = None if encoder is None else TokenPlanes.fit(encoder, sample.batches[0])
        fitted = cls(sensors, components, guide, GROUPS, flat, tokens)
        wanted = tuple(g for g in GROUPS if (names is None or g in names) and fitted.size(g))
        return replace(fitted, groups=wanted)

    def only(self, groups: Sequence[str]) -> Features:
        """The same fit, computing only these groups."""
        return replace(self, groups=tuple(g for g in self.groups if g in groups))

    def size(self, group: str) -> int:
        """How many features a group has; 0 where it does not apply."""
        return len(self.group_names(group))

    @property
    def reach(self) -> int:
        """How many pixels around a pixel its features look, a multiple of `align`."""
        pixels = [0]
        if "space" in self.groups:
            pixels.append(max(spatial.gaussian_reach(s) for s in SCALES))
        if "profile" in self.groups:
            pixels.append(max(spatial.disk_reach(r) for r in RADII))
        if "texture" in self.groups:
            pixels.append(max(spatial.gaussian_reach(s) for s in GRAINS))
        if "tokens" in self.groups and self.tokens is not None:
            pixels.append(self.tokens.reach)
        return -(-max(pixels) // self.align) * self.align

    @property
    def align(self) -> int:
        """Windows must start at multiples of this pixel (1 unless an Encoder works in tiles)."""
        return self.tokens.core if self.tokens is not None and "tokens" in self.groups else 1

    @property
    def names(self) -> list[str]:
        """Name of each feature, in order."""
        return [name for g in self.groups for name in self.group_names(g)]

    def columns(self, groups: Sequence[str]) -> np.ndarray:
        """Positions of these groups' features among all that are computed."""
        at, start = [], 0
        for g in self.groups:
            size = self.size(g)
            if g in groups:
                at.append(np.arange(start, start + size))
            start += size
        return np.concatenate(at) if at else np.empty(0, int)

    def group_names(self, group: str) -> list[str]:
        """Names of one group's features; empty where the group does not apply."""
        parts = [f"component{i + 1}" for i in range(self.components.weight.shape[1])]
        if group == "components":
            return parts
        if group == "spectra":
            return [n for s in self.sensors for n in s.layer_names()]
        if group == "indices":
            return [n for s in self.sensors for n in s.index_names()]
        if group == "season":
            return [n for s in self.sensors if s.seasonal for n in s.season_names()]
        if group == "tokens":
            return self.tokens.names if self.tokens is not None else []
        if self.flat:
            return []
        if group == "space":
            return [f"{p}:mean{s:g}px" for s in SCALES for p in parts]
        if group == "profile":
            return [f"{p}:{k}{r}px" for r in RADII for k in ("opening", "closing") for p in parts[:PROFILED]]
        return [f"{p}:spread{s:g}px" for s in GRAINS for p in parts[:PROFILED]]

    def __call__(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """Features (B, F, H, W) float32, finite everywhere; valid (B, H, W): pixels that every sensor saw.

        Raises BandError or UnitError when the Batch is not what was learned.
        """
        for s in self.sensors:
            if s.sensor not in batch.pixels:
                raise BandError(
                    rule=f"the sensors {', '.join(s.sensor for s in self.sensors)} were learned",
                    got=", ".join(batch.pixels),
                    remedy=f"give a scene of {s.sensor} too, or train without it",
                )
            s.check(batch.pixels[s.sensor])
        pairs = [self._example(batch, i) for i in range(len(batch))]
        return np.stack([v for v, _ in pairs]), np.stack([m for _, m in pairs])

    def guide_planes(self, values: np.ndarray) -> np.ndarray:
        """(B, 3, H, W): the guide for edge-aware smoothing, from what a call gave (the group components is needed)."""
        at = self.columns(("components",))[: len(self.guide)]
        return np.asarray(values[:, at] * self.guide[: len(at), None, None])

    def _example(self, batch: Batch, i: int) -> tuple[np.ndarray, np.ndarray]:
        series = [s.series(batch.pixels[s.sensor], i) for s in self.sensors]
        valid = np.logical_and.reduce([s.seen(v) for s, (_, v, _) in zip(self.sensors, series, strict=True)])
        stacks = [s.stack(*one) for s, one in zip(self.sensors, series, strict=True)]
        planes = np.concatenate(stacks)
        parts: dict[str, np.ndarray] = {}
        if "spectra" in self.groups:
            parts["spectra"] = np.concatenate([s.told(p) for s, p in zip(self.sensors, stacks, strict=True)])
        if "indices" in self.groups:
            parts["indices"] = np.concatenate([s.index_layers(p) for s, p in zip(self.sensors, stacks, strict=True)])
        if "season" in self.groups:
            seasonal = [(s, one) for s, one in zip(self.sensors, series, strict=True) if s.seasonal]
            parts["season"] = np.concatenate([s.season_layers(*one) for s, one in seasonal])
        if set(self.groups) & {"components", "space", "profile", "texture"}:
            parts |= self._around(self.components(planes), valid)
        if "tokens" in self.groups and self.tokens is not None:
            parts["tokens"] = self.tokens(batch, i)
        out = np.concatenate([parts[g] for g in self.groups])
        return np.where(valid, out, 0).astype(np.float32, copy=False), valid

    def _around(self, c: np.ndarray, valid: np.ndarray) -> dict[str, np.ndarray]:
        parts = {"components": c}
        if "space" in self.groups:
            parts["space"] = np.concatenate([spatial.gaussian(c, valid, s) for s in SCALES])
        if "profile" in self.groups:
            few = c[:PROFILED]
            both = [f(few, valid, r) for r in RADII for f in (spatial.opening, spatial.closing)]
            parts["profile"] = np.concatenate(both)
        if "texture" in self.groups:
            parts["texture"] = np.concatenate([spatial.spread(c[:PROFILED], valid, s) for s in GRAINS])
        return parts

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """A JSON-able record and the arrays that belong to it. An Encoder is named, not kept."""
        record = {
            "groups": list(self.groups),
            "flat": self.flat,
            "sensors": [s.state() for s in self.sensors],
            "tokens": None if self.tokens is None else self.tokens.state(),
        }
        return record, {"guide": self.guide, **self.components.state()}

    @classmethod
    def from_state(
        cls, record: dict[str, Any], arrays: Mapping[str, np.ndarray], *, encoder: Encoder | None = None
    ) -> Features:
        """The inverse of `state`; `encoder` is needed where tokens were features."""
        tokens = None if record["tokens"] is None else TokenPlanes.from_state(record["tokens"], encoder)
        sensors = tuple(layering.Layers.from_state(s) for s in record["sensors"])
        components = spectral.Components(np.asarray(arrays["mean"]), np.asarray(arrays["weight"]))
        return cls(sensors, components, np.asarray(arrays["guide"]), tuple(record["groups"]), record["flat"], tokens)


def _stacked(sensors: Sequence[layering.Layers], batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    series = [s.series(batch.pixels[s.sensor], 0) for s in sensors]
    valid = np.logical_and.reduce([s.seen(v) for s, (_, v, _) in zip(sensors, series, strict=True)])
    return np.concatenate([s.stack(*one) for s, one in zip(sensors, series, strict=True)]), valid


def _spectra(
    sample: Sample, stacks: list[tuple[np.ndarray, np.ndarray]], flat: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Sampled spectra (n, L), and differences between neighbours (m, L) or None for points."""
    spectra = np.concatenate([p[:, v].T for p, v in stacks])
    if not len(spectra):
        raise BandError(
            rule="some pixel must be seen by every sensor", got="none in the sample", remedy="check that scenes overlap"
        )
    spectra = sample.thin(spectra)
    if flat:
        return spectra, None
    across = [(p[:, :, 1:] - p[:, :, :-1])[:, v[:, 1:] & v[:, :-1]].T for p, v in stacks]
    down = [(p[:, 1:] - p[:, :-1])[:, v[1:] & v[:-1]].T for p, v in stacks]
    return spectra, sample.thin(np.concatenate([*across, *down]))


def _guide_scale(spectra: np.ndarray, difference: np.ndarray, components: spectral.Components) -> np.ndarray:
    """Factors for the first components: equal variance, and a typical squared step between neighbours of two."""
    weight = components.weight[:, :GUIDES]
    deviation = ((spectra - components.mean) @ weight).std(0)
    scale = 1 / np.where(deviation > 0, deviation, 1.0)
    step = float(np.median((((difference @ weight) * scale) ** 2).sum(1))) if len(difference) else 1.0
    return np.asarray(scale / np.sqrt(2 * step) if step > 0 else scale, np.float32)
