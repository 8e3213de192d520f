"""Fetch scenes from a STAC service, cropped and whole in units and dates: the verb `get`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.errors import FormatError, SwathError, need
from swath.tools.fetch import Task, catalogue, fetch, path_of
from swath.tools.job import Job, Progress
from swath.tools.shown import Shown

if TYPE_CHECKING:
    from odc.geo.geom import Geometry

    from swath.cube.stac import Asset

__all__ = ["Got", "get"]


@dataclass(frozen=True, slots=True)
class Got(Shown):
    """What was fetched: `out` is a local STAC catalogue that opens as a scene series.

    items: their ids; matched: how many the service offered; files, bytes: written now or kept from before (`kept`);
    failed: (file, why).
    """

    out: Path
    items: list[str]
    matched: int
    files: list[Path]
    kept: int
    bytes: int
    dates: list[str]
    notes: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """3 when some files could not be fetched."""
        return 3 if self.failed else 0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "out": str(self.out),
            "items": self.items,
            "matched": self.matched,
            "files": [str(f) for f in self.files],
            "kept": self.kept,
            "bytes": self.bytes,
            "dates": self.dates,
            "notes": self.notes,
            "failed": [{"file": name, "reason": reason} for name, reason in self.failed],
        }

    def __str__(self) -> str:
        span = f", {self.dates[0]} to {self.dates[-1]}" if self.dates else ""
        lines = [
            f"{len(self.items)} of {self.matched} items{span}: {len(self.files)} files, {self.bytes / 1e6:.1f} MB in {self.out}"
        ]
        lines += [f"{self.kept} were there already"] if self.kept else []
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"failed: {name}: {reason}" for name, reason in self.failed]
        return "\n".join([*lines, f"next: swath info {self.out}"])


def get(
    *,
    stac: str,
    area: str,
    dates: str,
    out: Path = Path("scenes"),
    cloud: float = 100.0,
    collection: str | None = None,
    bands: list[str] | None = None,
    limit: int = 50,
    progress: Progress | None = None,
) -> Got:
    """Fetch scenes from a STAC service, cropped to an area, as Cloud-Optimised GeoTIFFs.

    Stored numbers are copied, not resampled; scale, offset, nodata, names and dates go with them. What is there already
    is not fetched again. The folder is a local STAC catalogue: give it to any other verb.

    Args:
        stac: Address of the service.
        area: A vector file, or west,south,east,north in degrees.
        dates: One date, month or year, or FIRST/LAST.
        out: Folder to write to.
        cloud: Most cloud cover of a scene, percent.
        collection: The service's collection; may be left out where it has one only.
        bands: Keys of assets, or names of bands as the service has them; all pictures by default.
        limit: Most items.
        progress: Called with (done, total, what).

    Returns:
        What was fetched, kept and failed.

    Raises:
        SwathError: The service does not answer, nothing matches, or `out` holds other cuts of the same scenes.
        ExtraError: The extra `stac` is not installed.

    Examples:
        swath get --stac https://earth.example/stac --collection sentinel-2-l2a --area field.gpkg --dates 2024-05/2024-08
        swath get --stac URL --area 11.2,46.4,11.4,46.6 --dates 2024-06 --cloud 20 --bands red,nir,scl --out scenes
    """
    from swath.cube.select import area_of

    out = Path(out)
    arguments = {
        "stac": stac, "area": area, "dates": dates, "out": out, "cloud": cloud, "collection": collection,
        "bands": bands, "limit": limit,
    }  # fmt: skip
    job = Job.start("get", arguments)
    place = area_of(area)
    if place is None:
        raise SwathError(rule="get needs an area", got="none", remedy="--area west,south,east,north or a vector file")
    notes: list[str] = []
    items, matched = _search(stac, place, dates, cloud, collection, limit, notes)
    tasks = [Task(item, asset, path_of(out, item, asset)) for item in items for asset in _wanted(item, bands)]
    if not tasks:
        raise SwathError(
            rule="the items must have the assets asked for",
            got=f"{', '.join(bands or [])} in {len(items)} items with {', '.join(_keys(items))}",
            remedy="choose --bands among them",
        )
    done, failed, kept = fetch(tasks, place, notes, progress)
    if not done:
        raise FormatError(
            rule="at least one asset must be fetched", got=f"{len(failed)} failed, first {failed[0][0]}: {failed[0][1]}",
            remedy="check access (some services sign their addresses) and try again",
        )  # fmt: skip
    written = catalogue(out, items, done)
    job.finish(out, [*done, *written], notes=list(dict.fromkeys(notes)))
    return Got(
        out=out,
        items=[str(item["id"]) for item in items],
        matched=matched,
        files=sorted(done),
        kept=kept,
        bytes=sum(path.stat().st_size for path in done),
        dates=sorted({str(item["properties"].get("datetime") or "")[:10] for item in items} - {""}),
        notes=list(dict.fromkeys(notes)),
        failed=failed,
    )


def _search(
    url: str, place: Geometry, dates: str, cloud: float, collection: str | None, limit: int, notes: list[str]
) -> tuple[list[dict[str, Any]], int]:
    """Items of the service, oldest first, as plain dicts with absolute addresses; and how many matched."""
    client_module = need("pystac_client", extra="stac", why="asking a STAC service")
    from pystac_client.exceptions import APIError

    box = place.to_crs("EPSG:4326").boundingbox
    bounds = [box.left, box.bottom, box.right, box.top]
    try:
        client = client_module.Client.open(url, timeout=(10, 60))
        if not client.conforms_to("ITEM_SEARCH"):
            raise SwathError(
                rule="the service answers item searches", got=f"{url}, a catalogue without search",
                remedy="fetch its files, then open the catalogue itself with swath info catalog.json",
            )  # fmt: skip
        name = collection or _only_collection(client, url)
        query = {"eo:cloud_cover": {"lte": cloud}} if cloud < 100 and client.conforms_to("QUERY") else None
        search = client.search(
            collections=[name], bbox=bounds, datetime=_interval(dates), query=query, max_items=20 * limit
        )
        found = []
        for item in search.items():
            item.make_asset_hrefs_absolute()
            found.append(item.to_dict(include_self_link=False, transform_hrefs=False))
    except SwathError:
        raise
    except (
        APIError,
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ) as error:  # requests' errors are OSErrors
        raise FormatError(
            rule="the STAC service must answer", got=f"{url}: {type(error).__name__}: {str(error)[:200]}",
            remedy="check the address, and that it speaks STAC API",
        ) from error  # fmt: skip
    return _picked(found, cloud, limit, f"{url} {name}, {dates}", notes)


def _picked(
    found: list[dict[str, Any]], cloud: float, limit: int, asked: str, notes: list[str]
) -> tuple[list[dict[str, Any]], int]:
    """The items with few enough clouds, at most `limit`; services that know no cloud filter are filtered here."""
    silent = [i for i in found if i["properties"].get("eo:cloud_cover") is None]
    clear = [i for i in found if float(i["properties"].get("eo:cloud_cover") or 0) <= cloud]
    if silent and cloud < 100:
        notes.append(f"{len(silent)} of {len(found)} items tell no cloud cover: kept")
    if not clear:
        raise SwathError(
            rule="at least one item must match", got=f"none of {len(found)} in {asked} with at most {cloud:g} % cloud",
            remedy="widen --area, --dates or --cloud",
        )  # fmt: skip
    clear.sort(key=lambda i: (str(i["properties"].get("datetime")), str(i["id"])))
    matched = len(clear)
    if matched > limit:
        notes.append(f"{len(clear)} items match, the {limit} with the least cloud are fetched (--limit)")
        clear.sort(key=lambda i: float(i["properties"].get("eo:cloud_cover") or 0))
        clear = sorted(clear[:limit], key=lambda i: (str(i["properties"].get("datetime")), str(i["id"])))
    return clear, matched


def _only_collection(client: Any, url: str) -> str:
    names = sorted(c.id for c in client.get_collections())
    if len(names) == 1:
        return str(names[0])
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    raise SwathError(
        rule="a service with several collections is asked for one", got=f"{url} with {', '.join(names[:20])}{more}",
        remedy="--collection NAME",
    )  # fmt: skip


def _interval(dates: str) -> str:
    """Dates as STAC wants them: whole days, months and years as intervals."""
    import numpy as np

    from swath.earth.time import span

    spans = [span(part) for part in str(dates).split(",")]
    first, last = min(s[0] for s in spans), max(s[1] for s in spans)

    def text(moment: np.datetime64) -> str:
        seconds = moment.astype("datetime64[s]")
        known = np.datetime64("1900-01-01") < seconds < np.datetime64("2200-01-01")
        return f"{np.datetime_as_string(seconds)}Z" if known else ".."

    return f"{text(first)}/{text(last - np.timedelta64(1, 's'))}"


def _keys(items: list[dict[str, Any]]) -> list[str]:
    from swath.cube.stac import assets_of

    return list(dict.fromkeys(asset.key for item in items for asset in assets_of(item)))


def _wanted(item: Mapping[str, Any], bands: list[str] | None) -> list[Asset]:
    from swath.cube.stac import assets_of

    assets = assets_of(item)
    if not bands:
        return assets
    asked = {b.strip().lower() for text in bands for b in text.split(",")}
    return [
        a
        for a in assets
        if a.key.lower() in asked
        or any({str(b.get("name")).lower(), str(b.get("common_name")).lower()} & asked for b in a.bands)
    ]
