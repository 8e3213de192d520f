"""News for open pages: in order, taken up again by id, honest about what is lost, ended when the server ends."""

from __future__ import annotations

import asyncio
import threading

from swath.doors.web.events import Events


def read(events, last=None, *, seconds=0.3, pause=15.0, act=None):
    """What a stream says within some time; `act` is carried out in another thread meanwhile."""

    async def listen():
        said = []

        async def take():
            async for text in events.stream(last, pause):
                said.append(text)

        task = asyncio.ensure_future(take())
        await asyncio.sleep(0.05)
        if act is not None:
            thread = threading.Thread(target=act)
            thread.start()
        await asyncio.wait([task], timeout=seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if act is not None:
            thread.join()
        return said

    return asyncio.run(listen())


def kinds(said):
    return [line.removeprefix("event: ") for text in said for line in text.splitlines() if line.startswith("event: ")]


def ids(said):
    return [line.removeprefix("id: ") for text in said for line in text.splitlines() if line.startswith("id: ")]


def test_a_page_hears_what_happens_from_any_thread():
    events = Events()
    events.send("job", {"id": 1})
    said = read(events, act=lambda: [events.send("labels", {"revision": n}) for n in range(20)])
    assert kinds(said) == ["hello", *["labels"] * 20]
    assert '{"revision":19}' in said[-1]
    assert len(set(ids(said))) == 21


def test_a_page_that_was_away_gets_what_it_missed():
    events = Events()
    for n in range(5):
        events.send("job", {"id": n})
    said = read(events, f"{events.run}-2")
    assert kinds(said) == ["hello", "job", "job", "job"]
    assert ids(said)[1:] == [f"{events.run}-{n}" for n in (3, 4, 5)]


def test_a_break_at_once_loses_nothing():
    events = Events()
    hello = read(events, seconds=0.1)
    last = ids(hello)[-1]
    events.send("maps", {"n": 1})
    assert kinds(read(events, last)) == ["hello", "maps"]


def test_what_is_lost_is_said():
    events = Events(kept=3)
    for n in range(9):
        events.send("job", {"id": n})
    assert kinds(read(events, f"{events.run}-2")) == ["hello", "reset", "job", "job", "job"]
    for last in ("0badf00d-4", "x", "-", f"{events.run}-", f"{events.run}-99", f"{events.run}--1", f"{events.run}-²"):
        assert "reset" in kinds(read(events, last, seconds=0.1)), last


def test_a_quiet_line_carries_comments():
    said = read(Events(), pause=0.05, seconds=0.3)
    assert sum(text.startswith(":") for text in said) >= 3


def test_the_end_of_the_server_ends_the_streams():
    events = Events()

    async def run():
        task = asyncio.ensure_future(take())
        await asyncio.sleep(0.05)
        events.close()
        await asyncio.wait_for(task, 1)

    async def take():
        async for _ in events.stream(None):
            continue

    asyncio.run(run())
    assert events.listeners == 0


def test_a_page_that_leaves_is_forgotten():
    events = Events()
    read(events, seconds=0.1)
    assert events.listeners == 0
    events.send("job", {"id": 1})


def test_numbers_that_are_none_are_null():
    events = Events()
    said = read(events, act=lambda: events.send("job", {"value": float("nan"), "at": (1, 2)}))
    assert '{"value":null,"at":[1,2]}' in said[-1]
