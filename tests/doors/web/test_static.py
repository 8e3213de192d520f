"""The page's own files: what they refer to exists, nothing inline, small enough to read and to send."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import swath

STATIC = Path(swath.__file__).parent / "doors" / "web" / "static"
OURS = sorted(STATIC.glob("*.js"))
SHEETS = sorted((STATIC / "css").glob("*.css"))
PAGE = (STATIC / "index.html").read_text(encoding="utf-8")


def test_everything_the_page_asks_for_is_there() -> None:
    asked = re.findall(r'(?:href|src)="static/\{version\}/([^"]+)"', PAGE)
    assert asked
    assert [name for name in asked if not (STATIC / name).is_file()] == []


def test_the_page_has_no_inline_script_style_or_handler() -> None:
    assert re.findall(r"<style|\sstyle=|\son\w+=", PAGE) == []
    assert re.findall(r"<script(?![^>]*\ssrc=)", PAGE) == []


def test_no_request_leaves_the_machine() -> None:
    for path in [*OURS, *SHEETS, STATIC / "index.html"]:
        found = re.findall(r"https?://[^\s\"'`]+", path.read_text(encoding="utf-8"))
        assert [link for link in found if link != "http://www.w3.org/2000/svg"] == [], path.name


@pytest.mark.parametrize("path", OURS, ids=lambda p: p.name)
def test_imports_of_a_module_exist_and_name_what_is_exported(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for names, source in re.findall(r"import\s+(?:\{([^}]*)\}|\*\s+as\s+\w+)\s+from\s+\"\./([^\"]+)\"", text):
        target = STATIC / source
        assert target.is_file(), f"{path.name} imports {source}"
        given = target.read_text(encoding="utf-8")
        for name in (part.split(" as ")[0].strip() for part in names.split(",") if part.strip()):
            assert re.search(rf"export\s+(?:async\s+)?(?:function\*?|const|let|class)\s+{re.escape(name)}\b", given), (
                f"{source}: {name}"
            )


@pytest.mark.parametrize("path", OURS, ids=lambda p: p.name)
def test_modules_are_short_and_write_no_html(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") < (800 if path.name == "words.js" else 400)  # the texts stand in one place
    assert not re.search(
        r"\.(?:innerHTML|outerHTML)\b|insertAdjacentHTML|document\.write|\beval\(|new Function\b", text
    )


def test_every_icon_is_in_the_sprite() -> None:
    sprite = set(re.findall(r'<symbol id="([^"]+)"', PAGE))
    used = set(re.findall(r'href="#([\w-]+)"', PAGE)) - {"map"}
    for path in OURS:
        used |= set(re.findall(r'\b(?:icon|iconButton)\(\s*"([\w-]+)"', path.read_text(encoding="utf-8")))
    assert used - sprite == set()


def test_ids_of_the_page_are_unique() -> None:
    ids = re.findall(r'\sid="([^"]+)"', PAGE)
    assert len(ids) == len(set(ids))


def test_our_files_are_small() -> None:
    whole = sum(len(gzip.compress(path.read_bytes())) for path in [*OURS, *SHEETS, STATIC / "index.html"])
    assert whole < 170_000


def test_licences_stand_beside_what_is_bundled() -> None:
    vendor = STATIC / "vendor"
    assert "Copyright (c) 2023, MapLibre contributors" in (vendor / "maplibre-gl.LICENSE.txt").read_text(
        encoding="utf-8"
    )
    assert "SIL OPEN FONT LICENSE" in (vendor / "inter.LICENSE.txt").read_text(encoding="utf-8").upper()
    assert sum(path.stat().st_size for path in vendor.iterdir()) < 2_000_000


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_modules_parse() -> None:
    for path in OURS:
        command = ["node", "--check", "--input-type=module"]
        done = subprocess.run(command, input=path.read_bytes(), capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()


def test_the_sheets_of_parts_style_no_class_of_another_part() -> None:
    owners: dict[str, set[str]] = {}
    for path in SHEETS:
        text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for selector in ",".join(re.findall(r"([^{}]+)\{", text)).split(","):
            if found := re.fullmatch(r"\s*\.([\w-]+)(?:[:\[.].*)?", selector, flags=re.DOTALL):
                owners.setdefault(found[1], set()).add(path.stem)
    assert "answer" not in owners, "so common a word is styled within its part only"
    late = {name for name, sheets in owners.items() if sheets & {"export", "find"} and len(sheets) > 1}
    assert not late
