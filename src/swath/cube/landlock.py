"""What the kernel lets this process read, narrowed for good: Linux's Landlock, where there is one.

Source: Linux kernel documentation, "Landlock: unprivileged access control" (system calls 444 to 446, the access rights and
the versions that brought them).
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable

__all__ = ["narrow"]

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_PATH_BENEATH = 1
_NO_NEW_PRIVILEGES = 38
_EXECUTE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 2, 1 << 3
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}  # by version: all rights on files
_NETWORK_VERSION = 4
_NETWORK = (1 << 0) | (1 << 1)  # bind and connect by TCP


def narrow(readable: Iterable[str]) -> bool:
    """From now on this process reads only below these folders, writes nothing, and connects nowhere by TCP.

    Gives False, with nothing narrowed, where the kernel has no Landlock (other systems, older kernels).
    """
    if not sys.platform.startswith("linux"):
        return False
    call = ctypes.CDLL(None, use_errno=True).syscall
    version = call(_CREATE, None, 0, 1)
    if version < 1:
        return False
    files = max(rights for since, rights in _RIGHTS.items() if since <= version)
    rules = struct.pack("QQ", files, _NETWORK) if version >= _NETWORK_VERSION else struct.pack("Q", files)
    ruleset = call(_CREATE, rules, len(rules), 0)
    if ruleset < 0:
        return False
    try:
        for folder in dict.fromkeys(readable):
            _allow(call, ruleset, folder)
        libc = ctypes.CDLL(None, use_errno=True)
        return bool(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0 and call(_RESTRICT, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow(call: ctypes._NamedFuncPointer, ruleset: int, place: str) -> None:
    """Let files below a folder (or one file) be read; what is not there needs no rule."""
    try:
        handle = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rights = _EXECUTE | _READ_FILE | (_READ_FOLDER if os.path.isdir(place) else 0)
        rule = struct.pack("=Qi", rights, handle)
        call(_ADD, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(handle)
