"""Run by the fault tests in a process of its own, to be killed: maps the scene and logs each window it computes."""

from __future__ import annotations

import os
import sys
import time

from scenes import LAYERS, neighbours, scene

from swath.predict.run import run


def main(out: str, log: str, pause: float) -> None:
    """Map into `out`; append every computed window's key to `log`."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def slow(batch):
        answer = neighbours(batch)
        time.sleep(pause)
        os.write(handle, f"{os.getpid()} {batch.key[0]}\n".encode())
        return answer

    ran = run({"s": scene()}, slow, LAYERS, out, reach=2, window=32, workers=2, fingerprint="victim")
    print("DONE", ran.resumed, ran.computed, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
