"""Archives opened in place: SAFE zips, Landsat tars, plain rasters, hostile ones."""

from __future__ import annotations

import pickle
import tarfile
import zipfile

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from swath.cube import archive, formats
from swath.errors import FormatError

SAFE = "S2B_MSIL2A_20220601T101559_N0400_R065_T33UUP_20220601T134155.SAFE"
MTD = """<n1:Level-2A_User_Product xmlns:n1="x"><Product_Info>
<PRODUCT_START_TIME>2022-06-01T10:15:59.024Z</PRODUCT_START_TIME><PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL>
<PROCESSING_BASELINE>04.00</PROCESSING_BASELINE><SPACECRAFT_NAME>Sentinel-2B</SPACECRAFT_NAME>
<BOA_QUANTIFICATION_VALUE>10000</BOA_QUANTIFICATION_VALUE>
<BOA_ADD_OFFSET band_id="1">-1000</BOA_ADD_OFFSET><BOA_ADD_OFFSET band_id="4">-1000</BOA_ADD_OFFSET>
</Product_Info></n1:Level-2A_User_Product>"""
RNG = np.random.default_rng(0)


def picture(folder, size, gsd):
    values = RNG.integers(1000, 4000, (1, size, size), dtype="u2")
    profile = {"width": size, "height": size, "count": 1, "dtype": "uint16", "crs": "EPSG:32633"}
    place = from_origin(600000, 5400000, gsd, gsd)
    path = folder / f"{gsd}.jp2"
    with rasterio.open(
        path, "w", driver="JP2OpenJPEG", QUALITY=100, REVERSIBLE="YES", transform=place, **profile
    ) as file:
        file.write(values)
    content = path.read_bytes()
    path.unlink()
    return content, values[0]


@pytest.fixture
def safe_zip(tmp_path):
    fine, values = picture(tmp_path, 40, 10)
    coarse, _ = picture(tmp_path, 20, 20)
    stem = f"{SAFE}/GRANULE/L2A_T33UUP/IMG_DATA"
    with zipfile.ZipFile(tmp_path / f"{SAFE}.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"{SAFE}/MTD_MSIL2A.xml", MTD)
        file.writestr(f"{stem}/R10m/T33UUP_20220601T101559_B02_10m.jp2", fine)
        file.writestr(f"{stem}/R20m/T33UUP_20220601T101559_B05_20m.jp2", coarse)
    return str(tmp_path / f"{SAFE}.zip"), values


def test_a_safe_zip_opens_without_unpacking(safe_zip, tmp_path):
    path, values = safe_zip
    assert archive.claims(path)
    layers = archive.read(path)
    assert sorted(layer.geobox.resolution.x for layer in layers) == [10, 20]
    (fine,) = [layer for layer in layers if layer.geobox.resolution.x == 10]
    assert fine.sensor == "sentinel-2b-l2a"
    assert (fine.bands[0].name, fine.bands[0].scale, fine.bands[0].offset) == ("B02", 1e-4, -0.1)
    got = pickle.loads(pickle.dumps(fine.source)).read([0], [0], slice(3, 30), slice(5, 40))
    assert (got[0, 0] == values[3:30, 5:40]).all()
    assert [p.name for p in tmp_path.iterdir()] == [f"{SAFE}.zip"]


def test_a_landsat_tar_opens_as_its_folder_does(shared, tmp_path):
    folder = next(p for p in (shared / "landsat_c2").iterdir() if p.is_dir())
    path = str(tmp_path / f"{folder.name}.tar")
    with tarfile.open(path, "w") as file:
        for member in sorted(folder.iterdir()):
            file.add(member, arcname=member.name)
    (inside,) = archive.read(path)
    (outside,) = formats.reader_of(str(folder)).read(str(folder))
    assert inside.sensor == outside.sensor == "landsat-8-c2-l2"
    assert inside.bands == outside.bands
    assert (inside.time == outside.time).all()
    window = ([0], [0, 3], slice(20, 60), slice(10, 90))
    assert (inside.source.read(*window) == outside.source.read(*window)).all()


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_an_archive_of_one_raster_opens(tmp_path, kind):
    values = RNG.integers(0, 255, (2, 8, 9), dtype="u1")
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", width=9, height=8, count=2, dtype="uint8", crs="EPSG:32633",
        transform=from_origin(0, 80, 10, 10),
    ) as file:  # fmt: skip
        file.write(values)
    path = tmp_path / f"scenes.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as packed:
            packed.write(tmp_path / "a.tif", "a.tif")
    else:
        with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as packed:
            packed.add(tmp_path / "a.tif", "./a.tif")
    (layer,) = archive.read(str(path))
    assert (layer.source.read([0], [0, 1], slice(0, 8), slice(0, 9))[0] == values).all()


def test_an_archive_of_texts_says_what_it_holds(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("notes.txt", "hello")
    with pytest.raises(FormatError, match=r"notes\.txt"):
        archive.read(str(tmp_path / "a.zip"))


def test_a_member_that_is_a_vrt_in_disguise_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a.tif", "<VRTDataset rasterXSize='1' rasterYSize='1'></VRTDataset>")
    with pytest.raises(FormatError, match="XML"):
        archive.read(str(tmp_path / "a.zip"))


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_a_damaged_archive_is_refused_in_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04 no archive at all" * 30)
    with pytest.raises(FormatError, match="whole") as caught:
        archive.read(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_a_truncated_safe_zip_is_refused(safe_zip, tmp_path):
    path, _ = safe_zip
    with open(path, "rb") as file:
        content = file.read()
    (tmp_path / "b.zip").write_bytes(content[: len(content) // 2])
    with pytest.raises(FormatError, match="whole"):
        archive.read(str(tmp_path / "b.zip"))
