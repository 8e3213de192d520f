"""The page and its files: relative addresses, kept by the browser for ever, nothing outside its own folder."""

from __future__ import annotations

import re

import pytest

from swath.doors.web.app import STATIC, build, version


def test_the_page_names_its_files_by_version_and_relative(door):
    page = door.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-store"
    assert f"static/{version()}/" in page.text
    assert "{version}" not in page.text
    assert not re.search(r"""(?:src|href)=["'](?:/|https?:)""", page.text)
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son[a-z]+=", page.text), (
        "the policy forbids what stands in the page"
    )


def test_every_file_that_the_page_names_is_there(door):
    for name in re.findall(r'(?:src|href)="(static/[^"]+)"', door.get("/").text):
        answer = door.get("/" + name)
        assert answer.status_code == 200, name
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_modules_have_the_type_that_browsers_run(door):
    for path in STATIC.rglob("*"):
        if path.suffix in (".js", ".mjs"):
            kind = door.get(f"/static/{version()}/{path.relative_to(STATIC).as_posix()}").headers["content-type"]
            assert kind.startswith("text/javascript"), path.name


def test_another_version_is_answered_but_not_kept(door):
    assert door.get("/static/old/main.js").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "name",
    [
        "no.js", "../app.py", "..%2fapp.py", "%2e%2e/app.py", "%2e%2e%2f%2e%2e%2ferrors.py", "/etc/passwd", "%2fetc%2fpasswd",
        "css", "css/", "", "vendor/../../app.py", "main.js%00.png", "main.js/", "..%5capp.py", "a" * 3000,
    ],
)  # fmt: skip
def test_nothing_outside_the_pages_folder_is_given(door, name):
    answer = door.get(f"/static/v/{name}")
    assert answer.status_code == 404
    assert "import" not in answer.text


def test_unknown_routes_and_methods_are_told_in_the_same_form(door):
    assert set(door.get("/nothing").json()) == {"rule", "got", "remedy"}
    assert door.post("/api/state").status_code == 405
    assert set(door.post("/api/state").json()) == {"rule", "got", "remedy"}


def test_each_route_is_given_once(door):
    routes = [(r.path, m) for r in build(door.session).routes for m in sorted(r.methods or ())]
    assert sorted(routes) == sorted(set(routes))
