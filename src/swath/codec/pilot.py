"""The two pilots of the walk: one fits weights and takes symbols down, the other reads both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from swath.codec.fit import fit
from swath.codec.pyramid import parts
from swath.codec.stream import Reader, Writer
from swath.codec.walk import CLASSES, OWN, Weights, classes, combine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from swath.codec.symbols import Symbols, Taken

__all__ = ["Decoding", "Encoding"]

GAIN = 4096


class Encoding:
    """Knows the truth (G, H, W) and where it counts (None: everywhere).

    scout: only the finest level is fitted and nothing is written; its weights serve the coarse levels of the real walk.
    """

    def __init__(
        self,
        truth: NDArray[Any],
        ok: NDArray[np.bool_] | None,
        near: int,
        out: Writer,
        taken: Taken | None,
        shared: dict[str, Weights] | None = None,
    ) -> None:
        self.truth, self.ok, self.out, self.taken = truth, ok, out, taken
        kind = truth.dtype.type
        self.step, self.inverse = kind(2 * near + 1), kind(1 / (2 * near + 1))
        self.shared = shared or {}
        self.fitted: dict[str, Weights] = {}
        if taken is not None:
            out.number(sum(1 << place for place, phase in enumerate("abc") if phase in self.shared))
            for phase in sorted(self.shared):
                _write_weights(out, self.shared[phase])

    def first(self, base: NDArray[Any] | None, edge: int, shape: tuple[int, int, int]) -> NDArray[Any]:
        """Values of the coarsest grid: multiples of the step, by a line through what others show, each from the one before."""
        truth = self.truth[:, ::edge, ::edge]
        ok = np.ones(shape, bool) if self.ok is None else self.ok[:, ::edge, ::edge]
        best: tuple[float, Any] = (np.inf, None)
        for gain, offset in _lines(truth[ok], None if base is None else base[ok], float(self.step)):
            line = (int(np.clip(np.rint(gain * GAIN), -(1 << 30), 1 << 30)), int(np.rint(offset)))
            guess = _line(line, base, shape, self.inverse)
            symbol = np.rint(truth * self.inverse)[ok].astype(np.int64) - guess[ok].astype(np.int64)
            for chain, sent in enumerate((symbol, np.diff(symbol, prepend=0))):
                cost = float(np.log2(1 + 2 * np.abs(sent)).sum())
                if cost < best[0]:
                    best = cost, (line, guess, symbol, chain, sent)
        line, guess, symbol, chain, sent = best[1]
        if self.taken is not None:
            for number in (*line, chain):
                self.out.signed(number)
            self.taken.add(None, sent)
        return np.asarray(_spread(guess, symbol, None if self.ok is None else ok) * self.step)

    def phase(
        self,
        level: int,
        phase: str,
        base: NDArray[Any],
        features: list[Any],
        activity: list[Any],
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Values of a phase, their surprises, and the sizes of these in steps."""
        side = 1 << level
        truth = parts(self.truth[:, ::side, ::side])[phase]
        ok = None if self.ok is None else parts(self.ok[:, ::side, ::side])[phase]
        weights = self._weights(level, phase, truth - base, features, activity, ok)
        guess, group = _guess(weights, base, features, activity)
        symbol = truth - guess
        symbol *= self.inverse
        np.rint(symbol, out=symbol)
        if ok is not None:
            symbol[~ok] = 0
        if self.taken is not None:
            self.taken.add(group if ok is None else group[ok], symbol if ok is None else symbol[ok])
        return _apply(guess, symbol, self.step)

    def _weights(
        self,
        level: int,
        phase: str,
        residual: NDArray[Any],
        features: list[Any],
        activity: list[Any],
        ok: NDArray[np.bool_] | None,
    ) -> Weights:
        if level >= OWN and phase in self.shared:
            return self.shared[phase].fitting(len(features), len(activity))
        if self.taken is None and level:
            return Weights([0] * len(activity) + [64], 0, [[0] * (len(features) + 1)])
        weights = fit(residual, features, activity, ok, float(self.step), split=self.taken is not None)
        if self.taken is None:
            self.fitted[phase] = weights
        else:
            _write_weights(self.out, weights)
        return weights


class Decoding:
    """Reads what Encoding wrote. ok: where symbols were taken (G, H, W), None for everywhere."""

    def __init__(self, ok: NDArray[np.bool_] | None, near: int, kind: Any, source: Reader, symbols: Symbols) -> None:
        self.ok, self.source, self.symbols, self.kind = ok, source, symbols, kind
        self.step = kind(2 * near + 1)
        shared = source.number(7)
        self.shared = {phase: _read_weights(source) for place, phase in enumerate("abc") if shared >> place & 1}

    def first(self, base: NDArray[Any] | None, edge: int, shape: tuple[int, int, int]) -> NDArray[Any]:
        """Values of the coarsest grid: multiples of the step, by a line through what others show, each from the one before."""
        line, chain = (self.source.signed(), self.source.signed()), self.source.signed()
        ok = None if self.ok is None else self.ok[:, ::edge, ::edge]
        guess = _line(line, base, shape, self.kind(1 / self.step))
        symbol = self.symbols.first(guess.size if ok is None else int(np.count_nonzero(ok)))
        return np.asarray(_spread(guess, np.cumsum(symbol, dtype=np.int64) if chain else symbol, ok) * self.step)

    def phase(
        self,
        level: int,
        phase: str,
        base: NDArray[Any],
        features: list[Any],
        activity: list[Any],
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Values of a phase, their surprises, and the sizes of these in steps."""
        if level >= OWN and phase in self.shared:
            weights = self.shared[phase].fitting(len(features), len(activity))
        else:
            weights = _read_weights(self.source).fitting(len(features), len(activity))
        guess, group = _guess(weights, base, features, activity)
        ok = None if self.ok is None else parts(self.ok[:, :: 1 << level, :: 1 << level])[phase]
        return _apply(guess, self.symbols.take(group, ok, self.kind), self.step)


def _guess(
    weights: Weights, base: NDArray[Any], features: list[Any], activity: list[Any]
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """What a phase is expected to be, in whole numbers, and the class of each pixel."""
    group = classes(weights.activity, activity, base)
    guess = combine(weights.features[0], features, base)
    if weights.cut:
        np.copyto(guess, combine(weights.features[1], features, base), where=group >= weights.cut)
    guess += base
    np.rint(guess, out=guess)
    return guess, group


def _apply(guess: NDArray[Any], symbol: NDArray[Any], step: Any) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Values, surprises and their sizes in steps."""
    size = np.abs(symbol)
    symbol *= step
    guess += symbol
    return guess, symbol, size


def _lines(y: NDArray[Any], x: NDArray[Any] | None, step: float) -> list[tuple[float, float]]:
    """Gains and offsets worth a try: none, by values, and by how both change from one pixel to the next."""
    if not len(y):
        return [(0.0, 0.0)]
    y = y.astype(np.float64)
    found = [(0.0, float(np.median(y)))]
    if x is None or len(y) < 4:
        return found
    x = x.astype(np.float64)
    for u, v in ((x - np.median(x), y - np.median(y)), (np.diff(x), np.diff(y))):
        weight, gain = np.ones(len(u)), 0.0
        for _ in range(3):  # few large differences must not decide
            gain = float((weight * u) @ v / max(float((weight * u) @ u), 1e-9))
            weight = 1 / (np.abs(v - gain * u) + step)
        found.append((gain, float(np.median(y - gain * x))))
    return found


def _line(line: tuple[int, int], base: NDArray[Any] | None, shape: tuple[int, ...], inverse: Any) -> NDArray[Any]:
    """Offset plus gain times what others show, in whole steps."""
    kind = type(inverse)
    guess = np.full(shape, kind(line[1]))
    if base is not None and line[0]:
        guess += base * kind(line[0] / GAIN)
    guess *= inverse
    return np.asarray(np.rint(guess, out=guess))


def _spread(guess: NDArray[Any], symbol: NDArray[Any], ok: NDArray[np.bool_] | None) -> NDArray[Any]:
    """Guess plus symbols where ok; elsewhere the last symbol goes on."""
    if ok is None:
        return np.asarray(guess + symbol.reshape(guess.shape).astype(guess.dtype))
    place = np.cumsum(ok.ravel())
    more = np.concatenate([[0], symbol]).astype(guess.dtype)
    return np.asarray(guess + more[place].reshape(guess.shape))


def _write_weights(out: Writer, weights: Weights) -> None:
    out.number(len(weights.activity) - 1)
    out.number(len(weights.features[0]) - 1)
    out.number(weights.cut)
    for weight in (*weights.activity, *(weight for part in weights.features for weight in part)):
        out.signed(weight)


def _read_weights(source: Reader) -> Weights:
    activity, features, cut = source.number(64), source.number(64), source.number(CLASSES)
    return Weights(
        [source.signed() for _ in range(activity + 1)],
        cut,
        [[source.signed() for _ in range(features + 1)] for _ in range(2 if cut else 1)],
    )
