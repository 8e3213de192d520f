"""The folders that a door may touch: names in, paths inside them out; missing and forbidden look the same."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swath.errors import FormatError, OutputError

__all__ = ["Admitted", "Roots", "put"]

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.\-]*://|^[A-Za-z][A-Za-z0-9_]{2,}:|^/vsi", re.ASCII)
_MOST_NAMES = 500


@dataclass(frozen=True, slots=True)
class Admitted:
    """A path inside a root, with no link in it, and the file that lay there when it was looked at."""

    path: Path
    device: int
    inode: int


class Roots:
    """Folders given at start. Names are relative to the first one, or `FOLDER/...` by the name of any.

    Nothing outside is read or written, whatever links, dots, schemes or driver strings a name is made of; and what was not found is
    told in the same words as what is not allowed.
    """

    def __init__(self, folders: Iterable[str | Path]) -> None:
        found = []
        for folder in folders:
            path = Path(folder).resolve()
            if not path.is_dir():
                raise FormatError(rule="a root is a folder", got=str(folder), remedy="name a folder that exists")
            found.append(path)
        if not found:
            raise FormatError(rule="a door opens onto folders", got="none", remedy="give --root FOLDER")
        self.folders = tuple(dict.fromkeys(found))
        from swath.cube.child import admit_folders

        admit_folders(self.folders)

    def _inside(self, path: Path) -> bool:
        return any(path == root or root in path.parents for root in self.folders)

    def _candidates(self, name: str) -> Iterator[Path]:
        given = Path(name)
        if given.is_absolute():
            yield given
            return
        yield from (root / given for root in self.folders)
        for root in self.folders:
            if given.parts and given.parts[0] == root.name:
                yield root.joinpath(*given.parts[1:])

    def admit(self, name: str) -> Admitted:
        """The file or folder of this name. Raises FormatError, in the same words for missing and forbidden."""
        refused = FormatError(
            rule="scenes and files lie in the folders given at start",
            got="a name that is not there" if len(name) > 200 or not name.isprintable() else repr(name),
            remedy="list them with the tool files",
        )
        if not name or "\0" in name or len(name) > 4096 or _SCHEME.match(name) or name.lstrip().startswith("<"):
            raise refused
        for candidate in self._candidates(name):
            try:
                path = candidate.resolve(strict=True)
                state = path.stat()
            except (OSError, RuntimeError, ValueError):
                continue
            if self._inside(path) and (path.is_file() or path.is_dir()):
                return Admitted(path, state.st_dev, state.st_ino)
        raise refused

    def still(self, admitted: Admitted) -> bool:
        """Whether the same file still lies there and no link has come in between: asked again after a verb has read it."""
        try:
            state = os.lstat(admitted.path)
            same = (state.st_dev, state.st_ino) == (admitted.device, admitted.inode)
            return same and admitted.path.resolve(strict=True) == admitted.path
        except (OSError, RuntimeError):
            return False

    def place(self, name: str) -> Path:
        """Where a result of this name is written: a new name, or a folder that an earlier run of swath has made.

        Raises OutputError: outside of the folders, or something else lies there.
        """
        outside = OutputError(
            rule="results go into the folders given at start", got=repr(name[:200]), remedy="give a plain new name"
        )
        if not name or "\0" in name or len(name) > 1024 or _SCHEME.match(name) or ".." in Path(name).parts:
            raise outside
        path = next(self._candidates(name))
        try:
            real = path.resolve()
        except (OSError, RuntimeError) as error:
            raise outside from error
        if not self._inside(real) or real in self.folders:
            raise outside
        taken = real.is_file() or (real.is_dir() and any(real.iterdir()) and not (real / "run.json").is_file())
        if taken:
            raise OutputError(
                rule="results do not replace what swath has not made",
                got=f"{name!r} is there",
                remedy="give a new name",
            )
        return real

    def name(self, path: str | Path) -> str:
        """What the outside may see of a path: relative to its root, led by the root's name where there are several."""
        given = Path(path)
        for root in self.folders:
            if given == root or root in given.parents:
                inner = given.relative_to(root).as_posix()
                return inner if len(self.folders) == 1 else f"{root.name}/{inner}"
        return given.name

    def hide(self, value: Any) -> Any:
        """Plain values with every absolute path in their texts replaced by its name."""
        if isinstance(value, dict):
            return {str(k): self.hide(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.hide(v) for v in value]
        if isinstance(value, str):
            return re.sub(r"(?<![\w.])/(?!\{[xyz]\})(?:[^\s:;,'\"()\[\]<>]+)", lambda m: self._named(m.group(0)), value)
        return value

    def _named(self, text: str) -> str:
        path = Path(text)
        return self.name(path) if self._inside(path) or len(path.parts) > 2 else text

    def listing(self) -> list[str]:
        """Names of files, and of folders that are scenes, in the order of names; the first 500."""
        found: list[str] = []
        for root in self.folders:
            for folder, folders, files in os.walk(root):
                folders[:] = sorted(f for f in folders if not f.startswith("."))
                for one in sorted([f for f in folders if f.endswith((".zarr", ".SAFE"))] + files):
                    if not one.startswith("."):
                        found.append(self.name(Path(folder) / one))
                folders[:] = [f for f in folders if not f.endswith((".zarr", ".SAFE"))]
                if len(found) >= _MOST_NAMES:
                    return found[:_MOST_NAMES]
        return found


def put(aside: Path, folder: Path, name: str) -> Path:
    """Give a file that was written aside its name, or the name with a number where another has it. Raises OutputError.

    What is there is never replaced, whoever else writes into the folder.
    """
    stem, dot, suffix = name.partition(".")
    for k in range(1, 1000):
        path = folder / (name if k == 1 else f"{stem}-{k}{dot}{suffix}")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # the name is ours from here on
        except FileExistsError:
            continue
        os.replace(aside, path)
        return path
    raise OutputError(rule="files have names of their own", got="a thousand of one name", remedy="rename the file")
