import threading

import numpy as np  # noqa: F401 - brings a BLAS
from threadpoolctl import threadpool_info

from swath.baseline.threads import one_thread


def blas_threads():
    return {i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"}


def test_the_limit_holds_until_the_last_one_is_out_and_is_lifted_then():
    before = blas_threads()
    first_in, may_leave = threading.Event(), threading.Event()

    def early():
        with one_thread():
            first_in.set()
            may_leave.wait(5)

    thread = threading.Thread(target=early)
    thread.start()
    first_in.wait(5)
    with one_thread():
        may_leave.set()
        thread.join()
        assert blas_threads() == {1}
    assert blas_threads() == before


def test_an_error_inside_lifts_it_too():
    before = blas_threads()
    try:
        with one_thread():
            raise ValueError
    except ValueError:
        pass
    assert blas_threads() == before
