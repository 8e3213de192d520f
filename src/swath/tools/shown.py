"""How a verb's result shows itself in a notebook: as it does on a terminal."""

from __future__ import annotations

__all__ = ["Shown"]


class Shown:
    """A result whose text is also its HTML."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(str(self))}</pre>"
