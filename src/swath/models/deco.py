"""SITS-DECO (04): one small causal decoder over pixel series; the prompt says which task it does.

Barrett and Sow, 2025, arXiv 2510.21813, names the idea; sizes, tokens and heads are this project's own (no code or
weights were published). The trunk is nanoGPT's block; a value is said as mean and log variance of a normal distribution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from swath.batch import Needs
from swath.errors import BandError, SwathError, UnitError
from swath.models.deco_input import SEEN, SYMBOL, TASKS, Packed, Vocabulary
from swath.nn.causal import Cache, Trunk, start

if TYPE_CHECKING:
    from swath.baseline.forecast import Said, Series
    from swath.batch import Batch, Tokens
    from swath.earth.sensor import Band

__all__ = ["FLOOR", "SIZES", "Deco", "heard", "measured"]

SIZES = {"pico": (64, 4, 4), "nano": (192, 6, 6), "micro": (384, 12, 6)}  # width, blocks, heads
FLOOR = -6.0  # of the log variance, in squared deviations of the band: a deviation of a twentieth
LONGEST, SHORTEST = 2920.0, 16.0  # days of the slowest and the fastest rotary turn
PLACES = 1024  # of the learned position by number
_YEAR = 365.25


class Deco(nn.Module):
    """sensors: {name: {"bands": [...], "quantity": [...], "units": [...]}}; tasks: those it is trained on; spaces: {label
    space: [classes]}; statistics: {sensor: {"mean": [...], "std": [...]}} in physical units; position: rotary by days, or a
    learned vector by number; temperature: {space: of the class probabilities}; spread: {task: factor of the deviations};
    dates: the most observations of a sequence in training, to which long series are cut; span: first and last day that it
    was trained on (days since 1970); deviation: of the first random weights, by default wider for narrow networks (0.1 at
    64, GPT-2's 0.02 from 1,600 on): with 170 steps that was worth 4 points of accuracy on made seasons.
    """

    needs = Needs()
    name = "deco"

    def __init__(
        self,
        size: str = "pico",
        *,
        sensors: Mapping[str, Mapping[str, Sequence[str]]],
        tasks: Sequence[str] = TASKS,
        spaces: Mapping[str, Sequence[str]] | None = None,
        statistics: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
        dim: int | None = None,
        depth: int | None = None,
        heads: int | None = None,
        position: Literal["days", "number"] = "days",
        temperature: Mapping[str, float] | None = None,
        spread: Mapping[str, float] | None = None,
        dates: int | None = None,
        span: Sequence[float] | None = None,
        deviation: float | None = None,
    ) -> None:
        super().__init__()
        if size not in SIZES:
            raise SwathError(rule=f"sizes are {', '.join(SIZES)}", got=size, remedy="choose one")
        d, n, h = (given or own for given, own in zip((dim, depth, heads), SIZES[size], strict=True))
        spaces = {k: tuple(v) for k, v in (spaces or {}).items()}
        self.sensors = {k: {n: list(v[n]) for n in ("bands", "quantity", "units")} for k, v in sensors.items()}
        self.vocabulary = Vocabulary(tuple(tasks), tuple(self.sensors), spaces)
        self.temperature = {k: float((temperature or {}).get(k, 1.0)) for k in spaces}
        self.spread = {k: float((spread or {}).get(k, 1.0)) for k in TASKS}
        self.dates, self.span = dates, None if span is None else (float(span[0]), float(span[1]))
        self.width = max(len(s["bands"]) for s in self.sensors.values())
        self.config: dict[str, Any] = {
            "size": size, "dim": d, "depth": n, "heads": h, "position": position, "tasks": list(tasks),
            "sensors": self.sensors, "spaces": {k: list(v) for k, v in spaces.items()}, "dates": dates, "span": self.span,
        }  # fmt: skip
        self.statistics = {
            k: {n: [float(x) for x in v[n]] for n in ("mean", "std")} for k, v in (statistics or {}).items()
        }
        mean, std = self._scaling()
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)
        half = d // h // 2
        turns = LONGEST * (SHORTEST / LONGEST) ** (torch.arange(half) / max(1, half - 1))
        self.register_buffer("rate", 2 * torch.pi / turns, persistent=False)
        self.symbol = nn.Embedding(len(self.vocabulary.symbols), d)
        wide = 2 * self.width
        self.see = nn.ModuleList([_two(wide, d) for _ in self.sensors])
        self.plain = nn.ModuleList([_two(wide, d) for _ in self.sensors])
        self.seen, self.asked = nn.Embedding(len(self.sensors), d), nn.Embedding(len(self.sensors), d)
        self.when, self.ask_when = nn.Linear(6, d, bias=False), nn.Linear(6, d, bias=False)
        self.place = nn.Embedding(PLACES, d) if position == "number" else None
        self.trunk = Trunk(d, n, h)
        self.say_symbol = nn.Linear(d, len(self.vocabulary.symbols), bias=False)
        self.say_value = nn.ModuleList([nn.Linear(d, 3 * self.width) for _ in self.sensors])
        start(self, n, max(0.02, 0.8 / d**0.5) if deviation is None else deviation)
        with torch.no_grad():
            for head in self.say_value:
                head.bias[: self.width] = 2.0  # begins near the plain answer

    def _scaling(self) -> tuple[Tensor, Tensor]:
        mean, std = torch.zeros(len(self.sensors), self.width), torch.ones(len(self.sensors), self.width)
        for i, name in enumerate(self.sensors):
            if name in self.statistics:
                found = self.statistics[name]
                mean[i, : len(found["mean"])] = torch.tensor(found["mean"])
                std[i, : len(found["std"])] = torch.tensor(found["std"]).clamp(min=1e-6)
        return mean, std

    def forward(self, tokens: Packed, cache: Cache | None = None) -> Tensor:
        """(B, N, D): what each token knows, of tensors in a Packed. cache: of the tokens before, which these join."""
        x = self._embedded(tokens)
        angle = None
        if self.place is None:
            angle = tokens.elapsed[..., None] * self.rate
        else:
            first = 0 if cache is None else cache.length[:, None]
            x = x + self.place(
                (first + torch.arange(x.shape[1], device=x.device)).clamp(max=PLACES - 1).expand(x.shape[:2])
            )
        return self.trunk(x, angle, cache, None if cache is None else (tokens.kind != 0).sum(1))

    def _embedded(self, t: Packed) -> Tensor:
        is_symbol, is_seen, asks = t.kind == SYMBOL, t.kind == SEEN, t.ask >= 0
        x = self.symbol(t.symbol) * is_symbol[..., None]
        x = x + self._sensors(self.see, t.values, t.valid, t.sensor, is_seen)
        x = x + self._sensors(self.plain, t.anchor, t.anchored, t.ask.clamp(min=0), asks)
        x = x + self.seen(t.sensor) * is_seen[..., None] + self.asked(t.ask.clamp(min=0)) * asks[..., None]
        x = x + self.when(_times(t.phase, t.elapsed / _YEAR)) * is_seen[..., None]
        ahead = t.ask_elapsed - t.elapsed
        return x + self.ask_when(_times(t.ask_phase, ahead.sign() * (ahead.abs() / 16).log1p())) * asks[..., None]

    def _sensors(self, nets: nn.ModuleList, values: Tensor, valid: Tensor, which: Tensor, use: Tensor) -> Tensor:
        """Vectors of values (B, N, C), each by its sensor's own two layers; 0 where not used."""
        z = torch.where(valid, (values - self.mean[which]) / self.std[which], 0.0)
        both = torch.cat([z, valid.to(z.dtype)], -1)
        out: Tensor | float = 0.0
        for i, net in enumerate(nets):
            out = out + net(both) * (use & (which == i))[..., None]
        return out  # type: ignore[return-value]

    def symbols(self, hidden: Tensor) -> Tensor:
        """(M, V) scores of all symbols."""
        return self.say_symbol(hidden)

    def values(self, hidden: Tensor, sensor: Tensor, anchor: Tensor, anchored: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and log variance (M, C) in deviations of the sensor's bands, and whether the variance lies at its floor.

        hidden (M, D); sensor (M,) that is asked; anchor, anchored (M, C): the plain answer in physical units. The mean is a
        share of the plain answer and what the network adds.
        """
        m, c = len(hidden), self.width
        raw = hidden.new_zeros(m, 3 * c)
        for i, head in enumerate(self.say_value):
            raw = torch.where((sensor == i)[:, None], head(hidden), raw)
        plain = torch.where(anchored, (anchor - self.mean[sensor]) / self.std[sensor], 0.0)
        share, more, spread = raw.split(c, -1)
        mean = torch.sigmoid(share) * plain + more
        return mean, FLOOR + functional.softplus(spread - FLOOR), spread < FLOOR

    def physical(self, mean: Tensor, log_variance: Tensor, sensor: Tensor, task: str) -> tuple[Tensor, Tensor]:
        """Mean and deviation in the bands' units, the deviation widened or narrowed as calibration found."""
        std = self.std[sensor]
        return mean * std + self.mean[sensor], (0.5 * log_variance).exp() * std * self.spread[task]

    def probability(self, hidden: Tensor, space: str) -> Tensor:
        """(M, K): softmax over the classes of one label space alone, at its temperature."""
        scores = self.symbols(hidden)[:, self.vocabulary.classes(space)]
        return torch.softmax(scores / self.temperature[space], -1)

    def encode(self, batch: Batch, levels: Sequence[int] = (-1,)) -> list[Tokens]:
        """A token for every pixel; see `deco_tokens.encode`."""
        from swath.models import deco_tokens

        return deco_tokens.encode(self, batch, levels)

    def fit(self, series: Series) -> Deco:
        """Itself: a trained file learns nothing more from the series it fills. Raises BandError, UnitError for other bands."""
        sensor_of(self, series.bands)
        return self

    def fill(self, series: Series, asked: np.ndarray, others: Mapping[str, Series] | None = None) -> Said:
        """What is hidden at `asked` (N, T); see `deco_say.fill`."""
        from swath.models import deco_say

        return deco_say.fill(self, series, asked, others)

    def forecast(self, series: Series, days: np.ndarray, draws: int = 1) -> Said:
        """What comes on `days`; see `deco_say.forecast`."""
        from swath.models import deco_say

        return deco_say.forecast(self, series, days, draws)

    def translate(self, given: Series | Mapping[str, Series], sensor: str, days: np.ndarray) -> Said:
        """What another sensor would have seen on `days`; see `deco_say.translate`."""
        from swath.models import deco_say

        return deco_say.translate(self, given, sensor, days)

    def classify(self, given: Series | Mapping[str, Series], space: str | None = None) -> np.ndarray:
        """(N, K) probabilities of classes; see `deco_say.classify`."""
        from swath.models import deco_say

        return deco_say.classify(self, given, space)


def _two(wide: int, dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(wide, dim), nn.GELU(approximate="tanh"), nn.Linear(dim, dim))


def _times(phase: Tensor, other: Tensor) -> Tensor:
    """(..., 6): two turns a year as sine and cosine, another number, and 1 where there is a date."""
    known = torch.isfinite(phase)
    angle = 2 * torch.pi * torch.nan_to_num(phase)
    parts = [angle.sin(), angle.cos(), (2 * angle).sin(), (2 * angle).cos(), other, torch.ones_like(angle)]
    return torch.stack(parts, -1) * known[..., None]


def measured(series: Mapping[str, Series]) -> dict[str, dict[str, list[float]]]:
    """Mean and deviation of the valid values of each sensor's bands, as `statistics` takes them."""
    out: dict[str, dict[str, list[float]]] = {}
    for name, one in series.items():
        columns = [one.values[..., c][one.valid[..., c]].astype(np.float64) for c in range(len(one.bands))]
        mean = [float(v.mean()) if len(v) else 0.0 for v in columns]
        std = [float(max(v.std(), 1e-6)) if len(v) else 1.0 for v in columns]
        out[name] = {"mean": mean, "std": std}
    return out


def heard(bands: Sequence[Band]) -> dict[str, list[str]]:
    """What is kept of a sensor's bands: names, quantities, units."""
    return {
        "bands": [b.name for b in bands],
        "quantity": [b.quantity for b in bands],
        "units": [b.units for b in bands],
    }


def sensor_of(model: Deco, bands: Sequence[Band]) -> str:
    """The learned sensor that has these bands. Raises BandError or UnitError with the list of what is known."""
    names = [b.name for b in bands]
    for name, known in model.sensors.items():
        if known["bands"] == names:
            check_bands(model, name, bands)
            return name
    known_bands = "; ".join(f"{n}: {', '.join(s['bands'])}" for n, s in model.sensors.items())
    raise BandError(
        rule=f"this file learned the sensors and bands {known_bands}",
        got=", ".join(names),
        remedy="choose them with --bands, or train for this sensor",
    )


def check_bands(model: Deco, sensor: str, bands: Sequence[Band]) -> None:
    """Raises BandError for other bands than a learned sensor's, UnitError for other quantities or units."""
    known, got = model.sensors[sensor], heard(bands)
    if known["bands"] != got["bands"]:
        raise BandError(
            rule=f"this file learned the bands {', '.join(known['bands'])} of {sensor}",
            got=", ".join(got["bands"]),
            remedy="choose them with --bands, or train for this sensor",
        )
    if known != got:
        told, seen = (
            "; ".join(f"{b} {q} [{u}]" for b, q, u in zip(x["bands"], x["quantity"], x["units"], strict=True))
            for x in (known, got)
        )
        raise UnitError(
            rule=f"this file learned {sensor} as {told}", got=seen, remedy="settle units by --scale, --offset"
        )
