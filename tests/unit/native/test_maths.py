"""The vector mathematics keeps its stated errors, and special values, at every CPU level that this machine has."""

import re
from functools import cache

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from retrograd.native.llvm.maths import BINARY, BOUND, FUNCTIONS
from scripts import accuracy_table as table

CASES = [(name, dtype) for name in FUNCTIONS for dtype in table.TYPES]
LEVELS = ("x86-64-v2", "x86-64-v3", "x86-64-v4")
long_double = np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant


@cache
def function(name, dtype, level):
    if level not in table.runnable():
        pytest.skip(f"this machine is below {level}")
    return table.compiled(name, dtype, level)


@cache
def sample(arity, dtype):
    """Some of what the page is made from: every exponent, the ranges that matter, special values."""
    return list(table.arguments("power" if arity == 2 else "exp", dtype, thin=256))


def arity(name):
    return 2 if name in BINARY else 1


def equal_bits(a, b):
    return np.array_equal(a.view(f"u{a.itemsize}")[~np.isnan(a)], b.view(f"u{b.itemsize}")[~np.isnan(b)])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name, dtype", CASES)
def test_errors_are_within_the_bound(name, dtype, level):
    run = function(name, dtype, level)
    if dtype == "float64" and not long_double:
        pytest.skip("long double has no more digits than float64 here")
    for xs in sample(arity(name), dtype):
        errors = table.ulps(run(*xs), table.true(name, *xs))
        worst = np.argmax(errors)
        assert errors[worst] <= BOUND[name], [x[worst] for x in xs]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name, dtype", [case for case in CASES if case[0] not in ("maximum", "minimum")])
def test_zeros_keep_their_sign(name, dtype, level):
    run = function(name, dtype, level)
    xs = [np.asarray(x).ravel() for x in np.meshgrid(*[table.special(dtype)] * arity(name))]
    with np.errstate(all="ignore"):
        found, wanted = run(*xs), table.true(name, *xs).astype(dtype)
    zero = wanted == 0
    np.testing.assert_array_equal(found[zero], 0)
    np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(wanted[zero]), err_msg=repr(xs))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", table.TYPES)
def test_positive_zero_is_the_greater_one(dtype, level):
    a, b = np.array([0.0, -0.0], dtype), np.array([-0.0, 0.0], dtype)
    assert not np.signbit(function("maximum", dtype, level)(a, b)).any()
    assert np.signbit(function("minimum", dtype, level)(a, b)).all()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", table.TYPES)
@pytest.mark.parametrize("name", ["exp", "exp2", "expm1", "sinh", "cosh"])
def test_overflow_begins_where_it_should(name, dtype, level):
    """The largest argument with a finite result, and its successor."""
    run, low, high = function(name, dtype, level), np.array([1.0], dtype), np.array([2000.0], dtype)
    while np.nextafter(low, high) < high:
        middle = (low + high) / 2
        with np.errstate(over="ignore"):
            finite = np.isfinite(table.true(name, middle).astype(dtype))
        low, high = (middle, high) if finite else (low, middle)
    assert np.isfinite(run(low)).all()
    assert np.isposinf(run(high)).all()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", table.TYPES)
def test_exact_results(dtype, level):
    whole = np.arange(-30, 31).astype(dtype)
    np.testing.assert_array_equal(function("exp2", dtype, level)(whole), np.exp2(whole))
    np.testing.assert_array_equal(function("log2", dtype, level)(np.exp2(whole)), whole)
    square = function("power", dtype, level)(whole, np.full_like(whole, 2.0))
    np.testing.assert_array_equal(square, whole * whole)


@pytest.mark.parametrize("name, dtype", CASES)
def test_lanes_do_not_matter(name, dtype):
    """One number at a time, a register and several registers give the same bits."""
    level = table.runnable()[-1]
    for lanes in (0, 32):
        run = table.compiled(name, dtype, level, lanes)
        for xs in sample(arity(name), dtype):
            assert equal_bits(run(*xs), function(name, dtype, level)(*xs))


def without_scalef(text):
    """AVX-512's scaling as a function that any CPU runs: ``a * 2**b`` in two products."""

    def define(match):
        vector, lanes, element = match[2], int(match[3]), match[4]
        bits, fraction, bias = (32, 23, 127) if element == "float" else (64, 52, 1023)
        integer = f"<{lanes} x i{bits}>"
        lines = [
            f"define {vector} @scale{bits}({vector} %a, {vector} %b, {vector} %c, i{lanes} %m, i32 %r) {{",
            f"%n = fptosi {vector} %b to {integer}",
            f"%h = ashr {integer} %n, splat (i{bits} 1)",
            f"%o = sub {integer} %n, %h",
        ]
        for power in "ho":
            lines += [
                f"%{power}b = add {integer} %{power}, splat (i{bits} {bias})",
                f"%{power}s = shl {integer} %{power}b, splat (i{bits} {fraction})",
                f"%{power}p = bitcast {integer} %{power}s to {vector}",
            ]
        return "\n".join([*lines, f"%x = fmul {vector} %a, %hp", f"%y = fmul {vector} %x, %op", f"ret {vector} %y }}"])

    text = re.sub(r"declare ((<(\d+) x (float|double)>)) @llvm\.x86\.avx512\.mask\.scalef.*", define, text)
    text = re.sub(r"@llvm\.x86\.avx512\.mask\.scalef\.ps\.512", "@scale32", text)
    return re.sub(r"@llvm\.x86\.avx512\.mask\.scalef\.pd\.512", "@scale64", text)


@pytest.mark.parametrize("name, dtype", CASES)
def test_v4_is_v3_bit_for_bit(name, dtype):
    if "x86-64-v3" not in table.runnable():
        pytest.skip("this machine is below x86-64-v3")
    if "x86-64-v4" in table.runnable():
        run = table.compiled(name, dtype, "x86-64-v4", 32)
    else:
        text = without_scalef(table.module_text(name, dtype, "x86-64-v4", 32))
        run = table.callable_of(text, table.target("x86-64-v3"), arity(name), dtype, 32)
    for xs in sample(arity(name), dtype):
        assert equal_bits(run(*xs), function(name, dtype, "x86-64-v3")(*xs))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name, dtype", CASES)
def test_no_library_is_called(name, dtype, level):
    """Every declaration is an intrinsic that the CPU level has an instruction for."""
    text = table.module_text(name, dtype, level, 8)
    called = {m[1] for m in re.finditer(r"declare .*? @([\w.]+)\(", text)}
    assert all(name.startswith("llvm.") for name in called)
    if level == "x86-64-v2":
        assert not any(name.startswith("llvm.fma") for name in called)


def test_the_page_is_current():
    """Its structure; `scripts/accuracy_table.py --check` tries the numbers again."""
    text = table.PAGE.read_text(encoding="utf-8")
    assert text.startswith(table.INTRODUCTION)
    printed = [m.groups()[:3] for line in text.splitlines() if (m := table.ROW.match(line))]
    assert printed == [(name, dtype, level[-2:]) for name, dtype, level in table.entries()]
