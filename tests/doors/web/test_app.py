"""The page and its files: relative addresses, kept by the browser for ever, nothing outside its own folder."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

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


_STRANGE = [
    "", "x", "s1", "s99", "0", "-1", "1e9", "nan", "inf", "²", "null", "[]", "{}", "../../etc/passwd", "/etc/passwd", "file:///etc",
    "/vsicurl/http://x", "%00", "<x>", "a" * 1000, "2020-01-01", "ndvi", "1,2,3,4", "9999999999999999999999",
]  # fmt: skip
_NAMES = (
    "scene", "col", "row", "size", "index", "show", "date", "window", "width", "height", "layers", "metres", "pixels", "lo", "hi",
    "bands", "class", "map", "name", "names", "demo", "verb", "arguments", "question", "replay", "what", "ops", "base", "yes", "no",
    "k", "a", "b", "kind", "better", "op", "point", "answer", "options", "offset",
)  # fmt: skip


def test_no_route_breaks_or_tells_a_path_whatever_it_is_asked(opened):
    told = []
    for strange in _STRANGE:
        for scene in ("s1", strange):
            query = {**{name: strange for name in _NAMES}, "scene": scene}
            for route in build(opened.session).routes:
                told += [
                    _asked(opened, route, method, strange, query)
                    for method in sorted((route.methods or set()) - {"HEAD"})
                ]
    assert len(told) > 1000


def _asked(opened, route, method, strange, query):
    path = re.sub(r"\{(\w+)(:\w+)?\}", lambda _: quote(strange[:100], safe="") or "x", route.path)
    if path in ("/api/events", "/") or (route.path == "/api/scenes/{id}" and method == "DELETE"):
        return 0
    kind = "application/octet-stream" if path == "/api/scenes/upload" else "application/json"
    body = None if method == "GET" else json.dumps(query)
    asked = query if method == "GET" else None
    answer = opened.client.request(method, path, params=asked, content=body, headers={"Content-Type": kind})
    assert answer.status_code < 500 or answer.status_code == 503, (method, path[:60], answer.text)
    assert str(opened.folder.parent) not in answer.text, (method, path[:60])
    return answer.status_code
