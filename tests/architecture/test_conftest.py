"""The seals, the slices and the markers do what CONTRIBUTING says, tried on small test suites of their own."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.fixture
def suite(pytester):
    """A folder with our conftest and markers; its tests run in this process."""
    pytester.makeconftest((TESTS / "conftest.py").read_text(encoding="utf-8"))
    (pytester.path / "systems.json").write_text((TESTS / "systems.json").read_text(encoding="utf-8"))
    pytester.makeini("[pytest]\nmarkers =\n  deep\n  system")
    return pytester


def test_a_leaked_interpreter_fails_the_test_that_leaks(suite):
    suite.makepyfile("""
        from retrograd.core import dispatch
        token = None
        def test_leaks():
            global token
            token = dispatch._current.set(dispatch.QUIET)
        def test_finds_it():
            pass
        def teardown_module():
            dispatch._current.reset(token)
    """)
    result = suite.runpytest_subprocess("-p", "no:xdist", "-p", "no:cacheprovider")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["the test left behind", "*the current interpreter:*", "before the test began*"])


def test_other_leaks_fail_too(suite):
    suite.makepyfile("""
        import os
        import numpy
        from retrograd import config
        def test_error_state():
            numpy.seterr(all="ignore")
        def test_directory():
            os.chdir("/")
        def test_environment():
            os.environ["X"] = ""
        def test_debug_mode():
            config._debug.set(True)
    """)
    suite.runpytest_subprocess("-p", "no:xdist", "-p", "no:cacheprovider").assert_outcomes(failed=4)


def test_a_failure_is_reported_as_itself(suite):
    suite.makepyfile("""
        import os
        def test_fails():
            os.environ["X"] = ""
            assert 1 == 2
    """)
    result = suite.runpytest_subprocess("-p", "no:xdist", "-p", "no:cacheprovider")
    result.stdout.no_fnmatch_line("*left behind*")
    result.assert_outcomes(failed=1)


def test_slices_part_the_deep_ring(suite):
    suite.makepyfile("""
        import pytest
        @pytest.mark.deep
        @pytest.mark.parametrize("n", range(40))
        def test_deep(n): pass
        def test_fast(): pass
    """)
    seen = []
    for part in range(4):
        result = suite.inline_run("-m", "deep", "--deep-slice", f"{part}/4")
        passed = [report.nodeid for report in result.getreports("pytest_runtest_logreport") if report.when == "call"]
        assert passed
        seen += passed
    assert len(seen) == len(set(seen)) == 40
    suite.inline_run("--deep-slice", "0/1").assertoutcome(passed=41)


@pytest.mark.parametrize("text", ["12/12", "3", "-1/4", "x/y"])
def test_a_slice_that_is_none_is_refused(suite, text):
    suite.makepyfile("def test(): pass")
    assert suite.runpytest_inprocess(f"--deep-slice={text}").ret == pytest.ExitCode.USAGE_ERROR


def test_an_unknown_system_is_refused(suite):
    suite.makepyfile("import pytest\n@pytest.mark.system('99.1')\ndef test(): pass")
    assert suite.runpytest_inprocess().ret == pytest.ExitCode.USAGE_ERROR
