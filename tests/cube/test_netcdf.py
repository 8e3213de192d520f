"""NetCDF: axes, packing, dates, coordinate systems in odd places, and damaged files."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5netcdf
import numpy as np
import pytest
from scipy.io import netcdf_file

from swath.cube import netcdf
from swath.errors import FormatError, SwathError


def whole(layer):
    t, b, h, w = layer.source.shape
    return pickle.loads(pickle.dumps(layer.source)).read(range(t), range(b), slice(0, h), slice(0, w))


def write(path: Path, variables: dict, attrs: dict | None = None) -> str:
    """variables: name -> (dims, values, attributes)."""
    with h5netcdf.File(path, "w") as file:
        for dims, values, _ in variables.values():
            for dim, n in zip(dims, np.shape(values), strict=True):
                if dim not in file.dimensions:
                    file.dimensions[dim] = n
        for name, (dims, values, attributes) in variables.items():
            var = file.create_variable(name, dims, data=np.asarray(values), fillvalue=attributes.get("_FillValue"))
            for key, value in attributes.items():
                if key != "_FillValue":
                    var.attrs[key] = value
        for key, value in (attrs or {}).items():
            file.attrs[key] = value
    return str(path)


UTM = {
    "y": (("y",), 5000000.0 - 20 * np.arange(4), {"units": "m"}),
    "x": (("x",), 500000.0 + 20 * np.arange(5), {"units": "m"}),
}
CRS = {"crs": ((), np.int32(0), {"spatial_ref": "EPSG:32633"})}
VALUES = np.arange(20, dtype="i2").reshape(4, 5)


def test_packing_and_grid_are_told(tmp_path):
    attrs = {
        "scale_factor": np.float32(0.001),
        "add_offset": 0.5,
        "_FillValue": np.int16(-1),
        "grid_mapping": "crs",
        "units": "1",
    }
    path = write(tmp_path / "a.nc", {**UTM, **CRS, "v": (("y", "x"), VALUES, attrs)})
    (layer,) = netcdf.read(path)
    band = layer.bands[0]
    assert (band.scale, band.offset, band.nodata) == (0.001, 0.5, -1)
    assert layer.geobox.affine[:6] == (20, 0, 499990, 0, -20, 5000010)
    assert layer.geobox.crs.to_epsg() == 32633
    assert layer.time is None
    assert (whole(layer)[0, 0] == VALUES).all()


def test_rows_from_the_south_and_columns_before_rows_are_turned(tmp_path):
    flipped = {**UTM, "y": (("y",), UTM["y"][1][::-1], {"units": "m"})}
    path = write(tmp_path / "a.nc", {**flipped, **CRS, "v": (("x", "y"), VALUES[::-1].T, {"grid_mapping": "crs"})})
    (layer,) = netcdf.read(path)
    assert (whole(layer)[0, 0] == VALUES).all()
    assert layer.geobox.affine.e == -20
    assert any("turned north up" in note for note in layer.notes)
    assert (layer.source.read([0], [0], slice(1, 3), slice(2, 5))[0, 0] == VALUES[1:3, 2:5]).all()


def test_extra_axes_become_bands_and_dates_are_sorted(tmp_path):
    cube = np.arange(3 * 2 * 20, dtype="f4").reshape(3, 2, 4, 5)
    path = write(
        tmp_path / "a.nc",
        {
            **UTM,
            "time": (("time",), np.array([2, 0, 1]), {"units": "days since 2020-01-30"}),
            "level": (("level",), np.array([500, 850]), {}),
            "t": (("time", "level", "y", "x"), cube, {"units": "K"}),
            "height": (("y", "x"), VALUES, {"units": "m", "standard_name": "altitude", "long_name": "height"}),
        },
    )
    (layer,) = netcdf.read(path)
    assert [b.name for b in layer.bands] == ["t_level500", "t_level850", "height"]
    assert [str(t)[:10] for t in layer.time] == ["2020-01-30", "2020-01-31", "2020-02-01"]
    assert (whole(layer)[:, :2] == cube[[1, 2, 0]]).all()
    assert (whole(layer)[2, 2] == VALUES).all()
    assert [b.quantity for b in layer.bands] == ["temperature", "temperature", "elevation"]
    assert (layer.source.read([2, 0], [1], slice(0, 4), slice(0, 5))[:, 0] == cube[[0, 1], 1]).all()


def test_a_wavelength_axis_gives_wavelengths_in_nanometres(tmp_path):
    path = write(
        tmp_path / "a.nc",
        {
            **UTM,
            "wavelength": (("wavelength",), [0.45, 0.86], {"units": "um"}),
            "v": (("wavelength", "y", "x"), np.ones((2, 4, 5), "f4"), {}),
        },
    )
    assert [b.wavelength for b in netcdf.read(path)[0].bands] == [450, 860]


def test_unsigned_numbers_and_the_valid_range_are_kept(tmp_path):
    values = np.array([[-1, 5], [200, -2]], "i2")
    path = write(
        tmp_path / "a.nc", {"v": (("y", "x"), values, {"_Unsigned": "true", "valid_range": np.array([5, -2], "i2")})}
    )
    (layer,) = netcdf.read(path)
    assert layer.source.dtype == np.uint16
    assert layer.bands[0].nodata == 0
    assert whole(layer)[0, 0].tolist() == [[0, 5], [200, 65534]]


def test_longitudes_past_180_are_rolled(tmp_path):
    lon = np.arange(0, 360, 30.0)
    path = write(
        tmp_path / "a.nc",
        {
            "lat": (("lat",), [30.0, 0.0, -30.0], {"units": "degrees_north"}),
            "lon": (("lon",), lon, {"units": "degrees_east"}),
            "v": (("lat", "lon"), np.tile(lon.astype("f4"), (3, 1)), {}),
        },
    )
    (layer,) = netcdf.read(path)
    assert layer.geobox.affine.c == -195
    assert layer.geobox.crs.to_epsg() == 4326
    got = whole(layer)[0, 0, 0]
    assert ((got + 180) % 360 - 180 == -180 + 30 * np.arange(12)).all()
    assert (layer.source.read([0], [0], slice(0, 1), slice(4, 9))[0, 0, 0] == got[4:9]).all()


def test_uneven_axes_are_a_problem_not_a_grid(tmp_path):
    path = write(tmp_path / "a.nc", {**UTM, "y": (("y",), [0.0, 1.0, 5.0, 6.0], {}), "v": (("y", "x"), VALUES, {})})
    (layer,) = netcdf.read(path)
    assert layer.geobox is None
    assert "uneven" in layer.problems[0]


def test_names_in_unicode_and_groups_are_read(tmp_path):
    with h5netcdf.File(tmp_path / "a.nc", "w") as file:
        group = file.create_group("mésures")
        group.dimensions = {"y": 4, "x": 5}
        group.create_variable("y", ("y",), data=UTM["y"][1])
        group.create_variable("x", ("x",), data=UTM["x"][1])
        group.create_variable("температура", ("y", "x"), data=VALUES).attrs["units"] = "K"
    (layer,) = netcdf.read(str(tmp_path / "a.nc"))
    assert layer.bands[0].name == "температура"
    assert layer.geobox.affine.a == 20
    assert (whole(layer)[0, 0] == VALUES).all()


def test_classic_files_are_read_by_window(tmp_path):
    path = tmp_path / "a.nc"
    with netcdf_file(path, "w") as file:
        file.createDimension("lat", 4)
        file.createDimension("lon", 5)
        for name, values, units in (
            ("lat", 4 - np.arange(4.0), b"degrees_north"),
            ("lon", np.arange(5.0), b"degrees_east"),
        ):
            file.createVariable(name, "f8", (name,))[:] = values
            file.variables[name].units = units
        var = file.createVariable("v", "i2", ("lat", "lon"))
        var[:] = VALUES
        var._FillValue = np.int16(-9)
        var.units = b"K"
        del var
    assert netcdf.claims(str(path))
    (layer,) = netcdf.read(str(path))
    assert (whole(layer)[0, 0] == VALUES).all()
    assert layer.bands[0].quantity == "temperature"
    assert layer.source.dtype == np.int16
    assert layer.source.dtype.isnative


@pytest.mark.parametrize("keep", [3, 60, 500, 4000])
def test_a_truncated_file_is_refused_in_one_line(tmp_path, keep):
    whole_file = Path(write(tmp_path / "a.nc", {**UTM, "v": (("y", "x"), VALUES, {})})).read_bytes()
    (tmp_path / "b.nc").write_bytes(whole_file[:keep])
    with pytest.raises(SwathError) as caught:
        [whole(layer) for layer in netcdf.read(str(tmp_path / "b.nc"))]
    assert "\n" not in str(caught.value)


def test_a_file_without_a_picture_names_what_it_holds(tmp_path):
    path = write(tmp_path / "a.nc", {"station": (("n",), np.arange(3), {})})
    with pytest.raises(FormatError, match=r"station \(3,\)"):
        netcdf.read(path)


def test_a_real_leaf_area_series_opens_with_its_dates(shared):
    (layer,) = netcdf.read(str(shared / "s2_lai_series/lai_west.nc"))
    assert layer.source.shape == (333, 1, 40, 45)
    assert layer.bands[0].scale == 0.001
    assert layer.geobox.crs.to_epsg() == 32632
    assert layer.geobox.resolution.x == 20
    assert str(layer.time[0])[:10] == "2015-07-04"


@pytest.mark.parametrize(
    ("name", "bands", "dates"),
    [
        ("MODIS_ARRAY", 1, 0),
        ("PLANET_SCOPE_3D", 2, 2),
        ("sentinel_2_L1C_geographic", 2, 1),
        ("unicode", 1, 0),
        ("nouragues", 14, 24),
    ],
)
def test_awkward_files_have_a_grid(shared, name, bands, dates):
    (layer,) = netcdf.read(str(shared / f"awkward/netcdf/{name}.nc"))
    assert len(layer.bands) == bands
    assert (0 if layer.time is None else len(layer.time)) == dates
    assert layer.geobox is not None
    assert layer.geobox.crs is not None
    assert whole(layer).shape == layer.source.shape


def test_dates_that_cannot_be_read_become_bands_not_invented_dates(tmp_path):
    time = (("time",), np.arange(2), {"units": "days since 2000-01-01", "calendar": "360_day"})
    path = write(tmp_path / "a.nc", {**UTM, "time": time, "v": (("time", "y", "x"), np.ones((2, 4, 5), "f4"), {})})
    (layer,) = netcdf.read(path)
    assert layer.time is None
    assert [b.name for b in layer.bands] == ["v_time0", "v_time1"]
    assert any("cannot be read" in note for note in layer.notes)


def test_a_width_without_a_unit_is_in_the_unit_of_the_wavelength(tmp_path):
    axis = {"wavelength": (("band",), [665.0, 842.0], {}), "fwhm": (("band",), [30.0, 115.0], {})}
    path = write(tmp_path / "a.nc", {**UTM, **axis, "v": (("band", "y", "x"), np.ones((2, 4, 5), "f4"), {})})
    assert [(b.wavelength, b.fwhm) for b in netcdf.read(path)[0].bands] == [(665, 30), (842, 115)]


def test_pixels_placed_one_by_one_get_a_grid_where_one_fits(tmp_path):
    row, column = np.mgrid[0:40, 0:50]
    for name, bend, fits in (("flat", 0.0, True), ("bent", 3e-4, False)):
        lon, lat = 10 + 0.01 * column + 0.002 * row, 50 - 0.01 * row + bend * (column - 25.0) ** 2
        path = write(
            tmp_path / f"{name}.nc",
            {
                "longitude": (("row", "col"), lon.astype("f4"), {"units": "degrees_east"}),
                "latitude": (("row", "col"), lat.astype("f4"), {"units": "degrees_north"}),
                "v": (("row", "col"), np.ones((40, 50), "f4"), {"coordinates": "longitude latitude"}),
            },
        )
        (layer,) = netcdf.read(path)
        assert [b.name for b in layer.bands] == ["v"]
        assert (layer.geobox is not None) == fits
        if fits:
            assert np.allclose(layer.geobox.affine[:6], (0.01, 0.002, 9.994, 0, -0.01, 50.005), atol=1e-5)
        else:
            assert "no regular grid" in layer.problems[0]
