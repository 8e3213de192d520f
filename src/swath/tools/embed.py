"""From scenes to vectors: what an encoder makes of every window, with place, date and key, in one archive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from swath.errors import GridError, OutputError
from swath.tools.job import Job, Progress, can_be_written, write_json
from swath.tools.scenes import Reading
from swath.tools.shown import Shown

__all__ = ["EmbedResult", "embed"]

WINDOW = 32  # pixels a side for encoders that take any window


@dataclass(frozen=True, slots=True)
class EmbedResult(Shown):
    """What an embed run gave. empty: windows without a valid pixel; failed: windows that could not be read.

    left_out: scenes that could not be opened, with the reason. threshold: similarity below which nothing is alike.
    """

    out: str
    encoder: str
    vectors: int
    width: int
    windows: int
    empty: int
    failed: int
    left_out: tuple[tuple[str, str], ...]
    cost: str
    seconds: float
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """3 when windows or scenes are missing, else 0."""
        return 3 if self.failed or self.left_out else 0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "out": self.out,
            "encoder": self.encoder,
            "vectors": self.vectors,
            "width": self.width,
            "windows": self.windows,
            "empty_windows": self.empty,
            "failed_windows": self.failed,
            "left_out": [list(pair) for pair in self.left_out],
            "cost": self.cost,
            "seconds": round(self.seconds, 2),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [f"{self.vectors:,} vectors of {self.width} numbers by {self.encoder} in {self.seconds:.1f} s"]
        if self.empty:
            lines.append(f"{self.empty:,} of {self.windows:,} windows have no valid pixel: left out")
        if self.failed:
            lines.append(f"{self.failed:,} windows failed three times: left out")
        lines += [f"left out: {path}: {reason}" for path, reason in self.left_out[:5]]
        if len(self.left_out) > 5:
            lines.append(f"left out: {len(self.left_out) - 5} more scenes")
        lines += [f"note: {n}" for n in self.notes[:12]]
        return "\n".join([*lines, f"in {self.out}"])


def embed(
    scenes: list[str],
    *,
    encoder: str = "tiny",
    weights: str | Path | None = None,
    out: str | Path = "embeddings.zarr",
    gsd: float | None = None,
    window: int | None = None,
    by: Literal["window", "patch", "date"] = "window",
    plan: bool = False,
    scheduler: str = "threads",
    workers: int | None = None,
    area: str | None = None,
    dates: str | None = None,
    bands: list[str] | None = None,
    offset: float | None = None,
    scale: float | None = None,
    sensor: str | None = None,
    safe: bool = False,
    progress: Progress | None = None,
) -> Any:
    """Turn scenes into vectors by an encoder: one for every window, with place, date and key, ready to search.

    Scenes of the same ground come together (all their sensors and dates); others are places of their own. It says first
    what it will cost, measured on one window. Interrupted, the same command goes on where it stopped.

    Args:
        scenes: files, folders or cubes; a folder that is no scene stands for the pictures below it.
        encoder: name of an encoder: statistics, tiny, presto, galileo ...; random:NAME for one with random weights.
        weights: its weights file, where it is not found by itself; or hf:owner/repository/file.
        out: the archive: NAME.zarr, or NAME.parquet (GeoParquet, extra `parquet`).
        gsd: pixel size in metres to which scenes are resampled first; their own by default.
        window: pixels a side of a window; by default what the encoder asks for, else 32.
        by: a vector for each window (all dates together), for each patch of it, or for each window and date.
        plan: say windows, tokens, time, memory and disk beforehand, and stop.
        scheduler: threads, dask, or tcp://... of a running Dask cluster.
        workers: how many threads or processes.
        area: file, or bbox west,south,east,north.
        dates: 2019-05-01/2019-09-30, 2019-05..2019-09 or 2019.
        bands: only these bands.
        offset: settles units: physical = (stored + offset) x scale.
        scale: settles units, with offset.
        sensor: key of the sensor where the file is silent.
        safe: open files in a guarded child process.

    Returns:
        An EmbedResult (a Cost with `plan`).

    Raises:
        BandError, UnitError: the encoder cannot take these bands or quantities. GridError: a window that does not fit it.
        OutputError: no room, not writable, or the rest of another run.

    Examples:
        swath embed scene.tif --encoder tiny --out scene.zarr
        swath embed S2_2019/ S1_2019/ --encoder presto --by date --out region.parquet --plan
    """
    from swath.predict.encode import encode, measure
    from swath.predict.spots import Encoding
    from swath.tools.encoding import encoder_of, sites_of

    asked = dict(locals())
    for name in ("encode", "measure", "Encoding", "encoder_of", "sites_of"):
        asked.pop(name)
    path = Path(out)
    if path.suffix not in (".zarr", ".parquet"):
        raise OutputError(
            rule="vectors are written to .zarr or .parquet", got=str(path), remedy=f"try --out {path.name or 'E'}.zarr"
        )
    if not plan:
        can_be_written(path.parent)
    network, record = encoder_of(encoder, weights)
    grouped = sites_of(scenes, Reading(area, dates, bands, offset, scale, sensor, safe), gsd=gsd, progress=progress)
    side = window_of(network, window, record["encoder"])
    most = max(1, int(network.needs.dates[1]))
    patch = patch_of(network)
    if by == "patch" and side % patch:
        raise GridError(
            rule=f"a window is made of whole patches of {patch} px", got=f"{side} px", remedy=f"--window {patch * 8}"
        )
    _comparable(record["encoder"], grouped.sites)
    work = Encoding(grouped.sites, network, side, by, patch, most)
    cost = measure(work, workers=workers)
    if plan:
        return cost
    if progress is not None:
        progress(0, 0, str(cost))
    notes = list(grouped.notes) + fitness(network, grouped.sites, record["encoder"], most, by)
    reads = [i for site in grouped.sites for i in site.items]
    job = Job.start("embed", asked, [*reads, *([weights] if weights is not None else [])])
    facts = {
        **record,
        "window": side,
        "by": by,
        "patch": patch,
        "gsd": gsd,
        "bands": sorted({str(k) for site in grouped.sites for k in site.kind}),
        "sites": {site.name: site.to_json() for site in grouped.sites},
    }
    digests = [item.get("digest") or item.get("note") for item in job.inputs]
    made = encode(
        work,
        path,
        width=cost.width,
        facts=facts,
        inputs=digests,
        scheduler=scheduler,
        workers=workers,
        progress=progress,
    )
    notes.append(
        f"similarity below {made.threshold:.3f} says nothing: {made.words}"
        if made.threshold == made.threshold
        else made.words
    )
    more = {"out_name": path.name, "cost": cost.to_json(), "empty_windows": made.empty, "failed_windows": made.failed}
    more |= {"left_out": [list(pair) for pair in grouped.left_out], "encoder": record}
    write_json(path.with_name(path.name + ".run.json"), job.record([path], path.parent, **more))
    return EmbedResult(
        out=str(path),
        encoder=record["encoder"],
        vectors=made.vectors,
        width=made.width,
        windows=made.windows,
        empty=made.empty,
        failed=made.failed,
        left_out=grouped.left_out,
        cost=str(cost),
        seconds=made.seconds,
        notes=tuple(dict.fromkeys(notes)),
    )


def _comparable(name: str, sites: Any) -> None:
    """Encoders without weights tell numbers of the bands that are there: of other bands they cannot be compared."""
    from swath.models import CLASSICAL

    bands = sorted({tuple(k[1:] for k in site.kind) for site in sites})
    if name in CLASSICAL and len(bands) > 1:
        few = "; ".join(", ".join(kind[0][:4]) for kind in bands[:3])
        raise GridError(
            rule=f"vectors of {name} can be compared where all scenes have the same bands",
            got=f"{len(bands)} sets of bands ({few} ...)",
            remedy="choose common ones with --bands, or make an archive for each sensor",
        )


def patch_of(network: Any) -> int:
    """Pixels along a side that a token covers; 1 for encoders of pixels."""
    return max(1, int(getattr(network, "patch", 1) or 1))


def window_of(network: Any, window: int | None, name: str) -> int:
    """The window that an encoder is run in. Raises GridError for one that it cannot take."""
    own, patch = network.needs.size, patch_of(network)
    if own is not None and window is not None and window != own:
        raise GridError(
            rule=f"{name} is always run on windows of {own} px", got=f"--window {window}", remedy="leave --window out"
        )
    side = int(own or window or -(-WINDOW // patch) * patch)
    if side < 1 or side % patch:
        raise GridError(
            rule=f"a window of {name} is a multiple of {patch} px", got=f"{side}", remedy=f"try --window {patch * 4}"
        )
    return side


def fitness(network: Any, sites: Any, name: str, most: int, by: str) -> list[str]:
    """Sentences on what of the scenes lies outside of what an encoder was made for."""
    from swath.earth import grid

    said = []
    low, high = network.needs.gsd
    sizes = {round(grid.gsd(site.grid), 3) for site in sites if site.grid is not None and site.grid.crs is not None}
    off = sorted(s for s in sizes if not 0.8 * low <= s <= 1.25 * high)
    if off:
        said.append(f"{name} was made for pixels of {low:g} to {high:g} m; these have {off[0]:g} m: try --gsd")
    longest = max((len(site.days) for site in sites), default=0)
    if by == "window" and longest > most:
        said.append(f"{name} takes {most} dates at once: of {longest} the clearest are used in each window")
    return said
