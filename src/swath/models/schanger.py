"""SChanger: a small network that finds what changed between two dates, and its single-date form that it may begin from.

Zhou et al. 2025, "SChanger: Change Detection from a Semantic Change and Spatial Consistency Perspective" (JSTARS 18,
arXiv 2503.20734); keys and outputs are those of zhouziyu-cn/SChanger. Both dates go through the same weights; they meet
in one attention map of each level and in the heads. What they are scaled by: `schanger_input`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from swath.batch import Batch, Needs, Pixels
from swath.errors import FormatError, GridError, SwathError
from swath.models import schanger_input as given
from swath.nn.largekernel import Fusion, SharedAttention
from swath.nn.mbconv import ConvNorm, MBConv, fan_out

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swath.models.weights import Facts

__all__ = ["AFTER", "BEFORE", "SINGLE", "WIDTHS", "SChanger", "begin", "fusion_keys", "mirrored"]

WIDTHS: dict[str, tuple[int, ...]] = {
    "base": (24, 32, 48, 64, 104, 120),
    "small": (8, 16, 32, 40, 48, 48),
    # Ours, to learn on a processor; the other two are published.
    "nano": (4, 8, 12, 16, 16, 16),
    "pico": (4, 4, 8, 8, 8, 8),
}
BEFORE, AFTER, SINGLE = "before", "after", "picture"
_STEP = 16
_SIDES = 5


class SChanger(nn.Module):
    """Two dates (or one) of any number of bands and any height and width -> scores of change (or of the class).

    `forward` gives logits (B, classes + 5, H, W): the answer first, then five side maps from coarse to fine, whether it
    trains or not. `change(before, after)` gives probabilities; a single-date form answers with |p(after) - p(before)|.
    size: of WIDTHS, or widths: six of one's own. window: side in pixels that it was trained in and is always run in, since
    its channel weights are means over the window. weigh: False leaves attention out. symmetric: `change` takes the mean of
    both orders of the dates. statistics: see `schanger_input.Scaling`; without it `change` refuses.
    """

    def __init__(
        self,
        size: str = "small",
        *,
        channels: int = 3,
        dates: int = 2,
        classes: Sequence[str] = ("changed",),
        widths: Sequence[int] | None = None,
        dropout: float = 0.2,
        window: int = 256,
        weigh: bool = True,
        symmetric: bool = False,
        statistics: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if widths is None and size not in WIDTHS:
            raise SwathError(rule="SChanger has known sizes", got=size, remedy=f"one of {', '.join(WIDTHS)}")
        if dates not in (1, 2):
            raise SwathError(rule="SChanger reads one date or two", got=f"{dates}", remedy="cut a series into pairs")
        c = tuple(WIDTHS[size] if widths is None else widths)
        self.config: dict[str, Any] = {
            "size": size, "channels": channels, "dates": dates, "classes": list(classes), "widths": None if widths is None
            else list(widths), "dropout": dropout, "window": window, "weigh": weigh, "symmetric": symmetric,
        }  # fmt: skip
        self.widths, self.channels, self.dates, self.classes = c, channels, dates, tuple(classes)
        self.window, self.symmetric = window, symmetric
        self.facts: Facts | None = None
        self.scaling = None if not statistics else given.Scaling.from_json(statistics)
        self.conv_1 = ConvNorm(channels, c[0], 3, eps=1e-5)
        for i in range(1, 6):
            self.add_module(f"encoder{i}", _twice(c[i - 1], c[i], dropout, widen_first=True))
        for i, width in enumerate((c[5], c[4], c[3], c[2], c[1]), 1):
            attention = SharedAttention(width, dates=dates, drop=dropout, weigh=weigh)
            self.add_module(f"Bi{i}", nn.ModuleList([attention]))
            self.add_module(f"decoder{i}", _twice(width, c[5 - i], dropout, widen_first=False))
            self.add_module(f"head{i}", _head(c[5 - i], dates))
        self.head6 = nn.ModuleDict({"0": _Named(_SIDES, len(self.classes), 1)})
        fan_out(self)

    @property
    def needs(self) -> Needs:
        """Bands and quantity that it was trained on, the dates, and its window."""
        known = self.scaling
        return Needs(
            bands=() if known is None else known.names,
            quantity=() if known is None else known.quantities,
            dates=(self.dates, self.dates),
            size=self.window,
        )

    @property
    def statistics(self) -> dict[str, Any]:
        """What values are scaled by, for a file."""
        return {} if self.scaling is None else self.scaling.to_json()

    def forward(self, *dates: Tensor) -> Tensor:
        """Scaled values (B, C, H, W) of each date -> logits (B, classes + 5, H, W).

        Sides that are no multiples of 16 are mirrored at their end and the answer is cut. Raises SwathError for
        another number of dates, GridError for dates of different shape.
        """
        self._check(dates)
        height, width = dates[0].shape[-2:]
        streams = [mirrored(x, -height % _STEP, -width % _STEP) for x in dates]
        streams = [x.contiguous(memory_format=torch.channels_last) for x in streams]  # a quarter faster on processors
        maps = self._sides(streams)
        sides = torch.cat([_resized(m, streams[0].shape[-2:]) for m in maps], 1)
        return torch.cat([self.head6["0"](sides), sides], 1)[..., :height, :width]

    def _sides(self, streams: list[Tensor]) -> list[Tensor]:
        """The five side maps (B, 1, h, w), coarse to fine."""
        streams = [self.conv_1(x) for x in streams]
        skips = []
        for i in range(1, 6):
            streams = [functional.max_pool2d(x, 2) for x in streams] if i > 1 else streams
            streams = [getattr(self, f"encoder{i}")(x) for x in streams]
            skips.append(streams)
        maps: list[Tensor] = []
        for i, skip in enumerate(skips[::-1], 1):
            skip = getattr(self, f"Bi{i}")[0](skip)
            if maps:
                size = skip[0].shape[-2:]
                skip = [_resized(x, size) + s for x, s in zip(streams, skip, strict=True)]
            streams = [getattr(self, f"decoder{i}")(x) for x in skip]
            head = getattr(self, f"head{i}")
            maps.append(head["1"](head["0"](*streams) if self.dates == 2 else streams[0]))
        return maps

    def _check(self, dates: Sequence[Tensor]) -> None:
        if len(dates) != self.dates:
            raise SwathError(
                rule=f"this network reads {self.dates} date{'s' * (self.dates > 1)}",
                got=f"{len(dates)}",
                remedy="give the pictures before and after" if self.dates == 2 else "give one picture",
            )
        shapes = {tuple(x.shape) for x in dates}
        if len(shapes) > 1:
            raise GridError(
                rule="both dates have one grid",
                got=f"{sorted(shapes)}",
                remedy="put them on one grid (swath change does)",
            )
        if dates[0].shape[1] != self.channels:
            raise SwathError(
                rule=f"this network reads {self.channels} bands", got=f"{dates[0].shape[1]}", remedy="choose the bands"
            )

    def probability(self, *dates: Tensor) -> Tensor:
        """Scaled values (B, C, H, W) of each date -> (B, classes, H, W) in 0 to 1, without gradients."""
        with torch.no_grad():
            count = len(self.classes)
            first = self(*dates)[:, :count].sigmoid()
            if not (self.symmetric and self.dates == 2):
                return first
            return (first + self(*dates[::-1])[:, :count].sigmoid()) / 2

    def logits(self, batch: Batch) -> Tensor:
        """As `forward`, for a Batch of pixels `before` and `after`, or of one picture."""
        if self.dates == 2:
            return self(self.scaled(batch.pixels[BEFORE], BEFORE), self.scaled(batch.pixels[AFTER], AFTER))
        return self(self.scaled(next(iter(batch.pixels.values())), BEFORE))

    def scaled(self, pixels: Pixels, date: str) -> Tensor:
        """(B, C, H, W) of one date in deviations from the mean, 0 where not valid. Raises as `Scaling` does."""
        if self.scaling is None:
            raise SwathError(
                rule="a network for change carries the mean and deviation of its bands",
                got="one without",
                remedy="load a trained file, or give statistics=",
            )
        return self.scaling(pixels, date).to(self.conv_1.conv.weight.device)

    def change(self, before: Pixels, after: Pixels) -> Any:
        """Probability that a pixel changed, (B, classes, H, W) float32; NumPy in, NumPy out.

        before, after: one date each, on one grid, in the units that the weights were trained on. A single-date form
        answers |p(after) - p(before)|: post-classification, no training on pairs. Raises SwathError for another number of
        dates, GridError for two grids, BandError and UnitError for bands and units that the weights do not know.
        """
        plain = isinstance(before.values, np.ndarray)
        if before.values.shape[-2:] != after.values.shape[-2:] or len(before.values) != len(after.values):
            raise GridError(
                rule="both dates have one grid",
                got=f"{tuple(before.values.shape)} and {tuple(after.values.shape)}",
                remedy="put them on one grid (swath change does)",
            )
        first, second = self.scaled(before, BEFORE), self.scaled(after, AFTER)
        answer = self.probability(first, second) if self.dates == 2 else self._apart(first, second)
        return answer.float().cpu().numpy() if plain else answer.float()

    def _apart(self, first: Tensor, second: Tensor) -> Tensor:
        """How far the class's probabilities of two dates lie apart."""
        return (self.probability(second) - self.probability(first)).abs()

    def segment(self, pixels: Pixels) -> Any:
        """Probability of the class on one date, (B, classes, H, W), by the single-date form."""
        answer = self.probability(self.scaled(pixels, BEFORE)).float()
        return answer.cpu().numpy() if isinstance(pixels.values, np.ndarray) else answer

    @classmethod
    def example(cls) -> tuple[SChanger, Batch]:
        """A small one with random weights and a made pair with its target, for `swath.testing`."""
        from swath.earth.sensor import sensor

        rng = np.random.default_rng(0)
        bands, nothing = sensor("rgb").bands, np.full((2, 1), np.nan)
        values = rng.uniform(0, 255, (2, 2, 1, 3, 32, 48)).astype(np.float32)
        valid = np.ones(values.shape[1:], bool)
        valid[0, 0, :, 5, 7] = False
        pixels = [Pixels(v, valid, bands, 0.5, nothing, np.full((2, 2), np.nan)) for v in values]
        table = given.measure(pixels, source="made pictures").to_json()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = cls("nano", statistics=table).eval()
        target = (rng.random((2, 32, 48)) < 0.2).astype(np.int64)
        return model, Batch(dict(zip((BEFORE, AFTER), pixels, strict=True)), target)

    @classmethod
    def read(
        cls,
        path: str | Path,
        *,
        size: str | None = None,
        dates: int | None = None,
        data: str | None = None,
        **config: Any,
    ) -> SChanger:
        """A published file (`schanger_small_levir.pth`, also `_pretrain`: the single-date form), strictly.

        size, dates: read off the tensors where not given. data: the training set whose table of means and deviations scales
        the bands (levir, levir_plus, s2looking, cdd, sysu, whu), read off the file's name where it says so.
        Raises FormatError that lists what differs, SwathError for an unknown name.
        """
        from swath.models.weights import Facts, load_strict, state

        tensors = state(path)
        stem = tensors.get("conv_1.conv.weight")
        shape = (0, 3) if stem is None or stem.ndim != 4 else (int(stem.shape[0]), int(stem.shape[1]))
        size = size or next((n for n, w in WIDTHS.items() if w[0] == shape[0]), "small")
        dates = dates or (2 if any(key in tensors for key in fusion_keys()) or stem is None else 1)
        table = given.published(data or given.named(path), single=dates == 1)
        model = cls(size, channels=shape[1], dates=dates, statistics=table, **config)
        load_strict(model, tensors, name=f"schanger:{size}" + (" (single date)" if dates == 1 else ""))
        model.facts = Facts(
            model="schanger", config=model.config, statistics=table, quantity=("digital_number",), bands=("red", "green",
            "blue"), trained_on=f"{table['source']}", licence="Apache-2.0 (README)", source="huggingface.co/Zy-Zhou/schanger",
        )  # fmt: skip
        return model.eval()


def begin(
    single: SChanger,
    *,
    start: str = "difference",
    prior: float | None = None,
    dropout: float | None = None,
    seed: int = 0,
) -> tuple[SChanger, list[str]]:
    """A two-date network from a single-date one, and the names of its 40 new tensors (the fusion of the dates).

    start: "difference" begins them as first minus second, so that equal dates give a map of one value; "random" as
    published. prior: the share of change that this value then is (at every head). dropout: as in the single-date one by default.
    Raises SwathError for a two-date network.
    """
    from swath.models.weights import load_strict

    if single.dates != 1 or start not in ("difference", "random"):
        raise SwathError(
            rule="a two-date network begins from a single-date one, by difference or random",
            got=f"{single.dates} dates, {start}",
            remedy="train the single-date form first",
        )
    config = {**single.config, "dates": 2, "classes": ["changed"]}
    config |= {} if dropout is None else {"dropout": dropout}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SChanger(**config, statistics=single.statistics)
    own, known = model.state_dict(), single.state_dict()
    new = sorted(set(own) - set(known))
    if new != fusion_keys() or set(known) - set(own):
        raise FormatError(
            rule="single-date and two-date form differ by the fusion of the dates alone",
            got=f"{len(new)} new tensors, {len(set(known) - set(own))} left over",
            remedy="use files of one size",
        )
    load_strict(model, {**own, **known}, name="schanger")
    if start == "difference":
        for part in model.modules():
            if isinstance(part, Fusion):
                part.as_difference()
    if prior is not None:
        hold_prior(model, prior)
    model.train(single.training)
    return model, new


def hold_prior(model: SChanger, share: float) -> None:
    """Set the biases of all heads so that maps of zeros become this share of change. Raises SwathError outside 0 to 1."""
    if not 0 < share < 1:
        raise SwathError(rule="a share of change lies between 0 and 1", got=f"{share}", remedy="say 0.01")
    score = math.log(share / (1 - share))
    with torch.no_grad():
        for i in range(1, _SIDES + 1):
            getattr(model, f"head{i}")["1"].conv.bias.fill_(score)
        last = model.head6["0"].conv
        last.bias.copy_(score - score * last.weight.sum((1, 2, 3)))


def fusion_keys() -> list[str]:
    """The 40 tensors that only the two-date form has, sorted."""
    places = [f"Bi{i}.0.attn.spatial_gating_unit.diff" for i in range(1, 6)] + [f"head{i}.0" for i in range(1, 6)]
    return sorted(f"{place}.diff.{n}.{kind}" for place in places for n in (0, 1) for kind in ("weight", "bias"))


def mirrored(x: Tensor, rows: int, columns: int) -> Tensor:
    """(..., H + rows, W + columns): mirrored at the end without doubling the last pixel, as often as it takes."""
    for axis, more in ((-2, rows), (-1, columns)):
        if more:
            n = x.shape[axis]
            at = torch.arange(n + more, device=x.device) % max(1, 2 * n - 2)
            x = x.index_select(x.ndim + axis, torch.minimum(at, 2 * n - 2 - at) if n > 1 else torch.zeros_like(at))
    return x


def _twice(channels: int, out: int, drop: float, *, widen_first: bool) -> nn.Sequential:
    """Two inverted bottlenecks; the width changes in the first (encoder) or the second (decoder)."""
    between = out if widen_first else channels
    return nn.Sequential(MBConv(channels, between, drop=drop), MBConv(between, out, drop=drop))


class _Named(nn.Module):
    """A convolution under the name that published files give it."""

    def __init__(self, channels: int, out: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


def _head(width: int, dates: int) -> nn.ModuleDict:
    """What makes a side map: fusion where there are two dates, then 3x3."""
    parts: dict[str, nn.Module] = {"0": Fusion(width)} if dates == 2 else {}
    return nn.ModuleDict({**parts, "1": _Named(width, 1, 3)})


def _resized(x: Tensor, size: Sequence[int]) -> Tensor:
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    return functional.interpolate(x, tuple(size), mode="bilinear", align_corners=True)
