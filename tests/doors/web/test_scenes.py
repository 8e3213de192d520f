"""Scenes open by name inside the folders given at start, and tell the page what it must know."""

from __future__ import annotations


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
