"""Small networks get one BLAS thread, and the limit ends with the block."""

from threadpoolctl import threadpool_info, threadpool_limits

from retrograd.train.threads import threads_for


def threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_small_networks_get_one_thread():
    with threadpool_limits(limits=2, user_api="blas"):
        before = threads()
        with threads_for((64, 128, 10)):
            assert threads() == {1}
        assert threads() == before
        with threads_for((512, 512, 10)):
            assert threads() == before
