"""Run a torch network over windows as fast as this machine allows, and find out how far it looks around.

Small channel counts run badly in the default layout and large tiles spill the cache: pieces of 128 to 256 pixels in
channels-last order, in bfloat16 where the processor computes in it, are 6 to 10 times faster than a plain forward
(benchmarks/prediction.py measures it). Pieces overlap by the network's reach, so that nothing shows where they meet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from swath.batch import Batch
from swath.errors import BandError, SwathError, need
from swath.predict.fuse import same, traced

__all__ = ["Network", "fast_dtype", "reach", "stride"]

_PIECE = 256  # pixels along a side that fit the cache with some tens of channels


def fast_dtype() -> str:
    """bfloat16 where the processor multiplies in it, else float32."""
    need("torch", extra="nn", why="running a network")
    return "bfloat16" if _has_bf16() else "float32"


def _has_bf16() -> bool:
    import torch

    check: Callable[[], bool] | None = getattr(getattr(torch, "cpu", None), "_is_avx512_bf16_supported", None)
    try:
        return bool(check()) if check is not None else False
    except (RuntimeError, AttributeError):
        return False


def reach(
    module: Callable[[Any], Any], channels: int, *, size: int = 128, most: int = 512, seed: int = 0
) -> int | None:
    """How many pixels around a pixel a network looks at, found by changing one pixel and seeing where the answer moves.

    module: (1, channels, size, size) -> (1, K, size, size) on torch tensors, in float64 where it is a Module. Eight
    places are tried, each with a strong change in all channels; where the change reaches the border the picture is
    doubled up to `most` pixels. None: it still does, or the answer is not as large as the input: the network (global
    pooling, attention) has no bounded reach and must always be run in a window of its own.
    Raises SwathError when the answer is no picture.
    """
    import copy

    torch = need("torch", extra="nn", why="running a network")
    run = copy.deepcopy(module).double().eval() if isinstance(module, torch.nn.Module) else module
    generator = torch.Generator().manual_seed(seed)
    places = np.random.default_rng(seed).integers(0, 32, (8, 2))
    while size <= most:
        furthest, middle = 0, size // 2 - 16
        for trial, (down, right) in enumerate(places):
            base = torch.randn(1, channels, size, size, generator=generator, dtype=torch.float64)
            moved = base.clone()
            y, x = middle + int(down), middle + int(right)
            moved[..., y, x] += 25.0 * (1 + trial % 3)
            with torch.inference_mode():
                first, second = run(base), run(moved)
            _is_picture(first)
            if first.shape[-2:] != base.shape[-2:]:
                return None
            rows, columns = torch.nonzero((first != second).any(dim=1)[0], as_tuple=True)
            if len(rows):
                furthest = max(furthest, int((rows - y).abs().max()), int((columns - x).abs().max()))
        if furthest < middle - 4:
            return furthest
        size *= 2
    return None


def _is_picture(answer: Any) -> None:
    if answer.ndim != 4:
        raise SwathError(
            rule="a network that maps gives a picture (1, K, H, W)",
            got=f"shape {tuple(answer.shape)}",
            remedy="wrap it so that it gives one value a pixel",
        )


def stride(module: Callable[[Any], Any], channels: int, *, size: int = 128, most: int = 32, seed: int = 0) -> int:
    """By how many pixels a picture must move for the answer to move alike: 1 for plain convolutions, 2 after a pooling.

    Found by moving a random picture by 1, 2, 4 ... `most` pixels and comparing the middle of the answers.
    Raises SwathError when no such step is found.
    """
    import copy

    torch = need("torch", extra="nn", why="running a network")
    run = copy.deepcopy(module).double().eval() if isinstance(module, torch.nn.Module) else module
    generator = torch.Generator().manual_seed(seed)
    whole = torch.randn(1, channels, size + most, size + most, generator=generator, dtype=torch.float64)
    step, quarter = 1, size // 4
    with torch.inference_mode():
        first = run(whole[..., :size, :size])
        while step <= most:
            second = run(whole[..., step : step + size, step : step + size])
            a = first[..., quarter + step : 3 * quarter, quarter + step : 3 * quarter]
            b = second[..., quarter : 3 * quarter - step, quarter : 3 * quarter - step]
            if torch.allclose(a, b, rtol=1e-9, atol=1e-9):
                return step
            step *= 2
    raise SwathError(
        rule="a network that is run in pieces gives the same answer wherever a piece lies",
        got=f"answers that change when the picture moves by up to {most} pixels",
        remedy="state window=, the size that the network is always to be run in",
    )


@dataclass
class Network:
    """A function for `predict.run`: bands of one sensor through a network, in pieces that fit the cache.

    module: (B, C, h, w) -> (B, K, h, w), a torch Module. name: the layer it gives. sensor: which cube (None: the only
    one); its dates and bands become T x C channels. answer: "class" (1 + the index of the largest output as uint8,
    or uint16), "probability" (softmax), or "value" (outputs as they are). mean, deviation: per channel, in physical
    values; missing values are 0 after scaling. reach, stride: as `measured` finds them; networks without bounded reach
    must give `window`: they are always run on windows of just that many pixels, padded at the scene's edge by
    repeating it, and only the window's own pixels are kept. precision: "float32", "bfloat16" or "fast".
    """

    module: Any
    name: str = "classes"
    sensor: str | None = None
    answer: str = "class"
    mean: Sequence[float] | None = None
    deviation: Sequence[float] | None = None
    precision: str = "fast"
    piece: int = _PIECE
    window: int | None = None
    reach: int | None = None
    stride: int = 1
    first_code: int = 1
    crops: ClassVar[bool] = True

    def __post_init__(self) -> None:
        torch = need("torch", extra="nn", why="running a network")
        if self.answer not in ("class", "probability", "value"):
            raise SwathError(rule="a network answers class, probability or value", got=self.answer, remedy="choose one")
        self._dtype = getattr(torch, fast_dtype() if self.precision == "fast" else self.precision)
        self._ready = self.module.eval().to(self._dtype).to(memory_format=torch.channels_last)
        # Traced here, before threads share the module: tracing changes how modules are called while it lasts.
        self._quick = traced(self._ready)
        self._same: dict[tuple[int, ...], bool] = {}
        self._scale, self._centre = self._scaling()
        if self.window is None and self.reach is None:
            raise SwathError(
                rule="a network's reach must be known",
                got="neither reach nor window",
                remedy="give reach=predict.network.reach(module, channels), or window= for networks without bounded reach",
            )
        # Pieces start where the scene's own strides do; the caller's windows are multiples of 64 anyway.
        self.reach = 0 if self.window is not None else -(-int(self.reach or 0) // self.stride) * self.stride

    @classmethod
    def measured(cls, module: Any, channels: int, **options: Any) -> Network:
        """A Network whose reach and stride are found by perturbation. Raises SwathError where they have no bound."""
        far = reach(module, channels)
        if far is None:
            raise SwathError(
                rule="a network that is run in pieces has a bounded reach",
                got="an answer that changes all over the picture when one pixel does (global pooling or attention)",
                remedy="state window=, the size that the network is always to be run in",
            )
        step = stride(module, channels)
        # Behind a stride, pixels of one cell see differently far: the places that were tried may miss the furthest.
        return cls(module, reach=far + (step if step > 1 else 0), stride=step, **options)

    def __call__(self, batch: Batch, inside: tuple[slice, slice] | None = None) -> dict[str, np.ndarray]:
        """{name: (1, K or 1, H, W)} for a window, or for the part `inside` of it."""
        import torch

        values, valid = self._channels(batch)
        height, width = values.shape[-2:]
        rows, columns = inside or (slice(0, height), slice(0, width))
        with torch.inference_mode():
            if self.window is not None:
                return {self.name: self._windowed(values, valid, self.window)[..., rows, columns]}
            halo = int(self.reach or 0)
            step = self.piece if halo <= self.piece // 8 else 2 * self.piece
            out: np.ndarray | None = None
            for i in range(rows.start, rows.stop, step):
                for j in range(columns.start, columns.stop, step):
                    top, left = max(0, i - halo), max(0, j - halo)
                    end, last = min(rows.stop, i + step), min(columns.stop, j + step)
                    y, x = slice(top, min(height, end + halo)), slice(left, min(width, last + halo))
                    part = self._forward(values[:, y, x], valid[:, y, x])
                    if out is None:
                        shape = (rows.stop - rows.start, columns.stop - columns.start, part.shape[-1])
                        out = np.empty(shape, part.dtype)
                    core = part[i - top : end - top, j - left : last - left]
                    out[i - rows.start : end - rows.start, j - columns.start : last - columns.start] = core
        return {self.name: np.moveaxis(out, -1, 0)[None] if out is not None else np.zeros((1, 1, 0, 0))}

    def _channels(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """Values and validity (T x C, H, W) of the sensor."""
        if self.sensor is None and len(batch.pixels) != 1:
            raise BandError(
                rule="a network reads one sensor", got=", ".join(batch.pixels), remedy="name it with sensor="
            )
        pixels = batch.pixels[self.sensor] if self.sensor is not None else next(iter(batch.pixels.values()))
        _, t, c, h, w = pixels.values.shape
        return np.asarray(pixels.values[0]).reshape(t * c, h, w), np.asarray(pixels.valid[0]).reshape(t * c, h, w)

    def _scaling(self) -> tuple[Any, Any]:
        """1 / deviation and mean, (C, 1, 1) float32; None where there is none."""
        import torch

        scale = centre = None
        if self.deviation is not None:
            scale = (1.0 / torch.tensor(list(self.deviation), dtype=torch.float64)).float()[:, None, None]
        if self.mean is not None:
            centre = torch.tensor(list(self.mean), dtype=torch.float32)[:, None, None]
        return scale, centre

    def _input(self, values: np.ndarray, valid: np.ndarray) -> Any:
        """(1, C, h, w) in the network's type and channels-last order, scaled, 0 where missing."""
        import torch

        x = torch.from_numpy(values)[None]
        if self._centre is not None:
            x = x - self._centre
        if self._scale is not None:
            x = x * self._scale
        if not valid.all():
            x = torch.where(torch.from_numpy(valid), x, 0.0)
        height, width = values.shape[-2:]
        if height % self.stride or width % self.stride:
            pad = (0, -width % self.stride, 0, -height % self.stride)
            x = torch.nn.functional.pad(x, pad, mode="replicate")
        return x.to(self._dtype).contiguous(memory_format=torch.channels_last)

    def _forward(self, values: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """(C, h, w) -> (h, w, K) numbers or (h, w, 1) codes."""
        height, width = values.shape[-2:]
        y = self._run(self._input(values, valid))[..., :height, :width]
        if tuple(y.shape[-2:]) != (height, width):
            raise SwathError(
                rule="a network gives one answer a pixel",
                got=f"{tuple(y.shape[-2:])} for {(height, width)}",
                remedy="wrap it with an up-sampling layer, or state window= as a multiple of its patches",
            )
        if self.answer == "class":
            return _argmax(y[0], self.first_code)[..., None]
        y = y[0].permute(1, 2, 0).float()
        numbers: np.ndarray = (y.softmax(-1) if self.answer == "probability" else y).numpy()
        return numbers

    def __getstate__(self) -> dict[str, Any]:
        """Without the traced form, which would be traced again where other threads run: the plain one gives the same."""
        return self.__dict__ | {"_quick": None}

    def _run(self, x: Any) -> Any:
        """The network's answer, in its faster form where that was seen to give the same bits for pictures of this size.

        torch chooses an algorithm by the size, so each size (there are few: pieces at the edges are smaller) is tried.
        """
        quick, size = self._quick, tuple(x.shape)
        if quick is None:
            return self._ready(x)
        if size not in self._same:
            self._same[size] = same(quick, self._ready, x)
        return quick(x) if self._same[size] else self._ready(x)

    def _windowed(self, values: np.ndarray, valid: np.ndarray, size: int) -> np.ndarray:
        """The answer of a network that is run on windows of just `size` pixels, side by side."""
        height, width = values.shape[-2:]
        pad = ((0, 0), (0, -height % size), (0, -width % size))
        values, valid = np.pad(values, pad, mode="edge"), np.pad(valid, pad, mode="edge")
        out: np.ndarray | None = None
        for i in range(0, height, size):
            for j in range(0, width, size):
                part = self._forward(values[:, i : i + size, j : j + size], valid[:, i : i + size, j : j + size])
                if out is None:
                    out = np.empty((*values.shape[-2:], part.shape[-1]), part.dtype)
                out[i : i + size, j : j + size] = part
        if out is None:
            return np.zeros((1, 1, 0, 0))
        return np.moveaxis(out[:height, :width], -1, 0)[None]


def _argmax(y: Any, first_code: int) -> np.ndarray:
    """(h, w) codes of the largest of (K, h, w); a running maximum, since torch's argmax is slow over few channels."""
    kind = np.uint8 if y.shape[0] + first_code <= 256 else np.uint16
    if y.shape[0] > 16:
        found: np.ndarray = (y.argmax(0).numpy() + first_code).astype(kind)
        return found
    planes = y.contiguous().float().numpy()
    best, codes = planes[0].copy(), np.zeros(planes.shape[1:], kind)
    for k in range(1, len(planes)):
        # A later winner has the larger number: arithmetic on bytes is much faster than copying where a mask is set.
        higher = (planes[k] > best).view(np.uint8).astype(kind, copy=False)
        np.maximum(codes, higher * kind(k), out=codes)
        np.maximum(best, planes[k], out=best)
    codes += kind(first_code)
    return codes
