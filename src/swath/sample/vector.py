"""Label files with places (GeoJSON, GPKG, shapefile, GeoParquet, CSV) as tables with geometry. Not: onto a grid."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import FormatError, LabelError, need

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

__all__ = ["Frame", "load"]

MOST_BYTES = 512 * 2**20
MOST_DEPTH = 40
LONGEST_LINE = 2**20
UNPACKS, SMALL = 100, 2**25  # a gzip of a table unpacks to at most so many times its bytes, or to SMALL
X_NAMES = "lon long longitude lng x easting east lon_deg xcoord x_coord point_x coord_x decimallongitude".split()  # noqa: SIM905
Y_NAMES = "lat latitude y northing north lat_deg ycoord y_coord point_y coord_y decimallatitude".split()  # noqa: SIM905
DEGREES = "lon long longitude lng lat latitude lon_deg lat_deg decimallongitude decimallatitude".split()  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class Frame:
    """A table of labels: data (columns without geometry), geometry (n,), crs (None = the file says none),
    from_pixels, notes.
    """

    data: pd.DataFrame
    geometry: np.ndarray
    crs: Any
    pixels: bool = False
    silent: bool = False
    notes: list[str] = field(default_factory=list)


def load(source: Any, *, xy: str | None = None, crs: str | None = None) -> Frame:
    """Read a label file or take a GeoDataFrame. xy: the columns of x and y ("lat,lon" of a geometry file swaps its
    axes).

    crs: what the coordinates are in, where the file does not say. Raises FormatError for files that cannot be read,
    LabelError for tables without places.
    """
    if hasattr(source, "geometry") and hasattr(source, "columns"):
        return _framed(source, xy, crs, silent=source.crs is None)
    path, _, layer = str(source).partition("#")
    file = Path(path)
    if not file.exists():
        raise FormatError(
            rule="labels are in a file", got=f"nothing at {file.name}", remedy="mend the path given with --labels"
        )
    if file.is_file() and file.stat().st_size == 0:
        raise FormatError(
            rule="a label file holds labels", got=f"{file.name} is empty (0 bytes)", remedy="give another file"
        )
    name = file.name.lower()
    if re.search(r"\.(csv|tsv|txt)(\.gz)?$", name):
        return _table(file, xy, crs)
    if name.endswith((".geojson", ".json", ".geojson.gz", ".topojson")):
        _guard_json(file)
    return _vector(file, layer or None, xy, crs)


def _vector(file: Path, layer: str | None, xy: str | None, crs: str | None) -> Frame:
    import geopandas as gpd
    import pyogrio
    from shapely.errors import ShapelyError

    if file.name.lower().endswith((".parquet", ".geoparquet")):
        need("pyarrow", extra="parquet", why="reading GeoParquet labels")
        from swath.sample.rows import check_parquet

        try:
            check_parquet(file)
            return _framed(gpd.read_parquet(file), xy, crs, silent=False)
        except (ValueError, OSError, TypeError, KeyError, ShapelyError) as error:
            if isinstance(error, FormatError):
                raise
            raise _unreadable(file, error) from error
    source = f"/vsigzip/{file.resolve()}" if file.name.lower().endswith(".gz") else file
    try:
        layers: list[str | None] = [str(n) for n, kind in pyogrio.list_layers(source) if kind is not None]
        layers = layers or [None]
        if layer is None and len(layers) > 1:
            raise LabelError(
                rule="labels come from one layer",
                got=f"{file.name} with the layers {', '.join(map(str, layers[:10]))}",
                remedy=f"name one: {file.name}#{layers[0]}",
            )
        if layer is not None and layer not in layers:
            raise LabelError(
                rule="labels come from a layer of the file",
                got=f"{layer!r}",
                remedy=f"choose of {', '.join(map(str, layers))}",
            )
        frame = gpd.read_file(source, layer=layer or layers[0], engine="pyogrio")
    except (
        pyogrio.errors.DataSourceError,
        pyogrio.errors.DataLayerError,
        ValueError,
        RuntimeError,
        UnicodeDecodeError,
        ShapelyError,
    ) as error:
        if isinstance(error, LabelError):
            raise
        raise _unreadable(file, error) from error
    if not hasattr(frame, "geometry") or "geometry" not in frame.columns:
        raise LabelError(
            rule="labels lie somewhere", got=f"{file.name} without geometry", remedy="give points or polygons"
        )
    json = ".json" in file.name.lower() or ".geojson" in file.name.lower()
    if json and _in_pixels(file):
        return replace(_framed(frame, xy, None, silent=True), crs=None, pixels=True)
    return _framed(frame, xy, crs, silent=json and not _says_crs(file))


def _unreadable(file: Path, error: Exception) -> FormatError:
    return FormatError(
        rule="labels are GeoJSON, GPKG, shapefile, GeoParquet, CSV or a raster mask",
        got=f"{file.name}, which does not open ({str(error)[:120]})",
        remedy="open it in a GIS and export it as GPKG",
    )


def _open(file: Path) -> Any:
    return gzip.open(file, "rb") if file.name.endswith(".gz") else file.open("rb")


def _says_crs(file: Path) -> bool:
    with _open(file) as stream:
        return b'"crs"' in stream.read(65536)


def _in_pixels(file: Path) -> bool:
    """Whether the file says that its coordinates are column and row of the scene: a member "swath:crs" of "pixel"."""
    with _open(file) as stream:
        return re.search(rb'"swath:crs"\s*:\s*"pixel"', stream.read(4096)) is not None


def _guard_json(file: Path) -> None:
    """Refuse a JSON file that is huge or nested deeper than any geometry, before a parser sees it."""
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise FormatError(
            rule=f"a GeoJSON file of labels is at most {MOST_BYTES >> 20} MB",
            got=f"{file.name} of {size >> 20} MB",
            remedy="convert it to GPKG: ogr2ogr labels.gpkg labels.geojson",
        )
    depth = deepest = read = 0
    with _open(file) as stream:
        while chunk := _chunk(stream, file):
            read += len(chunk)
            if file.name.endswith(".gz") and read > max(SMALL, UNPACKS * size):
                raise FormatError(
                    rule="a packed GeoJSON unpacks to what labels need",
                    got=f"{file.name}, more than {read >> 20} MB",
                    remedy="it is damaged or made to do harm: do not use it",
                )
            text = np.frombuffer(chunk, np.uint8)
            step = np.isin(text, (91, 123)).astype(np.int8) - np.isin(text, (93, 125)).astype(np.int8)
            run = depth + np.cumsum(step, dtype=np.int64)
            deepest, depth = max(deepest, int(run.max())), int(run[-1])
            if deepest > MOST_DEPTH or read > MOST_BYTES:
                raise FormatError(
                    rule=f"GeoJSON nests at most {MOST_DEPTH} levels in {MOST_BYTES >> 20} MB",
                    got=f"{file.name} with {deepest} levels",
                    remedy="this is no map data; give another file",
                )
    from swath.sample.linked import linked_crs

    with _open(file) as stream:
        if linked_crs(stream):
            raise FormatError(
                rule="a GeoJSON names its coordinate system, and links to none",
                got=f"{file.name} whose crs is a link",
                remedy="leave the member crs out, and give --crs",
            )


def _guard_table(file: Path) -> None:
    """Refuse what is no table, before a parser sees it: a first line without end, a gzip that unpacks to far more."""
    with _open(file) as stream:
        try:
            head = stream.readline(LONGEST_LINE)
        except (OSError, EOFError, zlib.error) as error:
            raise _unreadable(file, error) from error
        if len(head) == LONGEST_LINE and not head.endswith(b"\n"):
            raise FormatError(
                rule=f"the lines of a table have at most {LONGEST_LINE >> 10} kB",
                got=f"{file.name} with a longer one",
                remedy="this is no table of labels; give another file",
            )
        if not file.name.endswith(".gz"):
            return
        limit, read = max(SMALL, UNPACKS * file.stat().st_size), len(head)
        while chunk := _chunk(stream, file):
            read += len(chunk)
            if read > min(limit, MOST_BYTES):
                raise FormatError(
                    rule="a packed table unpacks to what tables need",
                    got=f"{file.name}, more than {min(limit, MOST_BYTES) >> 20} MB",
                    remedy="it is damaged or made to do harm: do not use it",
                )


def _chunk(stream: Any, file: Path) -> bytes:
    try:
        return bytes(stream.read(1 << 20))
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(file, error) from error


def _table(file: Path, xy: str | None, crs: str | None) -> Frame:
    import pandas as pd
    import shapely

    if file.stat().st_size > MOST_BYTES:
        raise FormatError(
            rule=f"a table of labels is at most {MOST_BYTES >> 20} MB", got=file.name, remedy="convert it to GPKG"
        )
    _guard_table(file)
    with _open(file) as stream:
        head = stream.readline(LONGEST_LINE).decode("utf-8", "replace")
    separator = max(",;\t|", key=head.count)
    try:
        data = pd.read_csv(file, sep=separator, decimal="," if separator == ";" and _comma_decimals(file) else ".")
    except (ValueError, UnicodeDecodeError, OSError, EOFError) as error:
        raise _unreadable(file, error) from error
    lower = {str(c).strip().lower(): c for c in data.columns}
    if (
        xy is None
        and {"row"} <= set(lower)
        and (col := next((lower[n] for n in ("column", "col") if n in lower), None)) is not None
    ):
        points = _points(data, col, lower["row"], file, centre=True)
        return Frame(data.drop(columns=[col, lower["row"]]), points, None, pixels=True)
    if xy is None and (wkt := next((lower[n] for n in ("wkt", "geometry", "geom") if n in lower), None)) is not None:
        shapes = shapely.from_wkt(data[wkt].astype(str).to_numpy(), on_invalid="ignore")
        return Frame(data.drop(columns=[wkt]), shapes, crs, silent=crs is None)
    x, y = _xy_columns(data, lower, xy, file)
    points = _points(data, x, y, file, centre=False)
    degrees = str(x).strip().lower() in DEGREES and str(y).strip().lower() in DEGREES
    return Frame(data.drop(columns=[x, y]), points, crs or ("EPSG:4326" if degrees else None), silent=crs is None)


def _comma_decimals(file: Path) -> bool:
    with _open(file) as stream:
        return re.search(rb"\d,\d", stream.read(4096)) is not None


def _xy_columns(data: pd.DataFrame, lower: dict[str, Any], xy: str | None, file: Path) -> tuple[Any, Any]:
    if xy is not None:
        names = [n.strip() for n in xy.split(",")]
        if len(names) != 2 or any(n.lower() not in lower for n in names):
            raise LabelError(
                rule="--xy names the column of x (or longitude), then that of y (or latitude)",
                got=f"{xy!r}; {file.name} has {', '.join(map(str, data.columns))}",
                remedy="e.g. --xy lon,lat",
            )
        return lower[names[0].lower()], lower[names[1].lower()]
    x = next((lower[n] for n in X_NAMES if n in lower), None)
    y = next((lower[n] for n in Y_NAMES if n in lower), None)
    if x is None or y is None:
        raise LabelError(
            rule="a table of labels has columns for x and y (lon and lat)",
            got=f"{file.name} with {', '.join(map(str, data.columns))}",
            remedy="name them: --xy XCOLUMN,YCOLUMN",
        )
    return x, y


def _points(data: pd.DataFrame, x: Any, y: Any, file: Path, *, centre: bool) -> np.ndarray:
    import pandas as pd
    import shapely

    columns = [pd.to_numeric(data[c], errors="coerce").to_numpy(dtype=float) for c in (x, y)]
    if not np.isfinite(columns).all(axis=0).any():
        raise LabelError(
            rule=f"the columns {x} and {y} hold coordinates",
            got=f"{file.name} without one number there",
            remedy="name others with --xy",
        )
    half = 0.5 if centre else 0.0
    xy = np.stack(columns, axis=1) + half
    points = np.full(len(xy), None, dtype=object)
    good = np.isfinite(xy).all(axis=1)
    points[good] = shapely.points(xy[good])
    return points


def _framed(frame: gpd.GeoDataFrame, xy: str | None, crs: str | None, *, silent: bool) -> Frame:
    import pandas as pd
    import shapely

    geometry = np.asarray(frame.geometry.values, dtype=object)
    notes = []
    if xy is not None:
        if xy.replace(" ", "").lower() not in ("lat,lon", "y,x", "latitude,longitude", "northing,easting"):
            raise LabelError(
                rule="for a file with geometry --xy only says the order of its axes",
                got=f"{xy!r}",
                remedy="use --xy lat,lon or leave it out",
            )
        geometry = shapely.transform(geometry, lambda a: a[:, ::-1])
        notes.append("axes swapped as asked: coordinates read as lat,lon")
    return Frame(
        pd.DataFrame(frame.drop(columns=frame.geometry.name)), geometry, crs or frame.crs, silent=silent, notes=notes
    )
