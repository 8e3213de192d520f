"""What can be opened is listed; results are handed out by tokens that stand for one file each."""

from __future__ import annotations

import pytest

from swath.doors.web.answers import Missing


def test_files_and_folders_that_can_be_opened_are_listed(door, make_scene):
    make_scene(door.folder / "series" / "a.tif", date="2020-01-01")
    make_scene(door.folder / "series" / "b.tif", date="2020-02-01")
    (door.folder / "notes.txt").write_text("x")
    (door.folder / ".hidden.tif").write_bytes(b"x")
    (door.folder / "store.zarr").mkdir()
    found = door.get("/api/files").json()
    assert found["files"] == ["scenes/field.tif", "scenes/series/a.tif", "scenes/series/b.tif"]
    assert found["folders"] == ["scenes/series", "scenes/store.zarr"]
    assert {d["id"] for d in found["demos"]} >= {"sentinel", "world"}
    for name in found["files"]:
        assert door.post("/api/scenes", {"names": [name]}).status_code == 201


def test_the_workspace_lists_uploads_only(door):
    (door.session.folder / "maps" / "1").mkdir()
    (door.session.folder / "maps" / "1" / "classes.tif").write_bytes(b"x")
    (door.session.folder / "uploads" / "mine.tif").write_bytes(b"x")
    assert [n for n in door.get("/api/files").json()["files"] if "work" in n] == ["work/uploads/mine.tif"]


def test_a_file_is_handed_out_under_a_token(door):
    path = door.session.folder / "exports" / "räume.csv"
    path.write_text("a,b\n")
    given = door.session.files.give(path)
    assert given["bytes"] == 4
    assert given["href"] == door.session.files.give(path)["href"]
    answer = door.get("/" + given["href"])
    assert answer.text == "a,b\n"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''r%C3%A4ume.csv"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert str(path) not in str(given)


def test_a_report_is_shown_in_a_box_of_its_own(door):
    path = door.session.folder / "exports" / "report.html"
    path.write_text("<script>1</script>")
    answer = door.get("/" + door.session.files.give(path)["href"] + "?show")
    assert answer.headers["content-disposition"].startswith("inline")
    assert answer.headers["content-security-policy"].startswith("sandbox allow-scripts; default-src 'none'")
    assert "allow-same-origin" not in answer.headers["content-security-policy"]


def test_other_kinds_are_never_shown(door):
    path = door.session.folder / "exports" / "a.svg"
    path.write_text("<svg onload='1'/>")
    answer = door.get("/" + door.session.files.give(path)["href"] + "?show")
    assert answer.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize("token", ["x", "..%2f..%2fetc%2fpasswd", "%00", "a" * 3000])
def test_tokens_of_nobody_are_missing(door, token):
    assert door.get(f"/files/{token}").status_code == 404


def test_a_file_outside_cannot_be_handed_out(door, tmp_path):
    outside = tmp_path / "secret.txt"
    outside.write_text("x")
    for name in (outside, door.session.folder / "exports" / "no.csv"):
        with pytest.raises((Missing, OSError)):
            door.session.files.give(name)


def test_a_link_put_in_the_place_of_a_file_is_not_followed(door, tmp_path):
    path = door.session.folder / "exports" / "a.csv"
    path.write_text("a")
    href = door.session.files.give(path)["href"]
    outside = tmp_path / "secret.txt"
    outside.write_text("secret")
    path.unlink()
    path.symlink_to(outside)
    answer = door.get("/" + href)
    assert answer.status_code in (400, 404)
    assert "secret" not in answer.text


def test_a_file_that_has_gone_is_missing(door):
    path = door.session.folder / "exports" / "a.csv"
    path.write_text("a")
    href = door.session.files.give(path)["href"]
    path.unlink()
    assert door.get("/" + href).status_code in (400, 404)
