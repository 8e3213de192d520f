"""Requests that a stranger's page, another name for this machine or a mangled address makes: headers and routes of the doors."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from canary import SECRET
from payloads import PAYLOADS, Payload

from conftest import HOST, Home

NAMED = [p for p in PAYLOADS if p.build is None]
HEADERS: list[dict[str, str]] = [
    {"host": "evil.example"},
    {"host": "evil.example:8321"},
    {"host": "127.0.0.1:8321.evil.example"},
    {"host": "127.0.0.1:8322"},
    {"host": "127.0.0.1"},
    {"host": "127.0.0.1.:8321"},
    {"host": "2130706433:8321"},
    {"host": ""},
    {"host": "evil.example", "x-forwarded-host": HOST, "x-original-host": HOST},
    {"host": "rebound.example:8321", "origin": "http://rebound.example:8321"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": f"https://{HOST}.evil.example"},
    {"origin": "http://localhost:8321"},
    {"origin": f"http://{HOST}/"},
    {"origin": f"http://user@{HOST}"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"x-swath": "0"},
    {"cookie": "swath=guess"},
    {"cookie": ""},
    {"content-type": "text/plain"},
    {"content-type": "application/x-www-form-urlencoded"},
    {"content-type": "multipart/form-data"},
    {"content-length": "99999999999"},
    {"content-length": "-1"},
]


@pytest.mark.parametrize("headers", HEADERS, ids=str)
def test_the_page_refuses_what_is_not_its_own(page: Any, headers: dict[str, str]) -> None:
    request = page.build_request("POST", "/api/scenes", content=b'{"names": ["scenes/a.tif"]}')
    whole = {**dict(request.headers), "content-type": "application/json", **headers}
    found = page.send(page.build_request("POST", "/api/scenes", content=b'{"names": ["scenes/a.tif"]}', headers=whole))
    assert found.status_code in (400, 403, 413, 415, 421), found.text
    assert "s1" not in found.text


def test_its_own_request_works(page: Any) -> None:
    found = page.post("/api/scenes", json={"names": ["scenes/a.tif"]})
    assert found.status_code == 201
    page.request("DELETE", f"/api/scenes/{found.json()['id']}")


@pytest.mark.parametrize(
    "path", ["/", "/api/state", "/api/files", "/static/x/index.html", "/tiles/s1/r/0/0/0", "/files/x", "/api/events"]
)
def test_nothing_answers_without_the_cookie(page: Any, path: str) -> None:
    kept, page.cookies = page.cookies, {}
    try:
        found = page.get(path)
    finally:
        page.cookies = kept
    assert found.status_code == 403
    assert page.get("/api/health").status_code == 200


def test_a_token_is_of_no_use_twice(page: Any) -> None:
    token = page.keys.new()
    kept, page.cookies = page.cookies, {}
    try:
        first = page.get(f"/?token={token}", follow_redirects=False)
        page.cookies = {}
        again = page.get(f"/?token={token}", follow_redirects=False)
    finally:
        page.cookies = kept
    assert first.status_code == 303
    assert again.status_code == 403


@pytest.mark.parametrize("payload", NAMED, ids=str)
def test_no_route_takes_a_mangled_name(home: Home, page: Any, payload: Payload) -> None:
    name, own = home.name(payload.name), page.get("/").text
    if len(name) > 2000:
        name = name[:2000]
    for spelt in dict.fromkeys((quote(name, safe=""), quote(name, safe="/%.:"))):
        routes = [
            f"/static/x/{spelt}",
            f"/files/{spelt}",
            f"/tiles/{spelt}/r/0/0/0",
            f"/api/scenes/{spelt}x",
            f"/api/maps/{spelt}x",
        ]
        for route in [
            *routes,
            f"/api/jobs/{spelt}x",
            f"/api/samples/{spelt}x",
            f"/api/point?col=1&row=1&scene={quote(name, safe='')}",
        ]:
            found = page.get(route)
            assert found.status_code >= 400 or found.text == own, route  # the client itself climbs up to the page
            assert SECRET not in found.text
            assert "root:x:" not in found.text
            assert str(home.root.parent) not in found.text
    for route, body in (
        ("/api/export", {"scene": name, "what": ["png"]}),
        ("/api/maps", {"scene": name}),
        ("/api/similar", {"scene": name, "yes": [{"col": 1, "row": 1}]}),
        ("/api/labels/ops", {"scene": name, "base": 0, "ops": []}),
        ("/api/ask", {"scene": name, "question": "how much water"}),
    ):
        found = page.post(route, json=body)
        assert found.status_code >= 400, (route, found.text)
        assert SECRET not in found.text
        assert str(home.root.parent) not in found.text
    sent = page.post(
        "/api/scenes/upload",
        content=b"x",
        headers={"content-type": "application/octet-stream", "x-swath-name": quote(name)},
    )
    assert sent.status_code >= 400
    assert str(home.root.parent) not in sent.text
    assert home.canary.hits == []


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "evil.example", "x-forwarded-host": "127.0.0.1:8321"},
        {"host": "127.0.0.1:9"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"authorization": ""},
        {"authorization": "Bearer guess"},
        {"authorization": "Basic dG9rZW4="},
    ],
    ids=str,
)
def test_mcp_over_http_refuses_what_is_not_its_own(home: Home, headers: dict[str, str]) -> None:
    pytest.importorskip("mcp")
    from mcp.server.transport_security import TransportSecuritySettings
    from starlette.testclient import TestClient

    from swath.doors.mcp import guarded, server
    from swath.doors.roots import Roots

    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=True, allowed_hosts=[HOST], allowed_origins=[f"http://{HOST}"]
    )
    app = guarded(server(Roots([home.root])).streamable_http_app(transport_security=security), "token")
    usual = {"authorization": "Bearer token", "accept": "application/json, text/event-stream", "host": HOST}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    with TestClient(app, base_url=f"http://{HOST}") as client:
        assert client.post("/mcp", json=body, headers={**usual, **headers}).status_code in (400, 401, 403, 421)
        assert client.post("/mcp", json=body, headers=usual).status_code in (200, 400)


@pytest.mark.parametrize(
    "value", [1e308, 10**11, -1, 10**400, "9" * 5000, "nan", None, [], {}, True], ids=lambda v: repr(v)[:20]
)
def test_numbers_and_kinds_that_nobody_means_break_nothing(home: Home, page: Any, mcp: Any, value: Any) -> None:
    scene = page.post("/api/scenes", json={"names": ["scenes/a.tif"]}).json()
    key, rev = scene["id"], scene["rev"]
    text = quote(str(value))
    for route in (
        f"/tiles/{key}/{rev}/{text}/{text}/{text}",
        f"/api/point?scene={key}&col={text}&row={text}&size={text}",
        f"/api/series?scene={key}&col={text}&row={text}&index={text}",
        f"/api/chip?scene={key}&col=3&row=3&metres={text}&size={text}",
        f"/api/still?scene={key}&window=0,{text},0,{text}&width={text}&height={text}",
    ):
        assert page.get(route).status_code < 500, route
    four = [value] * 4
    for route, body in (
        ("/api/maps", {"scene": key, "window": four}),
        ("/api/similar", {"scene": key, "yes": [{"col": value, "row": value}], "k": value}),
        ("/api/similar", {"scene": key, "yes": [{"window": four}]}),
        ("/api/compare", {"scene": key, "a": value, "b": value, "kind": value, "window": four}),
        ("/api/export", {"scene": key, "what": value, "window": four, "layers": value}),
        ("/api/samples", {"map": value, "size": value}),
        ("/api/labels/ops", {"scene": key, "base": value, "ops": value}),
        ("/api/jobs", {"verb": "info", "arguments": {"paths": value}}),
        ("/api/jobs", {"verb": value, "arguments": value}),
        ("/api/scenes", {"names": value, "offset": value}),
    ):
        found = page.post(route, content=json.dumps(body), headers={"content-type": "application/json"})
        assert found.status_code < 500, (route, found.text)
        assert str(home.root.parent) not in found.text
    said = mcp("info", {"paths": value})
    assert said.refused
    assert " in swath info" not in said.words
    page.request("DELETE", f"/api/scenes/{key}")
