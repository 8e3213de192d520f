"""What a land-cover map loses when it is trained on decoded pixels: the same labels, blocks and folds, paired by block."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from swath.report.outcome import Row

__all__ = ["losses", "picture"]

SETTINGS = (("swath", (20.0, 100.0, 300.0)), ("x265 yuv 12 bit (the paper's)", ("very high", "medium", "very low")))
LABELS = 500  # pixels of each class, so that the map has something to lose


def losses(data: Path, tile: str, seed: int) -> list[dict[str, Any]]:
    """For coders at three rates each: bits a value, PSNR (peak 1), and accuracy on the original minus on decoded pixels."""
    from swath.codec import rivals
    from swath.cube.lazy import ArraySource
    from swath.cube.open import understand
    from swath.cube.packing import part_of
    from swath.tools import rate

    scene = understand(data / "terramind/S2L2A" / tile, offset=0.0)
    part = part_of(next(iter(scene.pieces.values())))
    t, c, h, w = part.source.shape
    values = part.source.read(range(t), range(c), slice(0, h), slice(0, w))
    valid = values != 0
    labels = _thinned(data / "terramind/LULC" / tile, seed)
    trained = rate.map_of([part.source], [part], labels, {}, seed)
    name = f"Sentinel-2 L2A tile {tile[:4]}: land cover of its product, {len(labels[0]):,} pixels"
    out: list[dict[str, Any]] = []
    for coder, settings in SETTINGS:
        for setting in settings:
            done = rivals.code(coder, values, valid, setting)
            back = np.where(valid, np.clip(np.rint(done.values), 1, 65535), 0).astype(values.dtype)
            mse = float((((back.astype(float) - values) ** 2)[valid]).mean())
            bits, psnr = 8.0 * done.size / int(valid.sum()), 10 * math.log10(1e8 / mse) if mse else math.inf
            mapper, _ = rate.map_of([ArraySource(back)], [replace(part)], labels, {}, seed)
            before, after = rate.right_of(trained[0]), rate.right_of(mapper)
            both = np.isfinite(before) & np.isfinite(after)
            place = trained[0].training.place[both]
            loss = rate.by_place((before - after)[both], place, "original minus decoded, paired by block", seed, False)
            word = f"largest error {setting:g}" if isinstance(setting, float) else str(setting)
            metric = "accuracy lost by the map (difference)"
            row = Row(name, f"original - {coder}, {word}", "ours" if coder == "swath" else "reference", metric, loss,
                      "" if coder == "swath" else "no loss at 55.77 to 60.15 dB (peaks of the paper)")  # fmt: skip
            words = (
                f"map on {coder} at {word} ({bits:.2f} bits a value, {psnr:.1f} dB, peak 1): loses {loss} of accuracy"
            )
            if loss.defined and math.isfinite(loss.low):
                told = "worse" if loss.low > 0 else "better" if loss.high < 0 else ""
                words += f", shown to be {told}" if told else ", no loss is shown"
            out.append(
                {"coder": coder, "word": word, "bits": bits, "psnr": psnr, "loss": loss, "rows": [row], "words": words}
            )
    score: Any = rate.score_of(trained[0], seed, False)
    out[0]["rows"].insert(0, Row(name, "original", "baseline", "accuracy of the map", score))
    return out


def _thinned(path: Path, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and classes of some pixels of each class, drawn by the seed."""
    import rasterio

    with rasterio.open(path) as file:
        codes = file.read(1)
    rng = np.random.default_rng(seed)
    flat = [rng.permutation(np.flatnonzero(codes == c))[:LABELS] for c in np.unique(codes[codes > 0])]
    rows, columns = np.unravel_index(np.sort(np.concatenate(flat)), codes.shape)
    return rows, columns, codes[rows, columns].astype(int)


def picture(found: Sequence[dict[str, Any]], path: Path) -> None:
    """Loss against bits a value, with its interval, for each coder."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    from swath.report.plots import COLOURS, few_colours

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axis = figure.subplots()
    for k, coder in enumerate(dict.fromkeys(str(f["coder"]) for f in found)):
        mine = [f for f in found if f["coder"] == coder]
        x, e = [f["bits"] for f in mine], [f["loss"] for f in mine]
        value = np.array([v.value for v in e])
        spans = [np.nan_to_num(value - [v.low for v in e]), np.nan_to_num(np.array([v.high for v in e]) - value)]
        axis.errorbar(
            x, value, yerr=np.maximum(spans, 0), fmt="o-", color=COLOURS[k], capsize=4, label=coder, linewidth=1.2
        )
        for f in mine:
            axis.annotate(f"{f['word']}, {f['psnr']:.0f} dB", (f["bits"], f["loss"].value), xytext=(5, -13 if k else 7),
                          textcoords="offset points", fontsize=7)  # fmt: skip
    axis.axhline(0, color="#888", linewidth=1)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.margins(x=0.18)
    axis.set_xlabel("bits a value")
    axis.set_ylabel("accuracy: original minus decoded")
    axis.legend(fontsize=8)
    axis.grid(alpha=0.25)
    figure.savefig(path, dpi=110)
    few_colours(path)
