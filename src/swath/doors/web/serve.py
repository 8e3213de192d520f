"""`swath explore`: the page on this machine, with its one-time link."""

from __future__ import annotations

import argparse
import contextlib
import errno
import ipaddress
import json
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from swath.errors import SwathError, need

__all__ = ["serve"]

PORT = 8321
PATIENCE = 2.0
"""Seconds that the link waits for the scenes: what cannot be opened at all is mostly found by then, and ends the run."""
EXAMPLES = """examples:
  swath explore                             the scene of last time, or the demo scene
  swath explore scene.tif                   one scene; files beside it can be opened from the page
  swath explore S2_2021/*.tif --out river   all dates of one scene; labels and maps go into river/
  swath explore --root scenes/ --port 9000 --no-browser
"""


def serve(words: Sequence[str]) -> int:
    """`swath explore [SCENE...]`; gives the exit code."""
    try:
        asked = _parser().parse_args(list(words))
    except SystemExit as ended:
        return 0 if not ended.code else 2
    import warnings

    # Pictures without georeference are said in the notes; the library's warning would come once a file and thread.
    warnings.filterwarnings("ignore", message="Dataset has no geotransform")
    try:
        need("starlette", extra="web", why="the explorer")
        need("uvicorn", extra="web", why="the explorer")
        return _run(asked)
    except SwathError as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        return 130


def _refuse(text: str) -> int:
    print("swath explore: " + " ".join(text.split()), file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="swath explore",
        description="Look at scenes, draw labels, map, judge, find, compare and ask: one page in the browser, on this machine.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "scenes", nargs="*", metavar="SCENE", help="files and folders; dates and sensors of one place are one scene"
    )
    parser.add_argument("--port", type=int, metavar="N", help=f"default {PORT}, or a free one; 0 finds a free one")
    parser.add_argument("--no-browser", action="store_true", help="print the link only")
    parser.add_argument(
        "--root",
        action="append",
        default=[],
        metavar="DIR",
        help="a folder whose scenes can be opened from the page (default: those of the scenes named, or this one)",
    )
    parser.add_argument(
        "--out",
        default="swath-explore",
        metavar="FOLDER",
        help="workspace: labels, maps, uploads (default %(default)s)",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="H", help="another address to listen on; see the warning"
    )
    parser.add_argument(
        "--allow-remote", action="append", default=[], metavar="HOST", help="a server that scenes may be read from"
    )
    return parser


def _run(asked: argparse.Namespace) -> int:
    if asked.port is not None and not 0 <= asked.port <= 65535:
        return _refuse(f"a port is a number from 0 to 65535; got {asked.port}; choose another")
    workspace = Path(asked.out)
    listening, words = _bind(asked.host, asked.port, workspace)
    if listening is None:
        return _refuse(words)
    with listening:
        from swath.doors.web.session import start

        session = start(_roots(asked, workspace), workspace)
        held = _alone(session.folder)
        if held is None:
            return _refuse(
                f"a workspace serves one explorer at a time; got {asked.out}, which another one uses; press Enter in its terminal "
                "for another link, or name another --out"
            )
        if asked.allow_remote:
            from swath.doors.remote import Remote

            session.more["remote"] = Remote(asked.allow_remote, session.folder / "uploads")
        with held, _log(session.folder / "cache" / "explore.log"):
            opening = _Opening(session, asked.scenes)
            opening.start()
            opening.join(PATIENCE)
            if opening.problem is not None and not opening.is_alive():
                raise opening.problem
            return _serve(session, listening, asked)


class _Opening(threading.Thread):
    """Opens the scenes; what takes longer than the link may wait goes on behind it, and the page waits for it."""

    def __init__(self, session: Any, scenes: Sequence[str]) -> None:
        super().__init__(daemon=True)
        self.session, self.scenes = session, scenes
        self.problem: Exception | None = None
        session.more["opening"] = threading.Event()

    def run(self) -> None:
        try:
            _open(self.session, self.scenes)
        except Exception as error:  # told by who waits, or in the page and here when nobody does any more
            self.problem = error
            _not_opened(self.session, error)
        finally:
            self.session.more["opening"].set()
            self.session.events.send("scenes", {"state": "opened"})  # to pages that waited no longer


def _not_opened(session: Any, error: Exception) -> None:
    """Say of a scene of the command line that it does not open: in the page, and here when the link has been printed."""
    from swath.doors.web.answers import error_record

    if not isinstance(error, SwathError):
        import logging

        logging.getLogger("swath.cube").warning("a scene of the command line does not open", exc_info=error)
        error = SwathError(
            rule="what is named on the command line can be opened", got=type(error).__name__, remedy="try another file"
        )
    session.more.setdefault("refused", []).append(error_record(error))
    if session.more.get("serving"):
        _refuse(str(error))


def _roots(asked: argparse.Namespace, workspace: Path) -> list[Path]:
    """The folders named, and those in which the scenes lie; without any, the one that swath was started in."""
    from swath.doors.web.remembered import remembered

    scenes = [Path(s) for s in asked.scenes]
    for path in scenes:
        if not (path.exists() or Path(str(path).partition("#")[0]).is_file()):  # FILE#DATASET names one of its datasets
            raise SwathError(
                rule="a scene is a file or folder that is there", got=str(path), remedy="check the spelling"
            )
    if not scenes:
        scenes = [p for paths, _, trusted, _ in remembered(workspace.resolve()) if trusted for p in paths]
    here = Path.cwd()
    found = [*(Path(r) for r in asked.root), *dict.fromkeys(p.resolve().parent for p in scenes)]
    return found or ([here] if here not in (Path.home(), Path(here.anchor)) else [])


def _alone(folder: Path) -> Any:
    """An open file whose lock this run holds until it ends; None where another run has it."""
    held = open(folder / "cache" / "lock", "w")  # noqa: SIM115 - it stays open as long as the process lives
    try:
        import fcntl
    except ImportError:  # not on Windows
        return held
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.close()
        return None
    return held


@contextlib.contextmanager
def _log(path: Path) -> Iterator[None]:
    """Warnings and faults go into a file of the workspace; of a fault the terminal has one line that names it."""
    import logging
    from logging.handlers import RotatingFileHandler

    class Line(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else record.levelname.lower()
            print(f"swath explore: {kind}; the rest is in {path}", file=sys.stderr, flush=True)

    file = RotatingFileHandler(path, maxBytes=2**20, backupCount=1, encoding="utf-8", delay=True)
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    file.setLevel(logging.WARNING)
    line = Line(logging.ERROR)
    root, own = logging.getLogger(), logging.getLogger("swath.doors")
    root.addHandler(file)
    own.addHandler(line)
    try:
        yield
    finally:
        root.removeHandler(file)
        own.removeHandler(line)
        file.close()


def _open(session: Any, scenes: Sequence[str]) -> None:
    """Open what was named; else what was open last time in this workspace; else the demo scene.

    One of several that does not open is told of, and the others open. Raises SwathError where none does.
    """
    from swath.doors.web.answers import Clash
    from swath.doors.web.apart import apart
    from swath.doors.web.demos import open_demo
    from swath.errors import ExtraError

    if scenes:
        problems: list[Exception] = []
        groups = apart([Path(s).resolve() for s in scenes])
        for files in groups:
            try:
                session.scenes.open(files, trusted=True)
            except Clash:  # what the file leaves open is asked in the page, which shows both readings
                session.more.setdefault("asking", []).append(files)
            except Exception as error:
                problems.append(error)
        if len(problems) == len(groups):
            raise problems[0]
        for problem in problems:
            _not_opened(session, problem)
        return
    if session.scenes.restore():
        return
    try:
        open_demo(session, "pines")
    except ExtraError:  # the package that carries it is not there
        open_demo(session, "sentinel")


def _bind(host: str, port: int | None, workspace: Path) -> tuple[socket.socket | None, str]:
    """A listening socket; without a port asked for, that of last time if it is free, so that an open page finds it again."""
    wanted = [port] if port is not None else [_last_port(workspace), PORT, 0]
    why = ""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for one in dict.fromkeys(w for w in wanted if w is not None):
        # The protocol is named, so that asyncio sends answers at once (without it, 40 ms late on loopback).
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, one))
            listening.listen(128)
            return listening, ""
        except OSError as error:
            listening.close()
            taken = error.errno in (errno.EADDRINUSE, errno.EACCES)
            if not taken:
                return (
                    None,
                    f"an address of this machine is listened on; got {host} ({error.strerror}); leave --host out",
                )
            why = f"a port is free; got {one} ({error.strerror}); choose another with --port, or 0 for a free one"
    return None, why


def _last_port(workspace: Path) -> int | None:
    try:
        found = json.loads((workspace / "cache" / "port.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 < found < 65536 else None


def loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _serve(session: Any, listening: socket.socket, asked: argparse.Namespace) -> int:
    import uvicorn

    from swath.doors.web.app import guarded
    from swath.doors.web.security import Keys, allowed_hosts
    from swath.tools.job import write_text

    port = int(listening.getsockname()[1])
    write_text(session.folder / "cache" / "port.json", json.dumps(port))
    keys = Keys(session.folder / "cache" / "keys.json")
    app = guarded(session, keys, allowed_hosts(port, _names(asked.host)), name=f"swath-{port}")
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="error",
        lifespan="off",
        server_header=False,
        access_log=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=30,
        proxy_headers=False,
    )

    class Server(uvicorn.Server):  # type: ignore[misc]
        def handle_exit(self, sig: int, frame: Any) -> None:
            session.events.close()  # open streams would hold the door
            super().handle_exit(sig, frame)

    def link() -> str:
        shown = "127.0.0.1" if asked.host in ("0.0.0.0", "::") else asked.host  # noqa: S104
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/?token={keys.new()}"

    session.more["serving"] = True
    first = link()
    print(first, flush=True)
    if not loopback(asked.host):
        _warn(port)
    if not asked.no_browser:
        threading.Thread(target=_browse, args=(first,), daemon=True).start()
    if sys.stdin is not None and sys.stdin.isatty():
        print("Press Enter for another link, Ctrl-C to end.", file=sys.stderr, flush=True)
        threading.Thread(target=_more_links, args=(link,), daemon=True).start()
    warm = threading.Timer(3.0, _warm, args=(session,))
    warm.daemon = True
    warm.start()
    server = Server(config)
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        return 130
    finally:
        for job in session.jobs.all():
            job.cancel()
    return 0


def _names(host: str) -> list[str]:
    """Host headers beside the loopback's: the address listened on, or this machine's name and addresses for all of them."""
    if host not in ("0.0.0.0", "::"):  # noqa: S104
        return [host]
    own = socket.gethostname()
    try:
        addresses = {str(found[4][0]) for found in socket.getaddrinfo(own, None)}
    except OSError:
        addresses = set()
    return [own, *sorted(addresses)]


def _warn(port: int) -> None:
    """Off loopback: what it means, and the line that makes it safe."""
    print(
        "swath explore: others on the network can reach this address, and the page travels unencrypted. Safer: leave --host out, "
        f"and on your own computer type: ssh -N -L {port}:127.0.0.1:{port} {socket.gethostname()}",
        file=sys.stderr,
        flush=True,
    )


def _warm(session: Any) -> None:
    """Start the process that reads what the page names, before it names anything: its first start takes a second."""
    from swath.cube.child import read_safely

    for scene in session.scenes.all()[:1]:
        with contextlib.suppress(SwathError):
            read_safely(str(scene.paths[0]))


def _browse(link: str) -> None:
    import webbrowser

    webbrowser.open(link)


def _more_links(link: Any) -> None:
    """Enter in the terminal prints another one-time link."""
    for _ in sys.stdin:
        print(link(), flush=True)
