"""Archives of vectors on disk: Zarr that xarray opens, or GeoParquet that geopandas opens; written and read in blocks."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

import swath
from swath.cube.blocks import fsync_folder, refuse
from swath.errors import FormatError, OutputError, need

__all__ = ["BLOCK_BYTES", "Columns", "Rows", "Writer", "open_columns", "rows_a_block"]

FORMAT = 1
BLOCK_BYTES = 4 << 20
NAMES = ("key", "place", "lon", "lat", "day", "vector")


class Rows(Protocol):
    """A column, in memory or on disk: shape, and the rows of a slice or of an index array as NumPy."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N,) or (N, D)."""
        ...

    def __getitem__(self, rows: Any) -> Any:
        """The rows asked for, and no others read."""
        ...


def rows_a_block(width: int) -> int:
    """How many vectors of `width` float32 make a block: a power of two, at most 4 MB."""
    return int(1 << max(6, (BLOCK_BYTES // (4 * max(1, width))).bit_length() - 1))


class Columns:
    """What an archive holds: each column is read only when rows of it are asked for."""

    def __init__(self, columns: Mapping[str, Rows], facts: dict[str, Any]) -> None:
        self.columns, self.facts = dict(columns), facts


def open_columns(path: Path) -> Columns:
    """The columns of an archive. Raises FormatError where it is none, or of a later form."""
    if not path.exists():
        raise FormatError(
            rule="an archive of vectors is a .zarr folder or a .parquet file",
            got=f"no {path}",
            remedy="make one with swath embed SCENE... --out E.zarr",
        )
    columns = _from_parquet(path) if path.suffix == ".parquet" else _from_zarr(path)
    if columns.facts.get("format", 0) > FORMAT:
        raise FormatError(
            rule=f"this swath reads archives of vectors up to form {FORMAT}",
            got=f"{path.name} of form {columns.facts['format']}",
            remedy="use the newer swath that wrote it",
        )
    return columns


class Writer:
    """Writes `count` vectors of `width` numbers in order, in blocks: aside first, renamed when whole.

    path: .zarr, or .parquet (extra `parquet`). Use as a context manager; what is left unfinished is removed.
    Raises OutputError (no room, not writable, another ending), ExtraError.
    """

    def __init__(self, path: str | os.PathLike[str], count: int, width: int, facts: Mapping[str, Any]) -> None:
        self.path, self.count, self.width = Path(path), int(count), int(width)
        self.facts = {**facts, "format": FORMAT, "swath": swath.__version__}
        self._aside = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        self._at = 0
        if self.path.suffix not in (".zarr", ".parquet"):
            raise OutputError(
                rule="vectors are written to .zarr or .parquet", got=str(path), remedy="name such a file in --out"
            )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._zarr() if self.path.suffix == ".zarr" else self._parquet()
        except OSError as error:
            raise refuse(error, self.path) from error

    def _zarr(self) -> Any:
        import zarr

        shutil.rmtree(self._aside, ignore_errors=True)
        group = zarr.open_group(self._aside, mode="w", zarr_format=3)
        group.attrs.update({"Conventions": "CF-1.10", "swath": self.facts["swath"], "vectors": json.dumps(self.facts)})
        block = min(rows_a_block(self.width), max(1, self.count))
        about: dict[str, dict[str, Any]] = {
            "lon": {"standard_name": "longitude", "units": "degrees_east"},
            "lat": {"standard_name": "latitude", "units": "degrees_north"},
            "day": {"standard_name": "time", "units": "days since 1970-01-01", "calendar": "standard"},
            "vector": {"coordinates": "key place lon lat day", "long_name": "embedding", "units": "1"},
        }
        for name in NAMES:
            text, wide = name in ("key", "place"), name == "vector"
            group.create_array(
                name,
                shape=(self.count, self.width) if wide else (self.count,),
                chunks=(block, self.width) if wide else (min(max(1, self.count), 1 << 16),),
                dtype="string" if text else "float32" if wide else "float64",
                fill_value="" if text else float("nan"),
                dimension_names=["row", "component"] if wide else ["row"],
                attributes=about.get(name, {}),
            )
        return group

    def _parquet(self) -> Any:
        need("pyarrow", extra="parquet", why="writing vectors as Parquet")
        import pyarrow as pa
        import pyarrow.parquet as pq

        geometry = {"encoding": "WKB", "geometry_types": ["Point"]}  # lon, lat: the standard's default CRS
        geo = {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": geometry}}
        self._schema = pa.schema(
            [
                ("key", pa.string()),
                ("place", pa.string()),
                ("lon", pa.float64()),
                ("lat", pa.float64()),
                ("day", pa.timestamp("ms")),
                ("geometry", pa.binary()),
                ("vector", pa.list_(pa.float32(), self.width)),
            ],
            metadata={"geo": json.dumps(geo), "swath": json.dumps(self.facts)},
        )
        return pq.ParquetWriter(self._aside, self._schema, compression="zstd")

    def add(self, key: Any, lonlat: np.ndarray, day: np.ndarray, place: Any, vector: np.ndarray) -> None:
        """The next rows: key (n,), lonlat (n, 2), day (n,), place (n,), vector (n, width)."""
        n = len(key)
        if not n:
            return
        columns = {"key": np.asarray(key, object), "place": np.asarray(place, object), "lon": lonlat[:, 0]}
        columns |= {"lat": lonlat[:, 1], "day": day, "vector": np.asarray(vector, np.float32)}
        try:
            if self.path.suffix == ".zarr":
                for name, values in columns.items():
                    kind = np.dtypes.StringDType() if values.dtype == object else values.dtype
                    self._file[name][self._at : self._at + n] = values.astype(kind)
            else:
                self._add_parquet(columns)
        except OSError as error:
            raise refuse(error, self.path) from error
        self._at += n

    def _add_parquet(self, columns: dict[str, np.ndarray]) -> None:
        import pyarrow as pa
        import shapely

        known = np.isfinite(columns["lon"]) & np.isfinite(columns["lat"])
        points = np.full(len(known), None, object)
        points[known] = shapely.to_wkb(shapely.points(columns["lon"][known], columns["lat"][known]))
        flat = pa.array(np.ascontiguousarray(columns["vector"]).ravel())
        milliseconds = np.where(np.isfinite(columns["day"]), np.round(columns["day"] * 86_400_000.0), 0).astype("int64")
        arrays = [
            pa.array(list(columns["key"]), pa.string()),
            pa.array(list(columns["place"]), pa.string()),
            pa.array(columns["lon"]),
            pa.array(columns["lat"]),
            pa.array(milliseconds, mask=~np.isfinite(columns["day"])).cast(pa.timestamp("ms")),
            pa.array(list(points), pa.binary()),
            pa.FixedSizeListArray.from_arrays(flat, self.width),
        ]
        self._file.write_table(pa.table(arrays, schema=self._schema), row_group_size=rows_a_block(self.width))

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.path.suffix == ".parquet":
                self._file.close()
            if kind is None:
                self._publish()
        except OSError as wrong:
            raise refuse(wrong, self.path) from wrong
        finally:
            remove(self._aside)

    def _publish(self) -> None:
        if self._at != self.count:
            raise OutputError(
                rule=f"{self.count} vectors were announced", got=f"{self._at} written", remedy="this is a bug in swath"
            )
        if self.path.suffix == ".zarr":
            import warnings

            import zarr

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # consolidated metadata are not yet part of the Zarr 3 text
                zarr.consolidate_metadata(self._aside)
        for part in [self._aside] if self._aside.is_file() else [p for p in self._aside.rglob("*") if p.is_file()]:
            with open(part, "rb") as file:
                os.fsync(file.fileno())
        old = self.path.with_name(f".{self.path.name}.{os.getpid()}.old")
        if self.path.exists():
            os.replace(self.path, old)
        os.replace(self._aside, self.path)
        remove(old)
        fsync_folder(self.path.parent)


def remove(path: Path) -> None:
    """Remove a file or folder if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


class _Zarr:
    """A column of a Zarr archive."""

    def __init__(self, array: Any) -> None:
        self.array, self.shape = array, tuple(array.shape)

    def __getitem__(self, rows: Any) -> np.ndarray:
        found = self.array[rows] if isinstance(rows, slice) else self.array.oindex[np.asarray(rows, np.int64)]
        out = np.asarray(found)
        return out.astype(object).astype(str) if out.dtype.kind in "TO" else out


def _from_zarr(path: Path) -> Columns:
    import zarr

    try:
        group = zarr.open_group(path, mode="r")
        facts = json.loads(str(group.attrs["vectors"]))
        return Columns({name: _Zarr(group[name]) for name in NAMES}, facts)
    except (KeyError, ValueError, OSError, zarr.errors.BaseZarrError) as error:
        raise _no_archive(path, error) from error


class _Parquet:
    """A column of a Parquet archive; row groups are the blocks."""

    def __init__(self, file: Any, name: str, shape: tuple[int, ...]) -> None:
        self.file, self.name, self.shape = file, name, shape
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
        self.start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    def __getitem__(self, rows: Any) -> np.ndarray:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(self.shape[0]))
        rows = np.asarray(rows, np.int64)
        kind: Any = {"vector": np.float32, "key": object, "place": object}.get(self.name, np.float64)
        out = np.empty((len(rows), *self.shape[1:]), kind)
        group = np.searchsorted(self.start, rows, side="right") - 1
        for g in np.unique(group):
            here = group == g
            out[here] = self._group(int(g))[rows[here] - self.start[g]]
        return out.astype(str) if kind is object else out

    def _group(self, number: int) -> np.ndarray:
        column = self.file.read_row_group(number, columns=[self.name]).column(0).combine_chunks()
        if self.name == "vector":
            return np.asarray(column.flatten().to_numpy(zero_copy_only=False)).reshape(-1, self.shape[1])
        if self.name == "day":
            moments = column.to_numpy(zero_copy_only=False).astype("datetime64[ms]")
            return np.where(np.isnat(moments), np.nan, moments.astype(np.int64) / 86_400_000.0)
        return np.asarray(column.to_numpy(zero_copy_only=False))


def _from_parquet(path: Path) -> Columns:
    need("pyarrow", extra="parquet", why="reading vectors from Parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        facts = json.loads(file.schema_arrow.metadata[b"swath"])
        width = file.schema_arrow.field("vector").type.list_size
    except (KeyError, TypeError, ValueError, OSError, AttributeError, pa.ArrowException) as error:
        raise _no_archive(path, error) from error
    n = int(file.metadata.num_rows)
    return Columns({name: _Parquet(file, name, (n, width) if name == "vector" else (n,)) for name in NAMES}, facts)


def _no_archive(path: Path, error: Exception) -> FormatError:
    return FormatError(
        rule="an archive of vectors holds key, place, lon, lat, day and vector, with its facts",
        got=f"{path.name}: {type(error).__name__} {str(error).splitlines()[0] if str(error) else ''}"[:200],
        remedy="make one with swath embed",
    )
