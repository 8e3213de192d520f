"""swath: maps with their doubt and numbers with their interval, from any Earth observation scene and a few labels.

Every verb is `swath.<verb>`; `swath.open` opens scenes; the nouns are here too. Nothing heavy loads until used.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_NOUNS = {
    "open": "swath.cube.open:open",
    "Band": "swath.earth.sensor:Band",
    "Sensor": "swath.earth.sensor:Sensor",
    "Pixels": "swath.batch:Pixels",
    "Batch": "swath.batch:Batch",
    "Tokens": "swath.batch:Tokens",
    "Encoder": "swath.batch:Encoder",
    "Estimate": "swath.estimate:Estimate",
    "SwathError": "swath.errors:SwathError",
}

if TYPE_CHECKING:
    from swath.batch import Batch, Encoder, Pixels, Tokens
    from swath.earth.sensor import Band, Sensor
    from swath.errors import SwathError
    from swath.estimate import Estimate

__all__ = ["Band", "Batch", "Encoder", "Estimate", "Pixels", "Sensor", "SwathError", "Tokens", "__version__"]


def __getattr__(name: str) -> Any:
    """Load a verb or noun when it is first used."""
    from importlib import import_module

    from swath.tools import VERBS

    target = _NOUNS.get(name) or VERBS.get(name)
    if target is None:
        raise AttributeError(f"swath has no {name!r}; verbs: {', '.join(VERBS)}; nouns: {', '.join(_NOUNS)}")
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    """Verbs, nouns and the version."""
    from swath.tools import VERBS

    return sorted([*__all__, *_NOUNS, *VERBS])


class _Room(ModuleType):
    """A room that shares its name with a verb (sample, assess, train, bench): calling it calls the verb."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        return __getattr__(self.__name__.rpartition(".")[2])(*args, **options)


class _Package(ModuleType):
    """This package: a room that the import system hangs under a verb's name stays callable as that verb."""

    def __setattr__(self, name: str, value: Any) -> None:
        if type(value) is ModuleType and name != "tools":
            from swath.tools import VERBS

            if name in VERBS:
                value.__class__ = _Room
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
