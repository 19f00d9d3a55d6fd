"""The command: help is quick, a mistake is one line on standard error, status 2."""

import subprocess
import sys

import pytest

from retrograd.cli import main
from retrograd.cli.main import COMMANDS


def run(capsys, *arguments):
    status = main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def refused(capsys, *arguments):
    """The one line that is said."""
    status, out, err = run(capsys, *arguments)
    assert status == 2 and out == "" and err.count("\n") == 1 and err.startswith("retrograd")
    return err.strip()


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_every_command(capsys, arguments):
    status, out, err = run(capsys, *arguments)
    assert status == 0 and err == ""
    assert all(f"  {name} " in out for name in COMMANDS) and "retrograd train digits" in out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(capsys, name):
    status, out, err = run(capsys, name, "--help")
    assert status == 0 and err == "" and out.startswith(f"Usage: retrograd {name} [OPTIONS]")


def test_the_version(capsys):
    from importlib.metadata import version

    assert run(capsys, "--version") == (0, f"retrograd {version('retrograd')}\n", "")


def test_mistakes_are_answered_by_what_was_meant(capsys):
    assert refused(capsys, "trian", "digits") == "retrograd: there is no command 'trian'; did you mean 'train'?"
    assert (
        refused(capsys, "xyz")
        == "retrograd: there is no command 'xyz'; there are train, predict, evaluate, explain, play"
    )
    assert "--epochs" in refused(capsys, "train", "digits", "--epoch", "3")
    assert "relu" in refused(capsys, "train", "digits", "--activation", "rellu")
    assert "DATA" in refused(capsys, "train")
    assert refused(capsys, "train", "digitts").startswith(
        "retrograd: there is no file 'digitts'; did you mean 'digits'? The built-in sets are: digits, iris"
    )


def test_what_goes_wrong_outside_of_us_is_one_line_too(capsys, monkeypatch):
    from retrograd.cli import train as module

    def failing(error):
        def load(*args, **kwargs):
            raise error

        return load

    for error, message in [
        (MemoryError(), "retrograd: not enough memory"),
        (PermissionError(13, "Permission denied", "x.csv"), "retrograd: 'x.csv': Permission denied"),
        (OSError(28, "No space left on device"), "retrograd: No space left on device"),
    ]:
        monkeypatch.setattr(module.data, "load", failing(error))
        assert refused(capsys, "train", "digits") == message
    monkeypatch.setattr(module.data, "load", failing(KeyboardInterrupt()))
    assert run(capsys, "train", "digits") == (130, "", "\nretrograd: interrupted\n")
    monkeypatch.setattr(module.data, "load", failing(ZeroDivisionError("a defect")))
    with pytest.raises(ZeroDivisionError):
        main(["train", "digits"])


def test_help_imports_no_tables_and_no_terminal():
    program = "import sys; from retrograd.cli import main; main(['--help']); print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert not loaded & {"pandas", "sklearn", "rich", "safetensors", "scipy", "retrograd.nn", "retrograd.train"}


def test_python_m_retrograd():
    run = subprocess.run([sys.executable, "-m", "retrograd", "xyz"], capture_output=True, text=True, check=False)
    assert run.returncode == 2 and run.stderr.startswith("retrograd: there is no command")


def test_a_reader_that_leaves_early_is_no_error():
    program = "import sys; from retrograd.cli import main; sys.exit(main(['--help']))"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 1
    process.stderr.close()
