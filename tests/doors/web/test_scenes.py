"""Scenes open by name inside the folders given at start, and tell the page what it must know."""

from __future__ import annotations

import pytest


def test_a_scene_opens_by_name_and_tells_what_it_is(opened):
    record = opened.get("/api/scenes/s1").json()
    assert record["name"] == "field"
    assert record["quantity"] == "reflectance"
    assert record["grid"]["width"] == 64
    assert record["grid"]["crs"] == "EPSG:32633"
    assert not record["grid"]["pixel"]
    assert [b["name"] for b in record["bands"]] == ["blue", "green", "red", "near infrared"]
    names = [s["name"] for s in record["shows"]]
    assert names[:2] == ["True colour", "Plants in red"]
    assert "Greenness (NDVI)" in names
    for show in record["shows"]:
        assert show["lo"] < show["hi"]
    assert record["layer"]["tiles"].startswith("tiles/s1/")
    assert record["default_show"] == record["shows"][0]["id"]


def test_missing_and_forbidden_scenes_read_the_same(door):
    answers = [door.post("/api/scenes", {"names": [name]}) for name in ("no.tif", "/etc/passwd", "../x.tif")]
    assert {a.status_code for a in answers} == {404}
    assert len({a.text for a in answers}) == 1


def test_the_same_scene_twice_is_one_scene(opened):
    again = opened.post("/api/scenes", {"names": ["field.tif"]})
    assert again.json()["id"] == "s1"
    assert len(opened.get("/api/state").json()["scenes"]) == 1


def test_a_file_that_changes_is_another_revision_of_the_same_scene(opened, make_scene):
    before = opened.get("/api/scenes/s1").json()
    make_scene(opened.folder / "field.tif", side=80, seed=3)
    after = opened.post("/api/scenes", {"names": ["field.tif"]}).json()
    assert (after["id"], after["key"]) == (before["id"], before["key"])
    assert after["rev"] != before["rev"]
    assert after["grid"]["width"] == 80


def test_dates_have_clear_shares_and_the_latest_clear_one_is_shown_first(door, make_scene):
    for n in (1, 2, 3):
        make_scene(door.folder / "series" / f"S_2020-0{n}-01.tif", seed=n, date=f"2020-0{n}-01")
    record = door.post("/api/scenes", {"names": [f"series/S_2020-0{n}-01.tif" for n in (1, 2, 3)]}).json()
    assert [d["date"] for d in record["dates"]] == ["2020-01-01", "2020-02-01", "2020-03-01"]
    assert all(d["clear"] == 1 for d in record["dates"])
    assert record["default_date"] == "2020-03-01"
    assert record["name"] == "S_2020-01-01 and 2 more"
    scene = door.session.scenes.get("s1")
    assert scene.date(None) == 2
    assert scene.date("2020-02-01") == 1


def test_a_cloudy_last_date_is_not_the_first_to_be_shown(door, make_scene):
    import rasterio

    for n in (1, 2):
        make_scene(door.folder / "s" / f"S_2020-0{n}-01.tif", seed=n, date=f"2020-0{n}-01")
    with rasterio.open(door.folder / "s" / "S_2020-02-01.tif", "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
        values = file.read()
        values[:, :60] = float("nan")
        file.write(values)
    record = door.post("/api/scenes", {"names": ["s/S_2020-01-01.tif", "s/S_2020-02-01.tif"]}).json()
    assert record["dates"][1]["clear"] < 0.1
    assert record["default_date"] == "2020-01-01"


def test_a_scene_without_a_georeference_is_in_pixels(door, make_scene):
    make_scene(door.folder / "photo.tif", crs=None)
    record = door.post("/api/scenes", {"names": ["photo.tif"]}).json()
    assert record["grid"]["pixel"]
    assert record["grid"]["crs"] is None
    assert record["grid"]["affine"] == [1, 0, 0, 0, 1, 0]
    assert record["bounds"] is None
    assert record["dates"] == []
    assert record["default_date"] is None


def test_degrees_become_metres_for_the_page(door, make_scene):
    import rasterio
    from rasterio.transform import from_origin

    make_scene(door.folder / "degrees.tif", crs=None)
    with rasterio.open(door.folder / "degrees.tif", "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
        file.crs, file.transform = "EPSG:4326", from_origin(13.0, 47.0, 0.0002, 0.0002)
    record = door.post("/api/scenes", {"names": ["degrees.tif"]}).json()
    assert record["grid"]["crs"] == "EPSG:32633"
    assert 10 < record["grid"]["metres"] < 30


def test_a_closed_scene_is_gone_and_its_words_are_those_of_any_other(opened):
    assert opened.delete("/api/scenes/s1").json() == {"closed": "s1"}
    gone, never = opened.get("/api/scenes/s1"), opened.get("/api/scenes/s99")
    assert gone.status_code == never.status_code == 404
    assert gone.text == never.text
    assert opened.delete("/api/scenes/s1").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"names": "field.tif"},
        {"names": []},
        {"names": [1]},
        {"names": ["field.tif"] * 300},
        {"names": ["field.tif"], "options": {"offset": "x"}},
        {"names": ["field.tif"], "options": {"scale": float("1e300")}},
        {"names": ["field.tif"], "options": {"sensor": "no-such-sensor"}},
        {"demo": "x"},
        {"demo": ["pines"]},
    ],
)
def test_what_is_no_scene_is_refused_in_one_line(door, body):
    answer = door.post("/api/scenes", body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"rule", "got", "remedy"}
    assert door.get("/api/state").json()["scenes"] == []


def test_what_the_page_names_is_read_with_limits_and_what_the_person_named_is_not(door):
    from swath.doors.web.serve import _open

    by_page = door.post("/api/scenes", {"names": ["field.tif"]}).json()
    assert any("child process" in note for note in by_page["notes"])
    door.delete(f"/api/scenes/{by_page['id']}")
    _open(door.session, [str(door.folder / "field.tif")])
    by_person = door.get("/api/state").json()["scenes"][0]
    assert not any("child process" in note for note in by_person["notes"])


def test_a_file_that_sends_its_reader_elsewhere_is_refused(door):
    (door.folder / "x.vrt").write_text("<VRTDataset rasterXSize='1' rasterYSize='1'/>")
    (door.folder / "y.tif").write_text("<GDAL_WMS/>")
    for name in ("x.vrt", "y.tif"):
        answer = door.post("/api/scenes", {"names": [name]})
        assert answer.status_code == 400
        assert str(door.folder) not in answer.text


def test_the_looks_at_a_scene_are_kept(opened, monkeypatch):
    from swath.doors.web import shows

    before = opened.get("/api/scenes/s1").json()
    opened.delete("/api/scenes/s1")
    monkeypatch.setattr(shows, "stretched", None)  # is not asked again
    after = opened.post("/api/scenes", {"names": ["field.tif"]}).json()
    assert after["shows"] == before["shows"]
    assert after["key"] == before["key"]


def test_open_scenes_are_remembered(opened, tmp_path):
    from swath.doors.web.session import start

    later = start([opened.folder], tmp_path / "work")
    assert later.scenes.restore()
    assert [s.key for s in later.scenes.all()] == [opened.session.scenes.get("s1").key]


def test_scenes_that_have_gone_are_not_missed(opened, tmp_path):
    from swath.doors.web.session import start

    (opened.folder / "field.tif").unlink()
    assert not start([opened.folder], tmp_path / "work").scenes.restore()


@pytest.mark.parametrize("which", ["sentinel", "world", True])
def test_demo_scenes_open(door, which):
    if which is True:
        pytest.importorskip("tensorly")
    answer = door.post("/api/scenes", {"demo": which})
    assert answer.status_code == 201, answer.text
    record = answer.json()
    assert record["simulated"] is (which == "world")
    assert record["shows"][0]["name"] == "True colour"
    if which == "world":
        assert len(record["dates"]) > 20
        assert record["grid"]["crs"].startswith("EPSG:")


def test_many_dates_open_before_all_are_looked_at(door, make_scene, monkeypatch):
    import time

    from swath.doors.web import opening

    monkeypatch.setattr(opening, "SECONDS", 0.0)
    monkeypatch.setattr(opening, "LEAST", 1)
    for n in range(1, 6):
        make_scene(door.folder / f"S_2020-0{n}-01.tif", seed=n, date=f"2020-0{n}-01", side=32)
    record = door.post("/api/scenes", {"names": [f"S_2020-0{n}-01.tif" for n in range(1, 6)]}).json()
    assert record["default_date"] == "2020-05-01"  # the last one is looked at first
    end = time.monotonic() + 20
    while (
        None in (shares := [d["clear"] for d in door.get("/api/scenes/s1").json()["dates"]]) and time.monotonic() < end
    ):
        time.sleep(0.05)
    assert shares == [1, 1, 1, 1, 1]

    def told() -> int:
        return [kind for _, kind, _ in door.session.events.since(f"{door.session.events.run}-0")[0]].count("scenes")

    while told() < 2 and time.monotonic() < end:  # the shares are there a moment before the page hears of them
        time.sleep(0.05)
    assert told() == 2
    assert len(list((door.session.folder / "cache").glob("*-*.json"))) == 1


def test_a_series_is_looked_at_from_coarse_to_fine():
    from swath.doors.web.opening import _spread

    assert _spread(0) == []
    assert _spread(1) == [0]
    for n in (2, 7, 8, 100):
        assert sorted(_spread(n)) == list(range(n))
        assert _spread(n)[0] == n - 1


def test_a_double_click_opens_one_scene(door):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: door.session.scenes.admit(["field.tif"]).id, range(4)))
    assert set(found) == {"s1"}


def test_radiance_is_shown_with_each_band_by_its_own_range(door):
    pytest.importorskip("tensorly")
    door.post("/api/scenes", {"demo": True})
    record = door.get("/api/scenes/s1").json()
    show = record["shows"][0]
    assert show["name"] == "True colour"
    assert len(show["balance"]) == 3
    assert show["hint"].endswith("each by its own range")
    picture = door.get("/" + record["layer"]["tiles"].format(z=0, x=0, y=0), show=show["id"])
    assert picture.status_code == 200
    import io

    import numpy as np
    from matplotlib.image import imread

    chip = door.get("/api/still", scene="s1", window="0,145,0,145", width=145, height=145, layers="s1")
    means = imread(io.BytesIO(chip.content))[..., :3].reshape(-1, 3).mean(axis=0)
    assert np.ptp(means) < 0.2, "no colour lies over the whole scene"


def test_reflectance_is_not_balanced(opened):
    assert all("balance" not in show for show in opened.get("/api/scenes/s1").json()["shows"])


def test_an_index_that_comes_as_a_band_is_shown_as_one_that_is_computed():
    from swath.doors.web.shows import shows_of
    from swath.earth.sensor import Band

    (show,) = shows_of([Band("NDVI", quantity="index", units="1")])
    assert (show["id"], show["name"], show["lo"], show["hi"]) == ("band-0", "Greenness (NDVI)", -0.2, 1.0)


def test_the_stretch_of_a_series_is_not_that_of_its_last_day(make_scene, tmp_path, monkeypatch):
    import swath
    from swath.doors.web import opening

    for n in range(1, 9):
        make_scene(tmp_path / f"S_2020-0{n}-01.tif", seed=n, date=f"2020-0{n}-01", side=32)
    cube = swath.open(sorted(str(p) for p in tmp_path.glob("S_*.tif")))
    looked = opening._clear(cube, [None] * 8, 0.0)
    assert sum(share is not None for share in looked) == opening.LEAST
    assert looked[0] is not None
    assert looked[-1] is not None


def test_one_dataset_of_a_file_opens_and_is_read_anew_when_the_file_changes(tmp_path):
    from pathlib import Path

    from swath.doors.web.scenes import revision
    from swath.doors.web.serve import _parser, _roots

    path = tmp_path / "many.h5"
    path.write_bytes(b"one")
    named = Path(f"{path}#values")
    assert _roots(_parser().parse_args([str(named)]), tmp_path / "out") == [tmp_path]
    before = revision([named], {})
    path.write_bytes(b"another")
    assert revision([named], {}) != before
