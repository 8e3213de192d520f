import threading

import pytest
import scipy.linalg  # noqa: F401 - brings a BLAS
from threadpoolctl import threadpool_info

from swath.baseline.threads import one_thread


def blas_threads():
    return {i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"}


def test_the_limit_holds_for_each_of_several_threads_and_is_lifted_afterwards():
    before, seen = blas_threads(), []

    def work():
        with one_thread():
            seen.append(blas_threads())

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    with one_thread(), one_thread():
        assert blas_threads() == {1}
    for thread in threads:
        thread.join()
    assert seen == [{1}] * 5
    assert blas_threads() == before


def test_an_error_inside_lifts_it_too():
    before = blas_threads()
    with pytest.raises(ValueError, match="inside"), one_thread():
        raise ValueError("inside")
    assert blas_threads() == before
