"""NumPy's floating-point warnings: none from our modules, the user's own untouched."""

import subprocess
import sys


def run(program):
    return subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)


def test_infinities_and_nan_are_values():
    program = """
import numpy as np, retrograd as rg
x = np.array([0.0, -1.0, 1000.0])
rg.log(x), rg.exp(rg.exp(x)), rg.jit(rg.log)(x), rg.grad(lambda v: rg.sum(rg.sqrt(v) / v))(x)
t = rg.tensor(x, requires_grad=True)
rg.sum(rg.log(t) / t).backward()
"""
    done = run(program)
    assert done.returncode == 0, done.stderr


def test_the_users_own_numpy_still_warns():
    assert "divide by zero" in run("import numpy as np, retrograd; np.log(np.zeros(1))").stderr
