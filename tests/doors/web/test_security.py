"""Who may ask the page's server: a one-time link, a cookie, the right Host and Origin; every answer has its headers."""

from __future__ import annotations

import json
import re

import pytest
from starlette.testclient import TestClient

from swath.doors.web.app import build, guarded
from swath.doors.web.security import CSP, Keys, allowed_hosts
from swath.doors.web.session import start

HOST = "127.0.0.1:8321"
WRITE = {"Origin": f"http://{HOST}", "X-Swath": "1"}
ROUTES = ("/", "/api/state", "/api/files", "/api/scenes/s1", "/api/events", "/api/jobs/1", "/files/x", "/static/v/main.js",
          "/tiles/s1/r/0/0/0", "/nothing/at/all", "/api/labels", "/api/point")  # fmt: skip


@pytest.fixture
def app(tmp_path):
    session = start([], tmp_path / "work")
    keys = Keys(tmp_path / "work" / "cache" / "keys.json")
    yield guarded(session, keys, allowed_hosts(8321)), keys, session
    session.events.close()


def browser(app, host=HOST):
    return TestClient(app, base_url=f"http://{host}", raise_server_exceptions=False, follow_redirects=False)


def entered(app, keys, host=HOST):
    client = browser(app, host)
    answer = client.get(f"/?token={keys.new()}")
    assert answer.status_code == 303
    return client


def check_headers(answer):
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert re.fullmatch(r"([a-z-]+=\(\)(, )?)+", answer.headers["permissions-policy"])
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "cache-control" in answer.headers
    assert "server" not in answer.headers


def test_nothing_answers_without_the_cookie_but_health(app):
    client = browser(app[0])
    assert client.get("/api/health").json() == {"ok": True}
    for path in ROUTES:
        answer = client.get(path)
        assert answer.status_code == 403, path
        check_headers(answer)
    for path in ("/api/scenes", "/api/jobs", "/api/labels/ops", "/api/scenes/upload", "/x"):
        kind = "application/octet-stream" if path.endswith("upload") else "application/json"
        assert client.post(path, content=b"{}", headers={**WRITE, "Content-Type": kind}).status_code == 403
    same = {client.get(path).text for path in ROUTES if path != "/"}
    assert len(same) == 1


def test_every_route_there_is_stands_behind_the_same_checks(app):
    guard, keys, session = app
    stranger, known = browser(guard), entered(guard, keys)
    seen = 0
    for route in build(session).routes:
        path = re.sub(r"\{[^}]+\}", "1", route.path)
        for method in sorted(set(route.methods or {"GET"}) - {"HEAD"}):
            kind = "application/octet-stream" if path.endswith("upload") else "application/json"
            headers = {**WRITE, "Content-Type": kind}
            if path != "/api/health":
                assert stranger.request(method, path, headers=headers).status_code == 403, (method, path)
            if method != "GET":
                assert method in ("POST", "DELETE")
                plain = {k: v for k, v in headers.items() if k != "X-Swath"}
                assert known.request(method, path, headers=plain).status_code == 403, (method, path)
                assert (
                    known.request(method, path, headers={**headers, "Origin": "http://evil.example"}).status_code == 403
                )
            seen += 1
    assert seen > 30


def test_health_is_the_same_with_a_wrong_cookie(app):
    client = browser(app[0])
    client.cookies.set("swath", "x" * 43)
    assert client.get("/api/state").status_code == 403
    assert client.get("/api/health").json() == {"ok": True}


def test_the_link_works_once_and_becomes_a_cookie(app):
    guard, keys, _ = app
    token = keys.new()
    first, second = browser(guard), browser(guard)
    answer = first.get(f"/?token={token}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "./"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert token not in cookie
    assert first.get("/").status_code == 200
    assert first.get("/api/state").status_code == 200
    again = second.get(f"/?token={token}")
    assert again.status_code == 403
    assert "set-cookie" not in again.headers
    assert first.get(f"/?token={token}").headers["location"] == "./"  # whoever is in already stays in


@pytest.mark.parametrize("token", ["", "x", "%00", "a" * 5000, "é", "%ff%fe", "0"])
def test_other_tokens_open_nothing(app, token):
    assert browser(app[0]).get(f"/?token={token}").status_code == 403


def test_a_token_opens_the_page_alone(app):
    guard, keys, _ = app
    token = keys.new()
    client = browser(guard)
    assert client.get(f"/api/state?token={token}").status_code == 403
    assert client.head(f"/?token={token}").status_code == 403
    assert client.get(f"/?token={token}", headers={"Sec-Purpose": "prefetch"}).status_code == 403
    assert client.get(f"/?token={token}").status_code == 303


def test_a_cookie_outlives_the_server_and_is_kept_as_a_digest(app, tmp_path):
    guard, keys, session = app
    client = entered(guard, keys)
    cookie = client.cookies["swath"]
    kept = (session.folder / "cache" / "keys.json").read_text()
    assert cookie not in kept
    assert (session.folder / "cache" / "keys.json").stat().st_mode & 0o077 == 0
    later = Keys(session.folder / "cache" / "keys.json")
    assert later.known(cookie)
    assert not later.known(cookie[:-1])


def test_cookies_of_other_pages_on_this_host_do_no_harm(app):
    guard, keys, _ = app
    cookie = entered(guard, keys).cookies["swath"]
    client = browser(guard)
    text = f'x={{"a":1}}; swath=wrong; bad cookie; swath={cookie}; theme="dark"'
    assert client.get("/api/state", headers={"Cookie": text}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8321",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1:8321.evil.example",
        "0.0.0.0:8321",
        "",
    ],
)
def test_other_hosts_are_refused_before_anything(app, host):
    guard, keys, _ = app
    client = entered(guard, keys)
    for path in ("/", "/api/health", "/api/state", f"/?token={keys.new()}"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 421
        check_headers(answer)


def test_this_machine_has_three_names_and_those_asked_for():
    names = allowed_hosts(9000, ["lab.example", "10.0.0.7", "::2", "proxy.example:443"])
    assert {"127.0.0.1:9000", "localhost:9000", "[::1]:9000"} <= names
    assert {"lab.example:9000", "10.0.0.7:9000", "[::2]:9000", "proxy.example:443"} <= names


@pytest.mark.parametrize("host", ["localhost:8321", "[::1]:8321", "LOCALHOST:8321"])
def test_the_page_opens_by_any_of_them(app, host):
    assert browser(app[0], "localhost:8321").get("/api/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"Origin": None},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": f"http://{HOST}.evil.example"},
        {"Origin": "http://localhost:8321"},
        {"X-Swath": None},
        {"X-Swath": "0"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_writes_come_from_the_page_itself(app, change):
    guard, keys, _ = app
    client = entered(guard, keys)
    headers = {k: v for k, v in {**WRITE, **change}.items() if v is not None}
    for method, path in (("POST", "/api/scenes"), ("POST", "/api/jobs"), ("DELETE", "/api/scenes/s1")):
        answer = client.request(method, path, json={}, headers=headers)
        assert answer.status_code == 403, change


def test_the_same_write_from_the_page_is_carried_out(app):
    guard, keys, _ = app
    client = entered(guard, keys)
    answer = client.post(
        "/api/jobs", json={"verb": "list", "arguments": {}}, headers={**WRITE, "Sec-Fetch-Site": "same-origin"}
    )
    assert answer.status_code == 202


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_forms_are_no_writes(app, kind):
    guard, keys, _ = app
    client = entered(guard, keys)
    assert client.post("/api/jobs", content=b"{}", headers={**WRITE, "Content-Type": kind}).status_code == 415


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_other_methods_are_refused(app, method):
    guard, keys, _ = app
    assert entered(guard, keys).request(method, "/api/state").status_code == 405


def test_reading_from_another_site_is_refused_but_arriving_is_not(app):
    guard, keys, _ = app
    client = entered(guard, keys)
    other = {"Sec-Fetch-Site": "cross-site"}
    assert client.get("/api/state", headers=other).status_code == 403
    assert client.get("/", headers={**other, "Sec-Fetch-Mode": "no-cors"}).status_code == 403
    assert client.get("/", headers={**other, "Sec-Fetch-Mode": "navigate"}).status_code == 200


def test_every_answer_has_its_headers(app):
    guard, keys, _ = app
    client = entered(guard, keys)
    for path in ("/", "/api/state", "/api/nothing", "/nothing", "/files/x", "/api/health", "/static/v/no.js"):
        answer = client.get(path)
        check_headers(answer)
        assert answer.headers["content-security-policy"] == CSP
    assert client.get("/api/state").headers["cache-control"] == "no-store"


def test_long_bodies_are_refused_unread_and_while_they_come(app):
    guard, keys, _ = app
    client = entered(guard, keys)
    told = {**WRITE, "Content-Type": "application/json", "Content-Length": str(2**40)}
    assert client.post("/api/jobs", content=iter([b"{}"]), headers=told).status_code == 413

    def endless():
        for _ in range(6):
            yield b" " * 2**20

    answer = client.post("/api/jobs", content=endless(), headers={**WRITE, "Content-Type": "application/json"})
    assert answer.status_code == 413
    assert set(answer.json()) >= {"rule", "got", "remedy"}


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b"\xff\xfe", b"3", b'{"verb": 1}', b"[" * 100_000, b'{"a":' * 50 + b"1" + b"}" * 50]
)
def test_bodies_that_are_no_objects_are_refused_in_one_line(app, body):
    guard, keys, _ = app
    client = entered(guard, keys)
    answer = client.post("/api/jobs", content=body, headers={**WRITE, "Content-Type": "application/json"})
    assert answer.status_code == 400
    assert set(answer.json()) == {"rule", "got", "remedy"}


def test_a_fault_of_ours_is_one_line_without_a_path(app, monkeypatch, caplog):
    guard, keys, session = app
    client = entered(guard, keys)

    def broken(*_):
        raise RuntimeError("/secret/place/file.tif")

    session.more["state"] = {"maps": broken}
    answer = client.get("/api/state")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "RuntimeError" in answer.json()["got"]
    assert "/secret/place" in caplog.text
    check_headers(answer)


def test_refusals_name_no_place_on_this_machine(app, tmp_path):
    guard, keys, session = app
    client = entered(guard, keys)
    (session.folder / "uploads" / "broken.tif").write_bytes(b"II*\x00 nothing")
    answer = client.post("/api/scenes", json={"names": ["uploads/broken.tif"]}, headers=WRITE)
    assert answer.status_code in (400, 404)
    assert str(tmp_path) not in answer.text
    assert "/" not in json.dumps(answer.json()["got"]).replace("uploads/", "").replace("\\/", "")


def test_the_page_works_under_a_prefix(app):
    guard, keys, _ = app
    client = TestClient(guard, base_url=f"http://{HOST}", root_path="/proxy/8321", follow_redirects=False)
    answer = client.get(f"/proxy/8321/?token={keys.new()}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "./"
    page = client.get("/proxy/8321/")
    assert page.status_code == 200
    assert not re.search(r'(src|href)="/', page.text)
    assert client.get("/proxy/8321/api/state").status_code == 200


def test_sockets_are_closed(app):
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), browser(app[0]).websocket_connect("/api/events"):
        pass
