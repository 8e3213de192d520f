"""Run a torch network over windows as fast as this machine allows, and find out how far it looks around.

Small channel counts run badly in the default layout and large tiles spill the cache: pieces of 256 x 256 pixels (twice
as many of 16-bit numbers) in channels-last order, in bfloat16 where the processor computes in it, are 6 to 10 times
faster than a plain forward (benchmarks/prediction.py measures it). Pieces overlap by the network's reach, so that nothing
shows where they meet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from swath.batch import Batch
from swath.errors import BandError, SwathError, need
from swath.predict.fuse import same, steady, traced

__all__ = ["Network", "fast_dtype", "reach", "stride"]

_PIECE = 256  # pixels along a side that fit the cache with some tens of channels
_FEW = 16  # outputs that are kept for a whole window before the largest is looked for


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
        self._ready = steady(self.module).to(self._dtype).to(memory_format=torch.channels_last)
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
        if rows.stop <= rows.start or columns.stop <= columns.start:
            return {self.name: np.zeros((1, 1, 0, 0))}
        with torch.inference_mode():
            if self.window is None:
                answer = self._answers(values, valid, rows, columns)
            else:
                answer = self._answers(values, valid, slice(0, height), slice(0, width))[:, rows, columns]
        return {self.name: answer[None]}

    def _size(self) -> tuple[int, int]:
        """Rows and columns of a piece."""
        if self.window is not None:
            return self.window, self.window
        if int(self.reach or 0) > self.piece // 8:
            return 2 * self.piece, 2 * self.piece
        return self.piece, self.piece * 4 // self._dtype.itemsize

    def _answers(self, values: np.ndarray, valid: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """(K or 1, h, w) of the part, strip by strip.

        What can be done for a whole strip is: every call into torch or NumPy may have to wait for the other threads.
        """
        (high, _), halo = self._size(), int(self.reach or 0)
        strips = []
        for i in range(rows.start, rows.stop, high):
            top, end = max(0, i - halo), min(rows.stop, i + high)
            read = slice(top, end + halo)
            x = self._input(values[:, read], valid[:, read])
            strips.append(self._told(self._strip(x, slice(i - top, end - top), columns)))
        return np.concatenate(strips, axis=1)

    def _strip(self, x: Any, rows: slice, columns: slice) -> Any:
        """(K, h, w) float32 of the rows of a strip, or (1, h, w) indices of the largest of many; piece by piece."""
        import torch

        (_, wide), halo = self._size(), int(self.reach or 0)
        x = x if self.window is None else _padded(x, self.window)
        out: Any = None
        for j in range(columns.start, columns.stop, wide):
            left, last = max(0, j - halo), min(columns.stop, j + wide)
            part = self._forward(x[..., left : j + wide + halo])[:, rows]
            if self.answer == "class" and len(part) > _FEW:
                part = part.argmax(0, keepdim=True)
            if out is None:
                kind = torch.int64 if part.dtype == torch.int64 else torch.float32
                out = torch.empty((len(part), part.shape[1], columns.stop - columns.start), dtype=kind)
            out[..., j - columns.start : last - columns.start] = part[..., j - left : last - left]
        return out

    def _told(self, answer: Any) -> np.ndarray:
        """(K, h, w) numbers or (1, h, w) codes as the caller wants them."""
        if self.answer == "class":
            return _codes(answer.numpy(), self.first_code)[None]
        numbers: np.ndarray = (answer.softmax(0) if self.answer == "probability" else answer).numpy()
        return numbers

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
        return x.to(self._dtype).contiguous(memory_format=torch.channels_last)

    def _forward(self, x: Any) -> Any:
        """(1, C, h, w) -> (K, h, w), a view of the network's answer."""
        import torch

        height, width = x.shape[-2:]
        y = self._run(_padded(x, self.stride).contiguous(memory_format=torch.channels_last))[..., :height, :width]
        if tuple(y.shape[-2:]) != (height, width):
            raise SwathError(
                rule="a network gives one answer a pixel",
                got=f"{tuple(y.shape[-2:])} for {(height, width)}",
                remedy="wrap it with an up-sampling layer, or state window= as a multiple of its patches",
            )
        return y[0]

    def __getstate__(self) -> dict[str, Any]:
        """Without the traced form, which would be traced again where other threads run: the plain one gives the same."""
        return self.__dict__ | {"module": self._ready, "_quick": None}

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


def _padded(x: Any, multiple: int) -> Any:
    """(1, C, h, w) made larger to multiples of so many pixels by repeating its last row and column."""
    import torch

    height, width = x.shape[-2:]
    if not (height % multiple or width % multiple):
        return x
    return torch.nn.functional.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def _codes(planes: np.ndarray, first_code: int) -> np.ndarray:
    """(h, w) codes of the largest of (K, h, w), the first of equals; (1, h, w) whole numbers are indices already.

    A running maximum, since argmax over the first axis is slow.
    """
    if planes.dtype.kind == "i":
        found: np.ndarray = (planes[0] + first_code).astype(np.uint16)
        return found
    kind = np.uint8 if len(planes) + first_code <= 256 else np.uint16
    best, codes = planes[0].copy(), np.zeros(planes.shape[1:], kind)
    for k in range(1, len(planes)):
        # A later winner has the larger number: arithmetic on bytes is much faster than copying where a mask is set.
        higher = (planes[k] > best).view(np.uint8).astype(kind, copy=False)
        np.maximum(codes, higher * kind(k), out=codes)
        np.maximum(best, planes[k], out=best)
    codes += kind(first_code)
    return codes
