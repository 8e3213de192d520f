"""Files that lead elsewhere when a reader believes them, made inside the root; and the same without the lead."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine

Build = Callable[[Path, Path, int], None]
"""(where in the root, the folder of secrets, the canary's port): makes one file or folder."""
UTM = Affine(10, 0, 5e5, 0, -10, 5e6)


def tif(path: Path, **tags: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "width": 48, "height": 48, "count": 1, "dtype": "uint8", "crs": "EPSG:32633"}
    with rasterio.open(path, "w", transform=UTM, **profile) as file:
        file.write(np.add.outer(np.arange(48), np.arange(48)).astype(np.uint8)[None])
        for space, value in tags.items():
            file.update_tags(ns=space, OVERVIEW_FILE=value)
    return path


def vrt(source: str, before: str = "", relative: int = 0) -> str:
    return (
        f'{before}<VRTDataset rasterXSize="48" rasterYSize="48"><SRS>EPSG:32633</SRS><VRTRasterBand dataType="Byte" band="1">'
        f'<SimpleSource><SourceFilename relativeToVRT="{relative}">{source}</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )


def text(content: str) -> Build:
    """A file of this text; {out} and {port} filled in."""

    def build(path: Path, out: Path, port: int) -> None:
        path.write_text(content.replace("{out}", str(out)).replace("{port}", str(port)))

    return build


def link(target: str) -> Build:
    def build(path: Path, out: Path, port: int) -> None:
        path.symlink_to(target.replace("{out}", str(out)))

    return build


def stac(href: str) -> Build:
    item = {
        "type": "Feature", "stac_version": "1.0.0", "id": "i", "geometry": None, "properties": {"datetime": "2020-01-01T00:00:00Z"},
        "links": [], "assets": {"B04": {"href": href, "type": "image/tiff; application=geotiff", "roles": ["data"]}},
    }  # fmt: skip
    return text(json.dumps(item))


def catalogue(href: str) -> Build:
    return text(
        json.dumps(
            {"type": "Catalog", "stac_version": "1.0.0", "id": "c", "links": [{"rel": rel, "href": href} for rel in ("item", "child")]}
        )
    )  # fmt: skip


def stac_beside(linked: bool) -> Build:
    """An item whose picture lies beside it; linked: the picture is a link that leads out."""

    def build(path: Path, out: Path, port: int) -> None:
        path.mkdir()
        stac("./B04.tif")(path / "catalog.json", out, port)
        if linked:
            (path / "B04.tif").symlink_to(out / "secret.tif")
        else:
            tif(path / "B04.tif")

    return build


def hdf(how: str) -> Build:
    def build(path: Path, out: Path, port: int) -> None:
        import h5py

        with h5py.File(path, "w") as file:
            if how == "own":
                file["red"] = np.arange(48 * 48.0).reshape(48, 48)
            elif how == "external":
                file["red"] = h5py.ExternalLink(str(out / "secret.h5"), "/red")
            elif how == "relative":
                file.create_group("a/b")["red"] = h5py.ExternalLink(f"../{out.name}/secret.h5", "/red")
            elif how == "storage":
                file.create_dataset("red", (48, 48), "f4", external=[(str(out / "secret.bin"), 0, 48 * 48 * 4)])
            else:
                layout = h5py.VirtualLayout((48, 48), "f8")
                layout[:] = h5py.VirtualSource(str(out / "secret.h5"), "red", (48, 48))
                file.create_virtual_dataset("red", layout)

    return build


def zarr(how: str) -> Build:
    """A Zarr store of version 2, made by hand."""

    def build(path: Path, out: Path, port: int) -> None:
        (path / "red").mkdir(parents=True)
        (path / ".zgroup").write_text('{"zarr_format": 2}')
        told: dict[str, Any] = {
            "zarr_format": 2,
            "shape": [48, 48],
            "chunks": [48, 48],
            "dtype": "|u1",
            "compressor": None,
        }
        told |= {"filters": None, "fill_value": 0, "order": "C"}
        chunk = path / "red" / "0.0"
        chunk.write_bytes(bytes(48 * 48))
        if how == "chunk":
            chunk.unlink()
            chunk.symlink_to(out / "secret.bin")
        elif how == "group":
            (path / "blue").symlink_to(out)
        elif how == "metadata":
            (path / "red" / ".zattrs").symlink_to(out / "secret.json")
        elif how == "pickle":
            told["filters"] = [{"id": "pickle"}]
        elif how == "nested":
            hdf("external")(path / "red" / "inner.h5", out, port)
        (path / "red" / ".zarray").write_text(json.dumps(told))

    return build


def references(path: Path, out: Path, port: int) -> None:
    """A Zarr store described in one JSON of references to bytes of other files."""
    refs = {
        ".zgroup": '{"zarr_format": 2}',
        "red/0.0": [f"http://127.0.0.1:{port}/secret", 0, 2304],
        "b/0": [f"{out}/secret.bin", 0, 9],
    }
    path.write_text(json.dumps({"version": 1, "refs": refs}))


def archive(member: str, content: str = "tif", linked: str = "") -> Build:
    """A zip, tar or tar.gz with one member of this name. linked: the member is a link to this place."""

    def build(path: Path, out: Path, port: int) -> None:
        name = member.replace("{out}", str(out)).replace("{inner}", str(out)[1:])
        if content == "tif":
            data = tif(path.parent / f".{path.name}.tif").read_bytes()
            (path.parent / f".{path.name}.tif").unlink()
        else:
            data = content.replace("{out}", str(out)).replace("{port}", str(port)).encode()
        if path.suffix == ".zip":
            with zipfile.ZipFile(path, "w") as file:
                info = zipfile.ZipInfo(name)
                if linked:
                    info.external_attr = 0o120777 << 16
                    data = linked.replace("{out}", str(out)).encode()
                file.writestr(info, data)
            return
        with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as packed:
            one = tarfile.TarInfo(name)
            one.size = len(data)
            if linked:
                one.type, one.size = tarfile.SYMTYPE, 0
                one.linkname = linked.replace("{out}", str(out))
            packed.addfile(one, io.BytesIO(b"" if linked else data))

    return build


def beside(suffix: str, content: Build | None, name: str = "a.tif") -> Build:
    """A folder with an image and a file beside it."""

    def build(path: Path, out: Path, port: int) -> None:
        tif(path / name)
        if content is not None:
            content(path / f"{name}{suffix}", out, port)

    return build


def overview(value: str, space: str = "OVERVIEWS") -> Build:
    def build(path: Path, out: Path, port: int) -> None:
        tif(path, **({space: value.replace("{out}", str(out)).replace("{port}", str(port))} if value else {}))

    return build


def run_of(target: str) -> Build:
    def build(path: Path, out: Path, port: int) -> None:
        path.mkdir()
        record = {
            "verb": "map",
            "arguments": {"labels": target.replace("{out}", str(out))},
            "inputs": [],
            "outputs": [],
        }
        (path / "run.json").write_text(json.dumps(record))

    return build


def made_map(content: Build) -> Build:
    """A folder like a run of `swath map`, whose classes.tif is what `content` makes."""

    def build(path: Path, out: Path, port: int) -> None:
        path.mkdir()
        (path / "run.json").write_text(json.dumps({"verb": "map", "arguments": {}, "inputs": [], "outputs": []}))
        content(path / "classes.tif", out, port)

    return build


def landsat(link_metadata: bool) -> Build:
    def build(path: Path, out: Path, port: int) -> None:
        stem = "LC08_L2SP_008059_20191201_20200825_02_T1"
        for band in ("SR_B4", "SR_B5"):
            tif(path / f"{stem}_{band}.TIF")
        if link_metadata:
            (path / f"{stem}_MTL.txt").symlink_to(out / "secret_MTL.txt")

    return build


def safe_product(entity: str) -> Build:
    def build(path: Path, out: Path, port: int) -> None:
        images = path / "GRANULE" / "L2A" / "IMG_DATA" / "R10m"
        tif(images / "T32TQM_20220601T101559_B04_10m.tif")
        doc = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{entity}">]>' if entity else ""
        value = "&e;" if entity else "04.00"
        (path / "MTD_MSIL2A.xml").write_text(
            (
                f'<?xml version="1.0"?>{doc}<Level-2A_User_Product><PROCESSING_BASELINE>{value}</PROCESSING_BASELINE>'
                "<SPACECRAFT_NAME>Sentinel-2B</SPACECRAFT_NAME><PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL>"
                "<PRODUCT_START_TIME>2022-06-01T10:15:59Z</PRODUCT_START_TIME><BOA_QUANTIFICATION_VALUE>10000</BOA_QUANTIFICATION_VALUE>"
                "</Level-2A_User_Product>"
            ).replace("{out}", str(out)).replace("{port}", str(port))
        )  # fmt: skip

    return build


POINTS = (
    '{"type": "Feature", "properties": {"label": "a"}, "geometry": {"type": "Point", "coordinates": [15.0, 45.15]}}'
)


def geojson(crs: str = "") -> Build:
    return text(f'{{"type": "FeatureCollection", {crs}"features": [{POINTS}]}}')


def padded(path: Path, out: Path, port: int) -> None:
    """The link behind more than a reader's first look."""
    href = f'{{"type": "link", "properties": {{"href": "http://127.0.0.1:{port}/crs", "type": "proj4"}}}}'
    path.write_text(
        f'{{"type": "FeatureCollection", "pad": "{"x" * 5_000_000}", "features": [{POINTS}], "c\\u0072s": {href}}}'
    )


def geopackage(virtual: bool) -> Build:
    def build(path: Path, out: Path, port: int) -> None:
        import geopandas as gpd
        import shapely

        frame = gpd.GeoDataFrame(
            {"label": ["a", "b"]}, geometry=[shapely.Point(15, 45.15), shapely.Point(15.001, 45.15)], crs=4326
        )
        frame.to_file(path, driver="GPKG", layer="labels")
        if virtual:
            with sqlite3.connect(path) as opened:
                opened.execute("pragma writable_schema=1")
                opened.execute(
                    "insert into sqlite_master(type,name,tbl_name,rootpage,sql) values('table','v','v',0,?)",
                    (f"CREATE VIRTUAL TABLE v USING VirtualOGR('{out}/secret.geojson')",),
                )
            opened.close()

    return build


def shapefile(linked: bool) -> Build:
    def build(path: Path, out: Path, port: int) -> None:
        import geopandas as gpd
        import shapely

        frame = gpd.GeoDataFrame(
            {"label": ["a", "b"]}, geometry=[shapely.Point(15, 45.15), shapely.Point(15.001, 45.15)], crs=4326
        )
        frame.to_file(path)
        if linked:
            other = out / "secret.dbf"
            frame.assign(label=["CANARY-7f3a-outside", "b"]).to_file(out / "secret.shp")
            path.with_suffix(".dbf").unlink()
            path.with_suffix(".dbf").symlink_to(other)

    return build


def pipe(path: Path, out: Path, port: int) -> None:
    os.mkfifo(path)


def loop(path: Path, out: Path, port: int) -> None:
    path.symlink_to(path)


def folder_of(*parts: tuple[str, Build]) -> Build:
    def build(path: Path, out: Path, port: int) -> None:
        path.mkdir()
        for name, content in parts:
            content(path / name, out, port)

    return build
