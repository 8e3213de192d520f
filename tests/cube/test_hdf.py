"""HDF5 and HDF4: grids by HDF-EOS structure, single datasets by name, clear refusals."""

from __future__ import annotations

import pickle

import h5py
import numpy as np
import pytest

from swath.cube import hdf4, hdf5, netcdf
from swath.errors import FormatError

SINUSOIDAL = """GROUP=SwathStructure
END_GROUP=SwathStructure
GROUP=GridStructure
\tGROUP=GRID_1
\t\tGridName="{name}"
\t\tXDim=5
\t\tYDim=4
\t\tUpperLeftPointMtrs=({corners[0]},{corners[1]})
\t\tLowerRightMtrs=({corners[2]},{corners[3]})
\t\tProjection={projection}
\t\tProjParams=(6371007.181000,0,0,0,0,0,0,0,0,0,0,0,0)
\t\tSphereCode=-1
\t\tGroup=DataField
\t\t\tOBJECT=DataField_1
\t\t\t\tDataFieldName="250m 16 days NDVI"
\t\t\t\tDataType=DFNT_INT16
\t\t\tEND_OBJECT=DataField_1
\t\t\tOBJECT=DataField_2
\t\t\t\tDataFieldName="250m 16 days red reflectance"
\t\t\tEND_OBJECT=DataField_2
\t\tEND_GROUP=DataField
\tEND_GROUP=GRID_1
END_GROUP=GridStructure
END
"""
CORNERS = ("-6671703.118000", "-1111950.519667", "-6666703.118000", "-1115950.519667")
VALUES = np.arange(20, dtype="i2").reshape(4, 5) * 100


def whole(layer):
    t, b, h, w = layer.source.shape
    return pickle.loads(pickle.dumps(layer.source)).read(range(t), range(b), slice(0, h), slice(0, w))


@pytest.fixture
def modis(tmp_path):
    sd = pytest.importorskip("pyhdf.SD")
    path = str(tmp_path / "MOD13Q1.A2013257.h12v10.061.2021234567890.hdf")
    file = sd.SD(path, sd.SDC.WRITE | sd.SDC.CREATE)
    text = SINUSOIDAL.format(name="MODIS_Grid_16DAY_250m_500m_VI", projection="GCTP_SNSOID", corners=CORNERS)
    file.attr("StructMetadata.0").set(sd.SDC.CHAR, text)
    for name, kind, values in (
        ("250m 16 days NDVI", sd.SDC.INT16, VALUES),
        ("250m 16 days red reflectance", sd.SDC.INT16, VALUES + 1),
    ):
        data = file.create(name, kind, values.shape)
        data[:] = values
        data.attr("scale_factor").set(sd.SDC.FLOAT64, 10000.0)
        data.attr("add_offset").set(sd.SDC.FLOAT64, 0.0)
        data.attr("_FillValue").set(sd.SDC.INT16, -3000)
        data.attr("valid_range").set(sd.SDC.INT16, [-2000, 10000])
        data.attr("long_name").set(sd.SDC.CHAR, name)
        data.endaccess()
    file.end()
    return path


def test_a_modis_grid_opens_with_its_date_scale_and_place(modis):
    assert hdf4.claims(modis)
    (layer,) = hdf4.read(modis)
    assert [b.name for b in layer.bands] == ["NDVI", "red_reflectance"]
    assert (layer.bands[0].scale, layer.bands[0].nodata, layer.bands[0].quantity) == (1e-4, -3000, "index")
    assert str(layer.time[0])[:10] == "2013-09-14"
    assert layer.geobox.affine[:6] == (1000, 0, -6671703.118, 0, -1000, -1111950.519667)
    assert "sinu" in layer.geobox.crs.to_wkt().lower()
    assert (whole(layer)[0, 0] == VALUES).all()
    assert (layer.source.read([0], [1], slice(1, 3), slice(2, 4))[0, 0] == VALUES[1:3, 2:4] + 1).all()


def test_a_damaged_hdf4_file_is_refused_in_one_line(modis, tmp_path):
    with open(modis, "rb") as file:
        content = file.read()
    (tmp_path / "cut.hdf").write_bytes(content[:200])
    with pytest.raises(FormatError) as caught:
        hdf4.read(str(tmp_path / "cut.hdf"))
    assert "\n" not in str(caught.value)


def test_an_hdf4_file_without_a_grid_names_its_data_sets(tmp_path):
    sd = pytest.importorskip("pyhdf.SD")
    path = str(tmp_path / "a.hdf")
    file = sd.SD(path, sd.SDC.WRITE | sd.SDC.CREATE)
    file.create("radiance", sd.SDC.INT16, (4, 5))[:] = VALUES
    file.end()
    with pytest.raises(FormatError, match="radiance"):
        hdf4.read(path)


def test_a_viirs_grid_in_degrees_opens(tmp_path):
    path = str(tmp_path / "VNP46A1.A2020032.h18v04.001.h5")
    corners = ("0.000000", "50000000.000000", "10000000.000000", "42000000.000000")
    with h5py.File(path, "w") as file:
        text = SINUSOIDAL.format(name="VNP_Grid_DNB", projection="HE5_GCTP_GEO", corners=corners)
        file["HDFEOS INFORMATION/StructMetadata.0"] = np.bytes_(text)
        data = file.create_dataset(
            "HDFEOS/GRIDS/VNP_Grid_DNB/Data Fields/DNB_At_Sensor_Radiance", data=VALUES.astype("u2")
        )
        data.attrs["scale_factor"] = np.float32(0.1)
        data.attrs["_FillValue"] = np.uint16(65535)
        data.attrs["long_name"] = b"At-sensor radiance"
    (layer,) = hdf5.read(path)
    band = layer.bands[0]
    assert (band.name, band.scale, band.quantity) == ("DNB_At_Sensor_Radiance", 0.1, "radiance")
    assert layer.geobox.affine[:6] == (2, 0, 0, 0, -2, 50)
    assert str(layer.time[0])[:10] == "2020-02-01"
    assert (whole(layer)[0, 0] == VALUES).all()


def test_a_file_of_several_datasets_is_refused_naming_them_and_one_can_be_chosen(tmp_path):
    path = str(tmp_path / "a.h5")
    cube = np.random.default_rng(0).random((2, 3, 4, 5), np.float32)
    with h5py.File(path, "w") as file:
        file["s2-data"] = cube
        file["s2-products"] = [b"S2A_MSIL2A_20200107T102319_x", b"S2A_MSIL2A_20200105T103421_y"]
        file["s1-data"] = cube
    assert hdf5.claims(path)
    assert not netcdf.claims(path)
    with pytest.raises(FormatError, match=r"s2-data \(2, 3, 4, 5\) float32"):
        hdf5.read(path)
    assert hdf5.claims(path + "#s2-data")
    (layer,) = hdf5.read(path + "#s2-data")
    assert [str(t)[:10] for t in layer.time] == ["2020-01-05", "2020-01-07"]
    assert (whole(layer) == cube[[1, 0]]).all()
    with pytest.raises(FormatError, match="behind # exists"):
        hdf5.read(path + "#none")


def test_a_single_dataset_needs_no_name(tmp_path):
    path = str(tmp_path / "a.h5")
    cube = np.random.default_rng(0).random((6, 5, 3))
    with h5py.File(path, "w") as file:
        file["image"] = cube
    (layer,) = hdf5.read(path)
    assert (whole(layer)[0] == cube.transpose(2, 0, 1)).all()


def test_a_prisma_product_has_its_wavelengths_scales_and_grid(tmp_path):
    path = str(tmp_path / "PRS_L2D_STD_20200325102137_20200325102141_0001.he5")
    cubes = {name: np.random.default_rng(0).integers(0, 65535, (4, 3, 5), "u2") for name in ("VNIR", "SWIR")}
    with h5py.File(path, "w") as file:
        for name, low, centre in (("VNIR", 0.0, [800.0, 500.0, 0.0]), ("SWIR", 0.1, [2000.0, 1500.0, 1000.0])):
            file[f"HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields/{name}_Cube"] = cubes[name]
            word = name.capitalize()
            file.attrs[f"List_Cw_{word}"] = np.array(centre, "f4")
            file.attrs[f"List_Fwhm_{word}"] = np.full(3, 10, "f4")
            file.attrs[f"L2Scale{word}Min"], file.attrs[f"L2Scale{word}Max"] = np.float32(low), np.float32(1)
        corners = {
            "ULcorner_easting": 500000,
            "ULcorner_northing": 5000000,
            "LRcorner_easting": 500120,
            "LRcorner_northing": 4999910,
        }
        file.attrs.update({f"Product_{k}": float(v) for k, v in corners.items()})
        file.attrs["Epsg_Code"], file.attrs["Product_StartTime"] = np.uint32(32633), b"2020-03-25T10:21:37.123"
    (layer,) = hdf5.read(path)
    assert [b.wavelength for b in layer.bands] == [500, 800, 1000, 1500, 2000]
    assert layer.bands[0].scale == pytest.approx(1 / 65535)
    assert layer.bands[2].offset == pytest.approx(0.1)
    assert layer.geobox.affine[:6] == (30, 0, 499985, 0, -30, 5000015)
    assert str(layer.time[0])[:10] == "2020-03-25"
    assert (whole(layer)[0, 0] == cubes["VNIR"][:, 1]).all()
    assert (whole(layer)[0, 2] == cubes["SWIR"][:, 2]).all()


@pytest.mark.parametrize("keep", [8, 100, 2000])
def test_a_truncated_hdf5_file_is_refused(tmp_path, keep):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("v", data=np.random.default_rng(0).random((40, 50)), compression="gzip")
    (tmp_path / "b.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:keep])
    with pytest.raises(FormatError) as caught:
        [whole(layer) for layer in hdf5.read(str(tmp_path / "b.h5"))]
    assert "\n" not in str(caught.value)


def test_the_real_tree_species_file_names_its_datasets(shared):
    path = str(shared / "treesat_ai/Abies_alba_1_1005_WEFL_NLF.h5")
    with pytest.raises(FormatError, match=r"sen-2-data \(146, 10, 6, 6\)"):
        hdf5.read(path)
    (layer,) = hdf5.read(path + "#sen-1-asc-data")
    assert layer.source.shape == (60, 2, 6, 6)
    assert str(layer.time[0])[:10] == "2020-01-03"
