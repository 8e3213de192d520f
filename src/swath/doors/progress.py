"""The progress bar of the terminal: what a verb's `progress` callback draws."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["announce", "bar"]


def announce(done: int, total: int, what: str) -> None:
    """Announcements alone, where stderr is no terminal: plain lines."""
    if total == 0:
        print(what, file=sys.stderr, flush=True)


@contextmanager
def bar(*, enabled: bool) -> Iterator[Callable[[int, int, str], None] | None]:
    """A callback (done, total, what) that draws a bar with the time left on stderr; None when not enabled.

    A total of 0 is no work but an announcement (what a run will cost): it is printed and stays.
    """
    if not enabled:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks: dict[str, int] = {}

        def report(done: int, total: int, what: str) -> None:
            if total == 0:
                progress.console.print(what, markup=False, highlight=False)
                return
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)  # type: ignore[arg-type]

        yield report
