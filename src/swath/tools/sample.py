"""Draw a random reference sample from a map: where to look, so that areas and accuracies have intervals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from swath.errors import DesignError
from swath.tools.shown import Shown

if TYPE_CHECKING:
    from swath.tools.job import Progress

__all__ = ["SampleResult", "sample"]


@dataclass(frozen=True, slots=True)
class SampleResult(Shown):
    """What was drawn. strata: of each its name, code, area, pixels, points. out: the file of points."""

    out: str
    design: str
    points: int
    unit: str
    strata: tuple[dict[str, Any], ...]
    seed: int
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "out": self.out,
            "design": self.design,
            "points": self.points,
            "unit": self.unit,
            "strata": list(self.strata),
            "seed": self.seed,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        width = max(len(s["name"]) for s in self.strata)
        lines = [f"{self.points} points drawn ({self.design} random sample, seed {self.seed}) into {self.out}"]
        lines += [
            f"  {s['name']:<{width}}  {s['points']:>6} points  {s['area']:>14,.1f} {self.unit}" for s in self.strata
        ]
        lines += [f"note: {n}" for n in self.notes]
        lines.append(
            "next: fill in the column label at each point, then  swath assess MAP --truth " + Path(self.out).name
        )
        return "\n".join(lines)


def sample(
    map: str | Path,
    out: str | Path = "sample.gpkg",
    *,
    design: Literal["stratified", "simple"] = "stratified",
    se: float = 0.01,
    size: int | None = None,
    minimum: int = 50,
    expected: list[str] | None = None,
    strata: str | Path | None = None,
    seed: int = 0,
    safe: bool = False,
    progress: Progress | None = None,
) -> SampleResult:
    """Draw a random reference sample from a map.

    Each point is a pixel; the file has an empty column `label` to fill in, and remembers how it was drawn, so that
    `swath assess` needs to be told nothing more. Size and allocation follow Olofsson et al. 2014.

    Args:
        map: classes.tif of `swath map`, or any raster of whole numbers.
        out: file of points: .gpkg, .geojson or .csv.
        design: stratified (by class, or by --strata) or simple random.
        se: standard error of overall accuracy to aim at; decides the size unless --size is given.
        size: how many points in all.
        minimum: points of a rare stratum at least.
        expected: accuracies hoped for, e.g. 0.9, or forest=0.95 water=0.99 other=0.8; they decide the size.
        strata: another raster of whole numbers on the map's grid, instead of the map's classes.
        seed: of the draw.
        safe: refuse files that name other files.

    Returns:
        A SampleResult.

    Raises:
        DesignError: a size or target that cannot be met. FormatError, GridError: the map or strata cannot be used.
        OutputError: the file cannot be written.

    Examples:
        swath sample out/classes.tif points.gpkg --se 0.02
        swath sample out/classes.tif points.csv --size 300 --minimum 25 --seed 7
    """
    from swath.sample import classmap
    from swath.sample import design as designs

    made = _classes(map, safe)
    other = None if strata is None else _classes(strata, safe)
    drawn = designs.draw(
        made,
        design=design,
        se=se,
        size=size,
        minimum=minimum,
        expected=_accuracies(expected),
        strata=other,
        seed=seed,
        progress=progress,
    )
    path = designs.write(drawn, made, out)
    notes = list(drawn.notes)
    if isinstance(other, classmap.ClassMap):
        notes.append(f"strata of {other.path.name}")
    if made.unit == "pixel":
        notes.append("the map has no CRS: areas are in pixels")
    return SampleResult(
        out=str(path),
        design=drawn.kind,
        points=len(drawn),
        unit=drawn.unit,
        strata=tuple(
            {
                "name": drawn.names[i],
                "code": int(drawn.strata[i]),
                "area": float(drawn.area[i]),
                "pixels": int(drawn.pixels[i]),
                "points": int(drawn.points[i]),
            }
            for i in range(len(drawn.names))
        ),
        seed=seed,
        notes=tuple(notes),
    )


def _classes(path: str | Path, safe: bool) -> Any:
    from swath.sample.classmap import open_map

    made = open_map(path, safe=safe)
    if made.kind != "class":
        raise DesignError(
            rule="a reference sample is drawn from a map of classes",
            got=f"{made.path.name}, a raster of floats",
            remedy="give classes.tif, or strata of whole numbers",
        )
    return made


def _accuracies(words: list[str] | None) -> float | dict[str, float]:
    """0.9, or {class: 0.9}, from what was typed."""
    if not words:
        return 0.9
    try:
        if len(words) == 1 and "=" not in words[0]:
            return float(words[0])
        return {name: float(value) for name, _, value in (w.rpartition("=") for w in words)}
    except ValueError as error:
        raise DesignError(
            rule="expected accuracies are numbers", got=" ".join(words), remedy="e.g. --expected 0.9 or forest=0.95"
        ) from error
