"""Errors in one form: the rule that was broken, what was got, and what to do about it, on one line."""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = [
    "BandError",
    "Cancelled",
    "DesignError",
    "ExtraError",
    "FormatError",
    "GridError",
    "LabelError",
    "OutputError",
    "SwathError",
    "UnitError",
    "need",
]


class SwathError(Exception):
    """Something swath refuses to do: `rule` that holds, what was `got`, the `remedy` to try.

    Its text is always one line. A verb that ends in one exits with code 2.
    """

    def __init__(self, *, rule: str, got: str, remedy: str) -> None:
        self.rule, self.got, self.remedy = (" ".join(str(part).split()) for part in (rule, got, remedy))
        super().__init__(f"{self.rule}; got {self.got}; {self.remedy}")

    def __str__(self) -> str:
        return f"{self.rule}; got {self.got}; {self.remedy}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.rule, self.got, self.remedy)


def _rebuild(kind: type[SwathError], rule: str, got: str, remedy: str) -> SwathError:
    """Make the error again after pickling (worker processes and Dask send errors home)."""
    return kind(rule=rule, got=got, remedy=remedy)


class UnitError(SwathError, ValueError):
    """The quantity, unit, scale or offset of some numbers is unknown or impossible."""


class BandError(SwathError, KeyError):
    """A band is missing, doubled, swapped or unknown."""


class GridError(SwathError, ValueError):
    """Grids, coordinate reference systems or extents do not fit one another."""


class LabelError(SwathError, ValueError):
    """Labels cannot be used as they are."""


class FormatError(SwathError, OSError):
    """A file cannot be read, is damaged, or is none of the known formats."""


class OutputError(SwathError, OSError):
    """A result cannot be written where it was asked for."""


class DesignError(SwathError, ValueError):
    """A sample cannot support the estimate that was asked for."""


class ExtraError(SwathError, ImportError):
    """An optional part is not installed."""


class Cancelled(Exception):  # noqa: N818 - the field's word; it is no fault
    """The person or program that asked for the work called it off (exit code 130)."""


def need(module: str, *, extra: str, why: str) -> ModuleType:
    """Import an optional `module`, or say which `extra` to install and `why` it is wanted.

    Raises ExtraError when the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ExtraError(
            rule=f"{why} needs the package {module.split('.')[0]}",
            got=f"not installed ({error})",
            remedy=f"pip install 'swath[{extra}]'",
        ) from error
