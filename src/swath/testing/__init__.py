"""Rules that every part of a kind keeps, ours and yours: run them over your own encoder, sensor, data set, transform.

Each module holds small rules that return "" or what is broken, and `check_...` that raises one error naming all.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "check_codec",
    "check_collection",
    "check_cube",
    "check_dataset",
    "check_encoder",
    "check_objective",
    "check_recipe",
    "check_sensor",
    "check_source",
    "check_transform",
]

_WHERE = {
    "check_codec": "codec",
    "check_collection": "collection",
    "check_cube": "cube",
    "check_dataset": "dataset",
    "check_encoder": "encoder",
    "check_objective": "objective",
    "check_recipe": "recipe",
    "check_sensor": "sensor",
    "check_source": "source",
    "check_transform": "transform",
}


def __getattr__(name: str) -> Any:
    """Import a check when it is first used."""
    from importlib import import_module

    if name not in _WHERE:
        raise AttributeError(f"swath.testing has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"swath.testing.{_WHERE[name]}"), name)
