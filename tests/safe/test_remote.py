"""Reading from named hosts: nothing else is asked, nothing private is reached, nothing endless is taken; what is allowed works."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import builders
import pytest

from conftest import Home
from swath.doors.remote import Remote, fetched, public
from swath.errors import SwathError


class Stand:
    """A server on this machine that stands in for a host: path -> what it does."""

    def __init__(self, image: bytes) -> None:
        self.hits: list[str] = []
        stand = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                stand.hits.append(self.path)
                stand.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.image = image
        self.elsewhere = ""
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, to: http.server.BaseHTTPRequestHandler) -> None:
        path = to.path.split("?")[0]
        to.close_connection = True
        if path.startswith("/to/"):
            to.send_response(int(path.split("/")[2]))
            to.send_header(
                "Location",
                {"elsewhere.tif": self.elsewhere, "loop.tif": path, "a.tif": "/a.tif"}[path.rsplit("/", 1)[-1]],
            )
            to.send_header("Content-Length", "0")
            to.end_headers()
            return
        to.send_response(404 if path == "/missing.tif" else 200)
        if path == "/packed.tif":
            to.send_header("Content-Encoding", "gzip")
        if path in ("/endless.tif", "/slow.tif"):
            to.end_headers()
            self.pour(to, slow=path == "/slow.tif")
            return
        length = {"/large.tif": 10**12, "/short.tif": len(self.image) + 9}.get(path, len(self.image))
        to.send_header("Content-Length", str(length))
        to.end_headers()
        to.wfile.write(b"x,y\n" if path == "/vrt.tif" and not self.image else self.body(path))

    def body(self, path: str) -> bytes:
        text = builders.vrt("/etc/hostname").encode()
        return text + b" " * (len(self.image) - len(text)) if path == "/vrt.tif" else self.image

    def pour(self, to: http.server.BaseHTTPRequestHandler, *, slow: bool) -> None:
        try:
            for _ in range(400 if slow else 100_000):
                to.wfile.write(b"x" if slow else bytes(65_536))
                to.wfile.flush()
                if slow:
                    time.sleep(0.05)
        except OSError:
            return


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    image = builders.tif(tmp_path_factory.mktemp("image") / "a.tif").read_bytes()
    made = Stand(image)
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def remote(stand: Stand, tmp_path: Path) -> Remote:
    stand.hits.clear()
    return Remote([stand.host], tmp_path / "fetched", largest=2**21, seconds=2.0, trial=True)


def test_a_file_of_an_allowed_host_is_fetched_once(stand: Stand, remote: Remote) -> None:
    url = f"http://{stand.host}/a.tif?key=1"
    path = remote.fetch(url)
    assert path.name == "a.tif"
    assert path.read_bytes() == stand.image
    assert remote.fetch(url) == path
    assert stand.hits == ["/a.tif?key=1"]
    assert remote.fetch(f"http://{stand.host}/to/302/a.tif").read_bytes() == stand.image
    assert fetched(["b.tif"], remote) == ["b.tif"]
    assert fetched([url], None) == [url]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/a.tif", "http://localhost/a.tif", "http://localhost:1/a.tif", "https://localhost:{port}x/a.tif",
        "http://localhost:{port}@evil.example/a.tif", "http://evil.example@localhost:{port}/a.tif", "http://evil.example\\@localhost:{port}/a.tif",
        "http://localhost:{port}#@evil.example/a.tif", "http://localhost:{port}%2f@evil.example/a.tif", "http://[::1]:{port}/a.tif",
        "http://localhost.evil.example:{port}/a.tif", "http://2130706433:{port}/a.tif", "http://0x7f.1:{port}/a.tif", "http://127.1:{port}/a.tif",
        "http://\uff4cocalhost:{port}/a.tif", "http://localhost:{port}/a.tif\r\nX-More: 1", "http://localhost:{port}/ a.tif", "http:///a.tif",
        "ftp://localhost:{port}/a.tif", "file:///etc/hostname.tif", "gopher://localhost:{port}/a.tif", "http://localhost:99999/a.tif",
        "HTTP://LOCALHOST.:{port}@x/a.tif", "//localhost:{port}/a.tif", "http://169.254.169.254/latest/a.tif", "http://\u2113ocalhost:{port}/a.tif",
    ],
)  # fmt: skip
def test_everything_else_is_refused_in_the_same_words_and_asks_nobody(stand: Stand, remote: Remote, url: str) -> None:
    with pytest.raises(SwathError) as caught:
        remote.fetch(url.replace("{port}", stand.host.partition(":")[2]))
    assert caught.value.rule == "files of other machines come by https from hosts named at start"
    assert caught.value.got == "another address"
    assert stand.hits == []


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_not_followed(stand: Stand, remote: Remote, home: Home, code: int) -> None:
    stand.elsewhere = f"http://127.0.0.1:{home.canary.port}/secret.tif"
    with pytest.raises(SwathError, match="another address"):
        remote.fetch(f"http://{stand.host}/to/{code}/elsewhere.tif")
    for target in (
        "file:///etc/hostname",
        f"//127.0.0.1:{home.canary.port}/x",
        "http://169.254.169.254/",
        "",
        "ftp://localhost/",
    ):
        stand.elsewhere = target
        with pytest.raises(SwathError):
            remote.fetch(f"http://{stand.host}/to/{code}/elsewhere.tif")
    assert home.canary.hits == []
    assert list(remote.folder.glob("*")) == []


def test_redirects_end(stand: Stand, remote: Remote) -> None:
    with pytest.raises(SwathError):
        remote.fetch(f"http://{stand.host}/to/302/loop.tif")
    assert len(stand.hits) == 4


@pytest.mark.parametrize("name", ["large", "endless", "slow", "short", "packed", "missing"])
def test_what_is_too_large_too_slow_or_not_whole_is_refused(stand: Stand, remote: Remote, name: str) -> None:
    start = time.monotonic()
    with pytest.raises(SwathError) as caught:
        remote.fetch(f"http://{stand.host}/{name}.tif")
    assert time.monotonic() - start < 30
    assert "\n" not in str(caught.value)
    assert [p.name for p in remote.folder.iterdir()] == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "2130706433"])
def test_names_of_this_machine_are_refused_even_when_allowed(stand: Stand, tmp_path: Path, host: str) -> None:
    port = stand.host.partition(":")[2]
    stand.hits.clear()
    strict = Remote([f"{host}:{port}"], tmp_path)
    for scheme in ("https", "http"):
        with pytest.raises(SwathError, match="another address"):
            strict.fetch(f"{scheme}://{host}:{port}/a.tif")
    assert stand.hits == []


def answers(*rounds: list[str]) -> Any:
    """A name service that says something else every time it is asked."""
    left = list(rounds)

    def lookup(host: str, port: int, **_: Any) -> list[Any]:
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in found]

    return lookup


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["93.184.216.34", "10.0.0.7"],
        ["169.254.169.254"],
        ["::1"],
        ["fd00::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        [],
    ],
    ids=str,
)
def test_a_name_that_stands_for_a_private_address_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers(addresses))
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it connects"))
    with pytest.raises(SwathError, match="another address"):
        Remote(["data.example.org"], tmp_path).fetch("https://data.example.org/a.tif")


def test_a_name_that_changes_its_mind_is_asked_once_and_the_checked_address_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", answers(["93.184.216.34"], ["127.0.0.1"]))

    def connect(self: Any, where: Any) -> None:
        asked.append(where)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    remote = Remote(["data.example.org"], tmp_path)
    with pytest.raises(SwathError, match="no such answer"):
        remote.fetch("https://data.example.org/a.tif")
    assert asked == [("93.184.216.34", 443)]
    with pytest.raises(SwathError, match="another address"):
        remote.fetch("https://data.example.org/a.tif")
    assert asked == [("93.184.216.34", 443)]


@pytest.mark.parametrize(
    ("address", "open_"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1:248:1893:25c8:1946", True), ("127.0.0.1", False), ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.0", False), ("255.255.255.255", False),
        ("224.0.0.1", False), ("::1", False), ("::", False), ("fe80::1%eth0", False), ("fd12::1", False), ("::ffff:10.0.0.1", False),
        ("2002:7f00:1::", False), ("64:ff9b::a00:1", False), ("::7f00:1", False), ("ff02::1", False), ("192.0.2.1", False), ("x", False),
    ],
)  # fmt: skip
def test_public_addresses_are_told_from_all_others(address: str, open_: bool) -> None:
    assert public(address) is open_


@pytest.mark.parametrize("name", ["..%2f..%2fup.tif", "%00a.tif", "a%0ab.tif", ".hidden.tif", "CON.tif"])
def test_names_become_harmless(stand: Stand, remote: Remote, name: str) -> None:
    path = remote.fetch(f"http://{stand.host}/{name}")
    assert path.parent == remote.folder
    assert not path.name.startswith(".")
    assert path.name.isprintable()


@pytest.mark.parametrize("name", ["a.vrt", "a", "a.xml", "a.py", "a.tif/"])
def test_other_kinds_are_not_fetched(stand: Stand, remote: Remote, name: str) -> None:
    with pytest.raises(SwathError, match="known kind"):
        remote.fetch(f"http://{stand.host}/{name}")
    assert stand.hits == []


def test_through_mcp_an_allowed_file_opens_and_others_do_not(stand: Stand, home: Home, tmp_path: Path) -> None:
    pytest.importorskip("mcp")
    import anyio
    from mcp import Client

    from swath.doors.mcp import server
    from swath.doors.roots import Roots

    stand.hits.clear()
    (tmp_path / "root").mkdir()
    roots = Roots([tmp_path / "root"])
    made = server(roots, remote=Remote([stand.host], tmp_path / "root" / "remote", trial=True))

    async def run() -> list[Any]:
        async with Client(made) as client:
            urls = [
                f"http://{stand.host}/a.tif",
                f"http://{stand.host}/vrt.tif",
                f"http://127.0.0.1:{home.canary.port}/secret.tif",
            ]
            return [await client.call_tool("info", {"paths": [url]}) for url in urls]

    good, vrt, other = anyio.run(run)
    assert not good.is_error, good.content[0].text
    assert vrt.is_error
    assert other.is_error
    assert str(tmp_path) not in good.model_dump_json() + vrt.model_dump_json() + other.model_dump_json()
    assert home.canary.hits == []


def test_through_the_page_an_allowed_file_opens_and_others_do_not(stand: Stand, home: Home, page: Any) -> None:
    url = f"http://{stand.host}/page.tif"
    assert page.post("/api/scenes", json={"names": [url]}).status_code == 404
    page.session.more["remote"] = Remote([stand.host], page.session.folder / "uploads", trial=True)
    try:
        opened = page.post("/api/scenes", json={"names": [url]})
        assert opened.status_code == 201, opened.text
        page.request("DELETE", f"/api/scenes/{opened.json()['id']}")
        refused = page.post("/api/scenes", json={"names": [f"http://127.0.0.1:{home.canary.port}/secret.tif"]})
        assert refused.status_code == 400
    finally:
        del page.session.more["remote"]
    assert home.canary.hits == []


@pytest.mark.parametrize(
    "host", ["https://data.example.org", "data.example.org/path", "*", "a b", "", "x:99999", "[::1]", "user@host"]
)
def test_hosts_are_plain_names(host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from swath.doors.cli import run

    with pytest.raises(SwathError, match="allow-remote"):
        Remote([host], tmp_path)
    assert run(["mcp", "--root", str(tmp_path), "--allow-remote", host]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
