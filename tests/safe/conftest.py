"""A root with a scene in it, secrets beside it, a server that counts who asks, and the three doors onto the root."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import builders
import canary as canaries

HOST = "127.0.0.1:8321"


@dataclass
class Said:
    """A door's answer: whether it refused, everything it said, and rule, got, remedy where it told them apart."""

    refused: bool
    words: str
    record: dict[str, Any] | None = None


@dataclass
class Home:
    """root: what the doors open onto; out: the folder of secrets beside it."""

    root: Path
    out: Path
    canary: canaries.Canary

    def name(self, text: str) -> str:
        return (
            text.replace("{out}", str(self.out))
            .replace("{root}", str(self.root))
            .replace("{port}", str(self.canary.port))
        )

    def put(self, payload: Any) -> str:
        """Make the payload's file, once; the name to ask for."""
        first = self.root / payload.name.split("/")[0] if payload.build else None
        if first is not None and not (first.exists() or first.is_symlink()):
            payload.build(first if "/" in payload.name else self.root / payload.name, self.out, self.canary.port)
        return self.name(payload.name)

    def written(self) -> bytes:
        """What has been written into root and workspace, but for the payloads' own files."""
        found = b""
        for folder in (self.root.parent / "work", self.root / "results"):
            for path in folder.rglob("*"):
                if path.is_file() and not path.is_symlink() and path.stat().st_size < 2**22:
                    found += path.read_bytes()
        return found


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    place = tmp_path_factory.mktemp("home")
    (place / "root" / "scenes" / "inner").mkdir(parents=True)
    builders.tif(place / "root" / "scenes" / "a.tif")
    (place / "root" / "labels.csv").write_text("x,y,label\n500105,4999895,a\n500205,4999795,b\n")
    canaries.secrets(place / "outside")
    canary = canaries.Canary()
    yield Home(place / "root", place / "outside", canary)
    canary.close()


Door = Callable[[str, dict[str, Any]], Said]


@pytest.fixture(scope="session")
def mcp(home: Home) -> Door:
    """Calls a verb by the SDK's own client."""
    pytest.importorskip("mcp")
    import anyio
    from mcp import Client

    from swath.doors.mcp import server
    from swath.doors.roots import Roots

    made = server(Roots([home.root]))

    def ask(verb: str, arguments: dict[str, Any]) -> Said:
        async def run() -> Any:
            async with Client(made) as client:
                if verb == "read":
                    return await client.read_resource(arguments["uri"])
                return await client.call_tool(verb, arguments)

        try:
            found = anyio.run(run)
        except Exception as error:  # the client's own refusals, and those of resources
            inner = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
            return Said(True, str(inner))
        refused = bool(getattr(found, "is_error", False))
        return Said(refused, found.model_dump_json(), found.structured_content if refused else None)

    return ask


@pytest.fixture(scope="session")
def page(home: Home) -> Iterator[Any]:
    """A browser with its cookie, on a server over the root."""
    pytest.importorskip("starlette")
    pytest.importorskip("httpx2")
    from starlette.testclient import TestClient

    from swath.doors.web.app import guarded
    from swath.doors.web.security import Keys, allowed_hosts
    from swath.doors.web.session import start

    session = start([home.root], home.root.parent / "work")
    keys = Keys()
    with TestClient(
        guarded(session, keys, allowed_hosts(8321)), base_url=f"http://{HOST}", raise_server_exceptions=False
    ) as client:
        assert client.get(f"/?token={keys.new()}").status_code == 200
        client.headers.update({"Origin": f"http://{HOST}", "X-Swath": "1"})
        client.session, client.keys = session, keys  # type: ignore[attr-defined]
        yield client
    session.events.close()


@pytest.fixture
def command(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[list[str]], Said]:
    """The command line, in the root."""
    from swath.doors.cli import run

    monkeypatch.chdir(home.root)

    def ask(words: list[str]) -> Said:
        capsys.readouterr()
        code = run(words)
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Said(code != 0, said.out + said.err)

    return ask


def answered(response: Any) -> Said:
    """A page's answer in the same form."""
    refused = response.status_code >= 400
    record = None
    if refused:
        try:
            record = json.loads(response.text)
        except ValueError:
            record = {"rule": response.text}
    return Said(refused, response.text, record)
