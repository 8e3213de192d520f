"""Small files that ask for far more than they hold; each is made here, and each has a harmless twin of its kind."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import builders
import numpy as np
import rasterio

Make = Callable[[Path], None]
WIDE = 100_000


@dataclass(frozen=True)
class Bomb:
    """name: of the file in the root; make: the bomb; twin: the harmless one. how: given as.

    survived: the reader may take it, within its limits.
    """

    name: str
    make: Make
    twin: Make
    how: str = "scene"
    slow: bool = False
    survived: bool = False

    def __str__(self) -> str:
        return self.name


def sparse(width: int, height: int, count: int, block: int, dtype: str = "uint16") -> Make:
    def make(path: Path) -> None:
        options = {"tiled": True, "blockxsize": block, "blockysize": block, "bigtiff": "YES", "sparse_ok": True}
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            width=width,
            height=height,
            count=count,
            dtype=dtype,
            crs="EPSG:32633",
            transform=builders.UTM,
            **options,
        ):
            pass

    return make


def tif(path: Path) -> None:
    builders.tif(path)


def zipped(megabytes: int) -> Make:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            inner = path.parent / f".{path.name}.tif"
            builders.tif(inner)
            file.writestr("a.tif", inner.read_bytes())
            inner.unlink()
            with file.open("b.tif", "w", force_zip64=True) as member:
                for _ in range(megabytes):
                    member.write(bytes(2**20))
        if not megabytes:
            builders.archive("a.tif")(path, path, 0)

    return make


def tarred(size: int) -> Make:
    """A tar whose second member declares `size` bytes."""

    def make(path: Path) -> None:
        builders.archive("a.tif")(path, path, 0)
        if size:
            one = tarfile.TarInfo("b.tif")
            one.size = size
            data = gzip.decompress(path.read_bytes()).rstrip(b"\0")
            data += bytes(-len(data) % 512) + one.tobuf() + bytes(2048)
            path.write_bytes(gzip.compress(data))

    return make


def png(width: int, height: int) -> Make:
    def make(path: Path) -> None:
        def chunk(kind: bytes, data: bytes) -> bytes:
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        rows = zlib.compress(bytes((width * 3 + 1) * min(height, 64)))
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b""))

    return make


def jpeg2000(size: int) -> Make:
    """A JPEG 2000 whose header says `size` pixels a side."""

    def make(path: Path) -> None:
        with rasterio.open(path, "w", driver="JP2OpenJPEG", width=64, height=64, count=1, dtype="uint8") as file:
            file.write(np.ones((1, 64, 64), np.uint8))
        data = bytearray(path.read_bytes())
        if size != 64:
            box, siz = data.index(b"ihdr") + 4, data.index(b"\xff\x51") + 6
            struct.pack_into(">II", data, box, size, size)
            struct.pack_into(">II", data, siz, size, size)
            struct.pack_into(">II", data, siz + 16, size, size)
        path.write_bytes(data)

    return make


def tiff_directory(how: str) -> Make:
    """A TIFF by hand: its directory points to itself, or says that it has more entries than the file has bytes."""

    def make(path: Path) -> None:
        entries = [
            (256, 4, 1, 8),
            (257, 4, 1, 8),
            (258, 3, 1, 8),
            (259, 3, 1, 1),
            (262, 3, 1, 1),
            (273, 4, 1, 200),
            (277, 3, 1, 1),
        ]
        entries += [(278, 4, 1, 8), (279, 4, 1, 64)]
        if how == "many":
            count = 2**40
            head = b"II" + struct.pack("<HHHQ", 43, 8, 0, 16) + struct.pack("<Q", count)
            path.write_bytes(head + b"".join(struct.pack("<HHQQ", t, k, n, v) for t, k, n, v in entries) + bytes(400))
            return
        if how == "tags":
            entries += [(40_000 + i % 25_000, 3, 1, 1) for i in range(65_000)]
        body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *e) for e in entries)
        if how == "none":
            builders.tif(path)
            return
        path.write_bytes(b"II*\0" + struct.pack("<I", 8) + body + struct.pack("<I", 8) + bytes(400))

    return make


def hdf(shape: tuple[int, ...], chunks: tuple[int, ...], bomb: bool = False) -> Make:
    def make(path: Path) -> None:
        import h5py

        with h5py.File(path, "w") as file:
            data = file.create_dataset("red", shape, "f4", chunks=chunks, compression="gzip" if bomb else None)
            if bomb:
                one = zlib.compressobj()
                packed = b"".join(one.compress(bytes(2**24)) for _ in range(8)) + one.flush()
                data.id.write_direct_chunk((0, 0), packed)
            elif shape[0] < 100:
                data[:] = 1

    return make


def zarr(shape: list[int], chunks: list[int], version: int = 2) -> Make:
    def make(path: Path) -> None:
        (path / "red").mkdir(parents=True)
        if version == 2:
            (path / ".zgroup").write_text('{"zarr_format": 2}')
            told: dict[str, Any] = {
                "zarr_format": 2,
                "shape": shape,
                "chunks": chunks,
                "dtype": "<f4",
                "compressor": None,
            }
            told |= {"filters": None, "fill_value": 1, "order": "C"}
            (path / "red" / ".zarray").write_text(json.dumps(told))
            return
        (path / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
        told = {"zarr_format": 3, "node_type": "array", "shape": shape, "data_type": "float32", "fill_value": 1.0}
        told |= {
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
            "chunk_key_encoding": {"name": "default"},
        }
        told |= {"codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]}
        (path / "red" / "zarr.json").write_text(json.dumps(told))

    return make


def deep_json(depth: int) -> Make:
    def make(path: Path) -> None:
        path.write_text('{"stac_version": "1.0.0", "a": ' + "[" * depth + "]" * depth + "}")

    return make


def deep_metadata(depth: int) -> Make:
    def make(path: Path) -> None:
        zarr([48, 48], [48, 48])(path)
        if depth > 100:
            (path / "red" / ".zarray").write_text('{"a":' * depth + "1" + "}" * depth)

    return make


def laughs(rounds: int) -> Make:
    """A SAFE folder whose metadata grow by entities."""

    def make(path: Path) -> None:
        builders.safe_product("")(path, path, 0)
        if rounds:
            lines = ['<!ENTITY a0 "ha">'] + [f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, rounds)]
            text = f'<?xml version="1.0"?><!DOCTYPE x [{"".join(lines)}]><Level-2A_User_Product><PROCESSING_BASELINE>&a{rounds - 1};'
            (path / "MTD_MSIL2A.xml").write_text(text + "</PROCESSING_BASELINE></Level-2A_User_Product>")

    return make


def numpy_file(side: int) -> Make:
    def make(path: Path) -> None:
        whole = io.BytesIO()
        np.save(whole, np.ones((48, 48), np.float32))
        path.write_bytes(whole.getvalue().replace(b"(48, 48)", f"({side}, {side})".encode()))

    return make


def nested_geojson(depth: int) -> Make:
    def make(path: Path) -> None:
        inner = "[" * depth + "1,2" + "]" * depth
        geometry = (
            f'{{"type": "Polygon", "coordinates": {inner}}}'
            if depth > 10
            else '{"type": "Point", "coordinates": [15.0, 45.15]}'
        )
        path.write_text(
            f'{{"type": "FeatureCollection", "features": [{{"type": "Feature", "properties": {{"label": "a"}}, "geometry": {geometry}}}]}}'
        )

    return make


def vertices(count: int) -> Make:
    def make(path: Path) -> None:
        ring = ",".join(["[15.0,45.1]", "[15.1,45.1]", "[15.1,45.2]"] * (count // 3))
        feature = (
            '{"type": "Feature", "properties": {"label": "a"}, "geometry": {"type": "Polygon", '
            f'"coordinates": [[{ring},[15.0,45.1]]]}}}}'
        )
        path.write_text(f'{{"type": "FeatureCollection", "features": [{feature}]}}')

    return make


def endless_line(length: int) -> Make:
    def make(path: Path) -> None:
        path.write_text("x,y,label\n500105,4999895,a\n" if not length else "a," * (length // 2))

    return make


def many_classes(count: int) -> Make:
    def make(path: Path) -> None:
        rows = [
            f"{500005 + 10 * (i % 48)},{4999995 - 10 * (i // 48 % 48)},class{i % count}" for i in range(max(count, 200))
        ]
        path.write_text("x,y,label\n" + "\n".join(rows) + "\n")

    return make


def gzipped(text: str, times: int) -> Make:
    """A gzip of many members, each of which unpacks to a megabyte."""

    def make(path: Path) -> None:
        first = gzip.compress(b"x,y,label\n500105,4999895,a\n500205,4999795,b\n")
        piece = gzip.compress((text * (2**20 // len(text))).encode())
        path.write_bytes(first + piece * times)

    return make


def stac(path: Path) -> None:
    builders.stac("a.tif")(path, path, 0)
    builders.tif(path.parent / "a.tif")


def one_point(path: Path) -> None:
    path.write_bytes(gzip.compress((f'{{"type": "FeatureCollection", "features": [{builders.POINTS}]}}').encode()))


def packed_array(pieces: int) -> Make:
    def make(path: Path) -> None:
        whole = io.BytesIO()
        np.save(whole, np.zeros((48, 48), np.uint8))
        head = whole.getvalue()[: -48 * 48]
        side = 40_000 if pieces else 48
        head = head.replace(b"(48, 48)", f"({side}, {side})".encode())
        path.write_bytes(gzip.compress(head + bytes(48 * 48)) + gzip.compress(bytes(2**20)) * pieces)

    return make


def repeated(rows: int) -> Make:
    """A GeoParquet of one row, again and again."""

    def make(path: Path) -> None:
        import geopandas as gpd
        import pyarrow as pa
        import pyarrow.parquet as parquet
        import shapely

        gpd.GeoDataFrame({"label": ["a" * 2000]}, geometry=[shapely.Point(15, 45.15)], crs=4326).to_parquet(path)
        table = parquet.read_table(path)
        many = table.take(pa.array(np.zeros(min(rows, 100_000), int)))
        with parquet.ParquetWriter(path, table.schema) as file:
            for _ in range(max(1, rows // 100_000)):
                file.write_table(many)

    return make


def questioned(bomb: bool) -> Make:
    """A GeoPackage with a view that never ends."""

    def make(path: Path) -> None:
        import sqlite3

        builders.geopackage(False)(path, path, 0)
        if bomb:
            with sqlite3.connect(path) as opened:
                opened.execute(
                    "create view endless as with recursive c(x) as (select 1 union all select x + 1 from c) "
                    "select x as fid, 'a' as label from c"
                )
            opened.close()

    return make


BOMBS = [
    Bomb("declared.tif", sparse(WIDE, WIDE, 40, 4096), tif),
    Bomb("block.tif", sparse(32_768, 32_768, 1, 32_768), sparse(2048, 2048, 1, 512)),
    Bomb("loop.tif", tiff_directory("loop"), tiff_directory("none"), survived=True),
    Bomb("entries.tif", tiff_directory("many"), tiff_directory("none")),
    Bomb("tags.tif", tiff_directory("tags"), tiff_directory("none")),
    Bomb("bands.tif", sparse(16, 16, 30_000, 16, "uint8"), sparse(16, 16, 30, 16, "uint8")),
    Bomb("archive.zip", zipped(270), zipped(0)),
    Bomb("archive.tar.gz", tarred(2**36), tarred(0)),
    Bomb("declared.png", png(60_000, 60_000), png(64, 64)),
    Bomb("lying.jp2", jpeg2000(WIDE), jpeg2000(64)),
    Bomb("chunk.h5", hdf((40_000, 40_000), (20_000, 20_000)), hdf((48, 48), (48, 48))),
    Bomb("chunks.nc", hdf((WIDE, WIDE), (1, 1)), hdf((48, 48), (16, 16))),
    Bomb("inflating.h5", hdf((512, 512), (512, 512), bomb=True), hdf((48, 48), (48, 48)), survived=True),
    Bomb("chunk.zarr", zarr([WIDE, WIDE], [WIDE, WIDE]), zarr([48, 48], [48, 48])),
    Bomb("chunks.zarr", zarr([30_000, 30_000], [1, 1], 3), zarr([48, 48], [16, 16], 3)),
    Bomb("shape.zarr", zarr([10**12, 10**12], [512, 512]), zarr([480, 480], [48, 48])),
    Bomb("deep.zarr", deep_metadata(200_000), deep_metadata(0)),
    Bomb("deep.json", deep_json(200_000), stac),
    Bomb("laughs.SAFE", laughs(30), laughs(0)),
    Bomb("lying.npy", numpy_file(10**6), numpy_file(48)),
    Bomb("nested.geojson", nested_geojson(100_000), nested_geojson(0), how="labels"),
    Bomb("vertices.geojson", vertices(4_000_000), vertices(3_000), how="labels"),
    Bomb("line.csv", endless_line(40_000_000), endless_line(0), how="labels"),
    Bomb("classes.csv", many_classes(60_000), many_classes(3), how="labels"),
    Bomb("unpacking.csv.gz", gzipped("500105,4999895,a\n", 600), gzipped("500105,4999895,b\n", 0), how="labels"),
    Bomb("unpacking.geojson.gz", gzipped(" ", 300), one_point, how="labels"),
    Bomb("array.npy.gz", packed_array(1200), packed_array(0), how="labels"),
    Bomb("repeated.parquet", repeated(1_000_000), repeated(3), how="labels"),
    Bomb("endless.gpkg", questioned(True), questioned(False), how="labels"),
]  # fmt: skip
