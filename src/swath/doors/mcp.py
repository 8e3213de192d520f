"""The door for assistants: swath's verbs over the Model Context Protocol, by stdio or local HTTP.

Nothing is written a second time here: schemas come from the verbs' signatures, paths are confined to the roots given at start, results are
their `to_json` with links to the files that they wrote.
"""

from __future__ import annotations

import base64
import json
import mimetypes
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from swath.doors.admit import READING, Call, admit, offered, schema
from swath.doors.jobs import Job, Jobs
from swath.doors.remote import Remote
from swath.doors.roots import Roots
from swath.errors import FormatError, SwathError, need
from swath.tools import SUMMARIES

__all__ = ["serve", "server"]

LARGEST = 8 * 2**20
"""Bytes of a file that is handed over whole; larger ones stay where they are, by name."""
PICTURE = 2**20
SCHEME = "swath:///"
INSTRUCTIONS = (
    "swath turns Earth observation files into answers that can be checked. Call `files` for what is there, `info` before anything else "
    "on a scene, and say the interval with every number. Results lie in folders of the roots; run.json repeats them."
)


def server(roots: Roots, jobs: Jobs | None = None, remote: Remote | None = None) -> Any:
    """The server over these roots; run it by stdio or HTTP. Raises ExtraError without the extra `mcp`.

    remote: the hosts that files may be fetched from; none without it.
    """
    need("mcp", extra="mcp", why="a server for assistants")
    import anyio
    from mcp import types
    from mcp.server.lowlevel import Server

    from swath import __version__

    work = jobs or Jobs()

    async def list_tools(ctx: Any, params: Any) -> Any:
        return types.ListToolsResult(tools=[_files_tool(types), *(_tool(types, verb) for verb in offered())])

    async def call_tool(ctx: Any, params: Any) -> Any:
        given = dict(params.arguments or {})
        try:
            if params.name == "files":
                return _said(types, {"files": roots.listing()}, "\n".join(roots.listing()) or "no files")
            call = await anyio.to_thread.run_sync(admit, params.name, given, roots, remote)
            job = await _carry_out(ctx, call, work, roots)
            return _answer(types, call, job, roots)
        except SwathError as error:
            return types.CallToolResult(
                content=[types.TextContent(type="text", text=roots.hide(str(error)))],
                structured_content={
                    "rule": roots.hide(error.rule),
                    "got": roots.hide(error.got),
                    "remedy": roots.hide(error.remedy),
                },
                is_error=True,
            )

    async def list_resources(ctx: Any, params: Any) -> Any:
        return types.ListResourcesResult(resources=[_resource(types, name) for name in roots.listing()])

    async def read_resource(ctx: Any, params: Any) -> Any:
        uri = str(params.uri)
        try:
            found = roots.admit(unquote(uri.removeprefix(SCHEME)) if uri.startswith(SCHEME) else "")
            if not found.path.is_file() or found.path.stat().st_size > LARGEST:
                raise FormatError(
                    rule=f"files up to {LARGEST >> 20} MB are handed over", got=uri[:200], remedy="read it in place"
                )
            data = found.path.read_bytes()
            if not roots.still(found):
                roots.admit("")
        except SwathError as error:
            from mcp.shared.exceptions import MCPError

            raise MCPError(code=-32002, message=roots.hide(str(error))) from error
        kind = _kind(found.path.name)
        text = kind.startswith("text/") or kind in ("application/json", "application/geo+json")
        content = (
            types.TextResourceContents(uri=uri, mime_type=kind, text=data.decode("utf-8", "replace"))
            if text
            else types.BlobResourceContents(uri=uri, mime_type=kind, blob=base64.b64encode(data).decode("ascii"))
        )
        return types.ReadResourceResult(contents=[content])

    return Server(
        "swath",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_read_resource=read_resource,
    )


async def _carry_out(ctx: Any, call: Call, work: Jobs, roots: Roots) -> Job:
    """Run a call in a thread, its progress told as it comes; a cancelled request cancels the work."""
    import anyio

    send, receive = anyio.create_memory_object_stream[tuple[int, int, str]](64)
    token = anyio.lowlevel.current_token()
    steps = 0

    def tell(job: Job) -> None:
        if job.state in ("waiting", "running"):
            try:
                anyio.from_thread.run_sync(send.send_nowait, job.progress, token=token)
            except (anyio.WouldBlock, anyio.ClosedResourceError, anyio.BrokenResourceError, RuntimeError):
                return  # progress is news, not data: what nobody waits for is dropped
        else:
            anyio.from_thread.run_sync(send.close, token=token)  # ends the loop below

    job = work.start(call.verb, call.function, call.arguments, tell)
    try:
        async for done, total, what in receive:
            steps += 1  # what is to come is not known beforehand: steps only grow, the words say how far
            words = f"{roots.hide(what)} {done} of {total}" if total else roots.hide(what)
            await ctx.session.report_progress(steps, None, words)
    finally:
        job.cancel()
        receive.close()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(job.over.wait, 30.0)
    return job


def _answer(types: Any, call: Call, job: Job, roots: Roots) -> Any:
    unchanged = call.unchanged(roots)
    if job.error is not None and unchanged:
        raise job.error
    if job.state != "done" and unchanged:
        raise SwathError(rule="a call runs to its end", got=job.state, remedy="call again: finished windows are kept")
    if not unchanged:
        roots.admit("")  # what was read is not what was admitted: nothing of it is told
    results = job.result if isinstance(job.result, (list, tuple)) else [job.result]
    records = [roots.hide(r.to_json()) for r in results]
    text = roots.hide("\n\n".join(str(r) for r in results))
    record = records[0] if len(records) == 1 and isinstance(records[0], dict) else {"results": records}
    content = [types.TextContent(type="text", text=text)]
    for path in _written(call):
        name = roots.name(path)
        if path.suffix == ".png" and path.stat().st_size <= PICTURE:
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            content.append(types.ImageContent(type="image", data=data, mime_type="image/png"))
        content.append(
            types.ResourceLink(type="resource_link", name=name, uri=SCHEME + quote(name), mime_type=_kind(name))
        )
    return types.CallToolResult(content=content, structured_content=record)


def _written(call: Call) -> list[Path]:
    if call.out is None:
        return []
    if call.out.is_file():
        return [call.out]
    return (
        sorted(p for p in call.out.glob("*") if p.is_file() and not p.name.startswith("."))[:64]
        if call.out.is_dir()
        else []
    )


def _said(types: Any, record: dict[str, Any], text: str) -> Any:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], structured_content=record)


def _tool(types: Any, verb: str) -> Any:
    reading = verb in READING
    return types.Tool(
        name=verb,
        description=SUMMARIES[verb],
        input_schema=schema(verb),
        annotations=types.ToolAnnotations(
            read_only_hint=reading, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )


def _files_tool(types: Any) -> Any:
    return types.Tool(
        name="files",
        description="Names of the files in the folders that this server may read.",
        input_schema={"type": "object", "properties": {}, "additionalProperties": False},
        annotations=types.ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False),
    )


def _resource(types: Any, name: str) -> Any:
    return types.Resource(name=name, uri=SCHEME + quote(name), mime_type=_kind(name))


def _kind(name: str) -> str:
    known = {".gpkg": "application/geopackage+sqlite3", ".geojson": "application/geo+json", ".qml": "text/xml"}
    return known.get(Path(name).suffix, mimetypes.guess_type(name)[0] or "application/octet-stream")


def serve(words: Sequence[str]) -> int:
    """`swath mcp --root DIR... [--http PORT]`; gives the exit code."""
    import argparse

    parser = argparse.ArgumentParser(
        prog="swath mcp", description="Serve the verbs to assistants over the Model Context Protocol."
    )
    parser.add_argument(
        "--root", action="append", metavar="DIR", help="a folder that may be read and written; again for more"
    )
    parser.add_argument(
        "--http", type=int, metavar="PORT", help="streamable HTTP on 127.0.0.1 instead of stdio; 0 finds a free port"
    )
    parser.add_argument(
        "--allow-remote",
        action="append",
        default=[],
        metavar="HOST",
        help="a server that files may be fetched from, by https; again for more (default: none)",
    )
    parser.epilog = "Examples: swath mcp --root scenes/ · swath mcp --root scenes/ --root results/ --http 8765"
    try:
        asked = parser.parse_args(list(words))
    except SystemExit as ended:
        return 0 if not ended.code else 2
    try:
        roots = Roots(asked.root or [])
        hosts = asked.allow_remote
        made = server(roots, remote=Remote(hosts, roots.folders[0] / "remote") if hosts else None)
    except SwathError as error:
        print(f"swath mcp: {error}", file=sys.stderr)
        return 2
    try:
        return _by_stdio(made) if asked.http is None else _by_http(made, asked.http)
    except KeyboardInterrupt:
        return 130


def _by_stdio(made: Any) -> int:
    import anyio
    from mcp.server.stdio import stdio_server

    async def run() -> None:
        async with stdio_server() as (read, write):
            await made.run(read, write, made.create_initialization_options())

    anyio.run(run)
    return 0


def _by_http(made: Any, port: int) -> int:
    """On loopback only, with a token that every request carries, and the Host and Origin headers checked against rebinding."""
    import secrets
    import socket

    import uvicorn
    from mcp.server.transport_security import TransportSecuritySettings

    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        print(f"swath mcp: a port is free; got {port} ({error.strerror}); choose another, or 0", file=sys.stderr)
        return 2
    own = listening.getsockname()[1]
    hosts = [f"127.0.0.1:{own}", f"localhost:{own}"]
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=True, allowed_hosts=hosts, allowed_origins=[f"http://{h}" for h in hosts]
    )
    token = secrets.token_urlsafe(24)
    app = guarded(made.streamable_http_app(transport_security=security), token)
    print(json.dumps({"url": f"http://{hosts[0]}/mcp", "authorization": f"Bearer {token}"}), flush=True)
    config = uvicorn.Config(app, log_level="error", lifespan="on", server_header=False)
    uvicorn.Server(config).run(sockets=[listening])
    return 0


def guarded(app: Any, token: str) -> Any:
    """The app behind a bearer token: without it nothing answers."""
    import hmac

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            given = next((v for k, v in scope["headers"] if k == b"authorization"), b"")
            if not hmac.compare_digest(given, f"Bearer {token}".encode()):
                await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
                await send({"type": "http.response.body", "body": b""})
                return
        await app(scope, receive, send)

    return behind
