"""fill and forecast as a person uses them: what comes out, what is refused, what is the same when run again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import swath
from swath.cube import contract
from swath.cube.save import save
from swath.datasets import toy
from swath.errors import SwathError
from swath.tools import fill as tools_fill
from swath.tools import series as tools_series

BANDS = [b for b in toy.SENTINEL_2 if b.name in ("B04", "B08")]


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Values are hidden once, so that tests are quick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tools_series, "ROUNDS", 1)
        patch.setattr(tools_series, "FOLDS", 2)
        yield


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made series with clouds, as a store on disk."""
    when = toy.dates("2019-01-01", "2020-12-31", 24, seed=2)
    cube, _ = toy.view(toy.world(3, 24), BANDS, when, cloud=0.4, seed=1)
    path = tmp_path_factory.mktemp("made") / "scene.zarr"
    return save(cube, path, tags={"simulated": "True"})


@pytest.fixture(scope="module")
def filled(scene: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, object]:
    out = tmp_path_factory.mktemp("filled")
    return out, swath.fill([scene], out=out, tif=True)


def test_gaps_are_filled_and_observed_values_stay_bit_for_bit(scene: Path, filled: tuple[Path, object]) -> None:
    out, _ = filled
    before, after = swath.open(scene), swath.open(out / "filled.zarr")
    whole = xr.open_zarr(out / "filled.zarr")
    clear = contract.usable(before)[:, None] & np.isfinite(before.values)
    assert after.values[clear].tobytes() == before.values[clear].tobytes()
    assert np.isfinite(after.values).all()
    assert (after.time.values == before.time.values).all()
    assert contract.grid(after) == contract.grid(before)
    reason = whole["filled"].values
    assert ((reason == 0) == clear).all()
    flag = np.broadcast_to(before.coords["flag"].values[:, None], reason.shape)
    np.testing.assert_array_equal(reason[~clear], flag[~clear])  # why it had to be filled
    low, high = whole["low"].values, whole["high"].values
    assert np.isnan(low[clear]).all()
    inside = (low <= after.values) & (after.values <= high)
    assert inside[~clear & np.isfinite(low)].all()
    assert np.isfinite(low[~clear]).mean() > 0.9
    assert (after.coords["flag"].values == 0).all()


def test_the_page_and_the_record_tell_every_method_and_the_coverage(filled: tuple[Path, object]) -> None:
    out, result = filled
    record = json.loads((out / "series.json").read_text())
    (cube,) = record["cubes"]
    names = [m["name"] for m in cube["methods"]]
    assert {"last clear value", "linear in time", "same date last year", "climatology", "harmonic regression"} <= set(
        names
    )
    assert names[-1] == tools_series.CHOICE
    assert cube["coverage"]["simulated"]
    assert 0.8 < cube["coverage"]["value"] <= 1
    assert record["simulated"]
    page = (out / "report.html").read_text()
    assert page.count("data:image/png") == 4
    assert "simulated" in page
    assert str(out) not in page
    assert "hidden on purpose" in str(result)
    assert json.loads(json.dumps(result.to_json(), allow_nan=False))  # type: ignore[attr-defined]
    tifs = sorted((out / "dates").glob("*.tif"))
    again = swath.open(tifs)
    assert again.sizes["time"] == cube["dates"] == len(tifs)  # type: ignore[union-attr]
    assert "B08_high" in again.coords["band"].values  # type: ignore[union-attr]


def test_again_gives_the_same_bytes(filled: tuple[Path, object], tmp_path: Path) -> None:
    found = swath.again(filled[0], out=tmp_path / "again")
    assert found.different == ()
    assert len(found.same) > 3


def test_regular_dates_are_filled_and_marked_as_new(scene: Path, tmp_path: Path) -> None:
    result = swath.fill([scene], out=tmp_path, every="1m", bands=["B08"])
    after = swath.open(tmp_path / "filled.zarr")
    step = np.diff(after.time.values).astype("timedelta64[D]").astype(int)
    assert set(step.tolist()) <= {30, 31}
    reason = xr.open_zarr(tmp_path / "filled.zarr")["filled"].values
    assert set(np.unique(reason)) <= {0, 1, 2, 3, 7}
    assert (reason == 7).mean() > 0.5
    assert result.series[0].dates == after.sizes["time"]


def test_a_forecast_begins_after_the_last_date_and_is_judged_by_lead(scene: Path, tmp_path: Path) -> None:
    swath.forecast([scene], out=tmp_path, ahead="90d", bands=["B08"])
    before, after = swath.open(scene), swath.open(tmp_path / "forecast.zarr")
    assert after.time.values[0] > before.time.values[-1]
    assert after.time.values[-1] <= before.time.values[-1] + np.timedelta64(90, "D")
    whole = xr.open_zarr(tmp_path / "forecast.zarr")
    wide = (whole["high"] - whole["low"]).values
    assert np.isfinite(wide).mean() > 0.9
    record = json.loads((tmp_path / "series.json").read_text())["cubes"][0]
    assert any("ahead" in k["kind"] for k in record["kinds"])
    names = {m["name"] for m in record["methods"]}
    assert {"last clear value", "same date last year", "climatology", "linear trend", "ridge on lags"} <= names
    page = (tmp_path / "report.html").read_text()
    assert "What comes" in page


def _small(height: int = 5, width: int = 5, dates: int = 12, **more: object) -> xr.DataArray:
    random = np.random.default_rng(4)
    time = np.datetime64("2019-01-05") + np.arange(dates) * np.timedelta64(20, "D")
    wave = 0.4 + 0.2 * np.cos(np.arange(dates) / 3.0)
    values = (wave[:, None, None, None] + 0.02 * random.standard_normal((dates, 1, height, width))).astype(np.float32)
    values[random.random(values.shape) < 0.2] = np.nan
    return contract.make(
        values, bands=["NDVI"], geobox=None, time=time.astype("datetime64[ns]"), quantity="index", **more
    )  # type: ignore[arg-type]


def test_one_pixel_without_a_grid_is_filled_and_says_how_little_is_known(tmp_path: Path) -> None:
    result = swath.fill([_small(1, 1, 16)], out=tmp_path)
    assert any("1 place only" in n for n in result.notes)
    after = xr.open_zarr(tmp_path / "filled.zarr")
    assert np.isfinite(after["values"].values).all()


def test_whole_numbers_stay_whole_and_never_become_nodata(tmp_path: Path) -> None:
    one = _small(12, 12, 14)
    stored = np.where(np.isfinite(one.values), np.round(one.values * 100), 0).astype(np.uint8)
    cube = contract.make(
        stored, bands=["b"], geobox=None, time=one.time.values, quantity="digital_number", nodata=[0.0]
    )
    swath.fill([cube], out=tmp_path)
    after = xr.open_zarr(tmp_path / "filled.zarr")["values"].values
    assert after.dtype == np.uint8
    np.testing.assert_array_equal(after[stored > 0], stored[stored > 0])
    assert (after > 0).all()


def test_clouds_everywhere_are_refused_in_one_line(tmp_path: Path) -> None:
    one = _small(8, 8)
    cloudy = contract.make(
        one.values, bands=["NDVI"], geobox=None, time=one.time.values, quantity="index",
        flag=np.full((12, 8, 8), 2, np.uint8),
    )  # fmt: skip
    with pytest.raises(SwathError, match=r"clear values.*--allow"):
        swath.fill([cloudy], out=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("verb", "options", "words"),
    [
        ("fill", {"every": "10d", "at": ["2019-03-01"]}, "--every or --at"),
        ("fill", {"at": ["2030-01-01"]}, "swath forecast"),
        ("fill", {"every": "often"}, "length of time"),
        ("fill", {"allow": ["fog"]}, "--allow"),
        ("forecast", {}, "--until"),
        ("forecast", {"until": "2018-01-01"}, "after the last one"),
        ("forecast", {"ahead": "60d", "steps": 3}, "--ahead and --steps"),
        ("forecast", {"steps": 0}, "at least one step"),
        ("forecast", {"at": ["2019-02-01", "2030-01-01"]}, "after the last one"),
        ("forecast", {"until": "2190-01-01"}, "at most"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_work(
    verb: str, options: dict[str, object], words: str, tmp_path: Path
) -> None:
    with pytest.raises(SwathError, match=words):
        getattr(swath, verb)([_small()], out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_few_dates_no_dates_and_no_gaps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SwathError, match=r"at least 4 dates.*3 dates"):
        swath.fill([_small(dates=3)], out=tmp_path)
    undated = contract.make(np.zeros((1, 4, 4), np.float32), bands=["a"], geobox=None, quantity="index")
    with pytest.raises(SwathError, match="no date"):
        swath.forecast([undated], out=tmp_path, ahead="30d")
    whole = _small()
    whole = whole.copy(data=np.nan_to_num(whole.values, nan=0.4))
    with pytest.raises(SwathError, match=r"every value .* is there"):
        swath.fill([whole], out=tmp_path)
    with pytest.raises(SwathError, match="no file"):
        swath.fill([_small()], out=tmp_path, model=tmp_path / "none.safetensors")


def test_lengths_of_time_are_read_as_people_write_them() -> None:
    assert tools_series.length_of("90d", "--ahead") == 90
    assert tools_series.length_of("2 weeks", "--ahead") == 14
    assert tools_series.length_of(16, "--every") == 16
    assert tools_series.length_of("1y", "--ahead") == pytest.approx(365.2425)
    found = tools_series.days_every(np.array([100.4, 131.0]), "10d")
    assert found.tolist() == [100, 110, 120, 130]


def test_asked_dates_may_be_those_of_scenes(scene: Path) -> None:
    from swath.earth.time import days

    own = days(swath.open(scene).coords["time"].values)
    asked = {"every": None, "at": [str(swath.open(scene).coords["time"].values[3])[:10]]}
    assert tools_fill._wanted(own, asked, "scene").tolist() == [own[3]]
