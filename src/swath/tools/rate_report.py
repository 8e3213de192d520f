"""The curve of `swath pack --curve` as files: NAME.report.html and NAME.rate.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.tools.job import Progress, write_json, write_text
from swath.tools.rate import Curve, curve_of

if TYPE_CHECKING:
    from swath.cube.packing import Part

__all__ = ["page_of", "write_curve"]


def write_curve(
    out: Path,
    parts: Sequence[Part],
    asked: Sequence[str] | None,
    labels: Any,
    options: dict[str, Any],
    *,
    seed: int,
    progress: Progress | None,
) -> list[Path]:
    """Measure and write both files beside the packed one. Raises as `curve_of` does, and OutputError."""
    found = curve_of(parts, asked, labels, options, seed=seed, progress=progress)
    page, numbers = out.with_suffix(".report.html"), out.with_suffix(".rate.json")
    write_json(numbers, found.to_json())
    write_text(page, page_of(found, out.stem))
    return [page, numbers]


def page_of(curve: Curve, title: str) -> str:
    """The page of a curve."""
    from swath.report.rate_page import Page, curve_picture, render, windows_picture

    rates = curve.rates
    indices = list(dict.fromkeys(name for r in rates for name in r.index))
    mapped = curve.original is not None
    heads = ["largest error allowed", "bits a value", "largest error", "RMSE", "PSNR, dB"]
    heads += [f"{name} error: RMS, largest" for name in indices]
    heads += ["map on decoded pixels", "what it lost"] if mapped else []
    rows = []
    for r in rates:
        psnr = f"{r.psnr_db:.2f}" if r.psnr_db < 1e9 else "no error"
        row = [r.name, f"{r.bits_per_value:.3f}", f"{r.max_error_stored:g}", f"{r.rmse_stored:.3g}", psnr]
        row += [f"{r.index[n][0]:.5f}, {r.index[n][1]:.4f}" if n in r.index else "" for n in indices]
        row += [str(r.score), str(r.loss)] if mapped else []
        rows.append(row)
    losses = [(e.value, e.low, e.high) for e in (r.loss for r in rates) if e is not None] if mapped else []
    says = [
        f"dB against {curve.peak}; errors in stored numbers; bits for each value that is not missing, masks and flags included."
    ]
    if curve.original is not None:
        says.append(f"The map on the original pixels: {curve.original}.")
        says.append(_verdict(curve))
    page = Page(
        title=f"What packing {title} costs and saves",
        headline=_headline(curve),
        says=says,
        heads=heads,
        rows=rows,
        curve=curve_picture(
            [r.name for r in rates], [r.bits_per_value for r in rates], [r.psnr_db for r in rates], curve.peak,
            losses if len(losses) == len(rates) else None,
        ),
        pictures=windows_picture(curve.pictures),
        band=curve.band,
        mapped=bool(losses),
        notes=curve.notes,
    )  # fmt: skip
    return render(page)


def _headline(curve: Curve) -> str:
    first, last = curve.rates[0], curve.rates[-1]
    if len(curve.rates) < 2 or not last.bits_per_value:
        return f"{first.bits_per_value:.2f} bits a value with nothing lost."
    return (
        f"{first.bits_per_value:.2f} bits a value with nothing lost; {last.bits_per_value:.2f} where every value may be off "
        f"by {last.name}."
    )


def _verdict(curve: Curve) -> str:
    """At which errors the map is shown to be worse, in words: several comparisons are made, and one may err."""
    told = [r for r in curve.rates[1:] if r.loss is not None and r.loss.defined and r.loss.low == r.loss.low]
    if not told:
        return "Too few places to say what packing does to the map."
    worse = [r for r in told if r.loss is not None and r.loss.low > 0]
    if not worse:
        return f"At none of these errors is the map shown to be worse (up to {told[-1].name})."
    if told[-len(worse) :] == worse:
        safe = told[: -len(worse)]
        up = f"; up to {safe[-1].name} no loss is shown" if safe else ""
        return f"The map is worse from an error of {worse[0].name} on{up}."
    there, none = (", ".join(r.name for r in some) for some in (worse, [r for r in told if r not in worse]))
    return (
        f"A loss is shown at {there}, but not at {none}: of {len(told)} comparisons at 95 % one may show by chance, so look at "
        "the sizes."
    )
