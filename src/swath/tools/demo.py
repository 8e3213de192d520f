"""The main job on data that need no download: Indian Pines from a package, or a made world with known truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import OutputError
from swath.tools.job import Progress, write_text

if TYPE_CHECKING:
    from swath.datasets.indian_pines import IndianPines

__all__ = ["Demo", "demo", "write_scene"]


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo made: the map's own result and where to look first."""

    result: Any
    report: str
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """As the map's."""
        return int(self.result.exit_code)

    def to_json(self) -> dict[str, Any]:
        """The map's result with the notes on the data."""
        return {"report": self.report, "notes": list(self.notes), "map": self.result.to_json()}

    def __str__(self) -> str:
        return "\n".join([*self.notes, "", str(self.result), "", f"Open the report: {self.report}"])


def demo(*, out: str | Path = "demo", world: bool = False, seed: int = 0, progress: Progress | None = None) -> Demo:
    """Run the main job on real data that comes with a package, or on a made world.

    Indian Pines (AVIRIS 1992, 16 classes): ten labelled pixels a class from some 16-px blocks, a map of the whole scene,
    judged on blocks that neither labels nor the choice of classifier touched.

    Args:
        out: folder for inputs, map and report.
        world: a made world instead (simulated): two sensors, two years of dates with clouds, known truth.
        seed: which blocks are dealt to labels and test, or which world is made.

    Returns:
        The map's result and the path of its report.

    Raises:
        ExtraError: without the `demo` extra; it names the command to type.

    Examples:
        swath demo
        swath demo --world --out world --seed 3
    """
    folder = Path(out)
    try:
        (folder / "input").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            rule="the demo writes into its --out folder", got=f"{out}: {error.strerror}", remedy="choose another folder"
        ) from error
    return _world(folder, seed, progress) if world else _indian_pines(folder, seed, progress)


def _indian_pines(folder: Path, seed: int, progress: Progress | None) -> Demo:
    from swath.cube.blocks import Layer
    from swath.cube.save import save_array
    from swath.datasets import indian_pines
    from swath.tools.map import map as make_map

    data = indian_pines.load()
    labels, test = indian_pines.deal(data.truth, seed)
    names = {code: name for code, name in enumerate(indian_pines.CLASSES, 1)}
    inside = folder / "input"
    scene = write_scene(data, inside / "indian_pines.tif")
    rows, columns = np.nonzero(labels)
    points = [f"{c + 0.5},{r + 0.5},{names[int(labels[r, c])]}" for r, c in zip(rows, columns, strict=True)]
    write_text(inside / "labels.csv", "\n".join(["x,y,class", *points]) + "\n")
    truth = save_array(test, inside / "test_blocks.tif", grid=None, layer=Layer(name="test_blocks", classes=names))
    notes = (
        f"Indian Pines, AVIRIS, {indian_pines.LICENCE}",
        *data.notes,
        f"{len(rows)} labelled pixels from 16-px blocks dealt to training (seed {seed}); "
        f"{int((test > 0).sum()):,} test pixels in the other blocks",
    )
    result = make_map(
        [str(scene)],
        labels=inside / "labels.csv",
        truth=truth,
        out=folder,
        seed=seed,
        title="Indian Pines from ten labelled pixels a class",
        remarks="\n".join(notes),
        progress=progress,
    )
    return Demo(result=result, report=str(folder / "report.html"), notes=notes)


def write_scene(data: IndianPines, path: Path) -> Path:
    """Write Indian Pines as a GeoTIFF that says its sensor, wavelengths, unit and date. Raises OutputError."""
    from swath.cube.blocks import Layer
    from swath.cube.save import save_array
    from swath.datasets import indian_pines

    wavelength = data.cube.coords["wavelength"].values
    tags = [
        {"quantity": "radiance", "units": indian_pines.UNIT, "wavelength": f"{nm:.2f}", "wavelength_units": "nm"}
        for nm in wavelength
    ]
    return save_array(
        data.stored,
        path,
        grid=None,
        layer=Layer(
            name="indian_pines",
            dtype="int16",
            nodata=None,
            bands=tuple(str(b) for b in data.cube.coords["band"].values),
            units=indian_pines.UNIT,
            scale=data.scale,
            offset=data.offset,
            tags={
                "sensor": "aviris",
                "quantity": "radiance",
                "licence": indian_pines.LICENCE,
                "date": "1992-06-12",
            },
            band_tags=tuple(tags),
        ),
    )


def _world(folder: Path, seed: int, progress: Progress | None) -> Demo:
    from swath.datasets.made import demo_world
    from swath.tools.map import map as make_map

    made = demo_world(folder / "input" / f"world-{seed}", seed=seed)  # dates of two worlds must not mix
    notes = (
        "Simulated: a made world seen by Sentinel-2 (with clouds) and Sentinel-1 over two years; no place on Earth",
        "the truth is known everywhere; the map is judged in blocks without labels",
    )
    result = make_map(
        [str(path) for path in made.sensors.values()] + [str(made.elevation)],
        labels=made.labels,
        truth=made.test,
        out=folder,
        seed=seed,
        title="A made world (simulated)",
        remarks="\n".join(notes),
        simulated=True,
        progress=progress,
    )
    checked = _areas_against_truth(folder, made.truth, dict(enumerate(made.classes, 1)), seed)
    return Demo(result=result, report=str(folder / "report.html"), notes=(*notes, checked))


def _areas_against_truth(folder: Path, truth: Path, names: dict[int, str], seed: int, *, size: int = 600) -> str:
    """Draw a reference sample of the map, look the points up in the known truth, and see which areas the intervals hold.

    A person would look at pictures or walk there; here the truth is known everywhere, so the intervals can be checked.
    """
    import pandas as pd
    import rasterio

    from swath.tools.assess import assess
    from swath.tools.sample import sample

    points = folder / "reference" / "points.csv"
    sample(folder / "classes.tif", points, size=size, minimum=25, seed=seed)
    with rasterio.open(truth) as file:
        codes, cell = file.read(1), abs(file.transform.a * file.transform.e) / 10_000
    table = pd.read_csv(points)
    table["label"] = [names[int(codes[r, c])] for r, c in zip(table["pixel_row"], table["pixel_column"], strict=True)]
    write_text(points, table.to_csv(index=False))
    found = assess(folder / "classes.tif", truth=points, out=folder / "reference").to_json()
    real = {name: float((codes == code).sum() * cell) for code, name in names.items()}
    held = [
        c["area"]["low"] <= real[c["name"]] <= c["area"]["high"]
        for c in found["classes"]
        if c["area"]["low"] is not None
    ]
    off = [abs(c["mapped_area"] - real[c["name"]]) for c in found["classes"] if c["mapped_area"] is not None]
    return (
        f"areas from a reference sample of {len(table)} points (simulated): {sum(held)} of {len(held)} intervals at 0.95 hold "
        f"the true area; the map alone is off by up to {max(off):.1f} ha; see reference/assessment.json"
    )
