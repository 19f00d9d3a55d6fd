"""``retrograd play``: starts, says where, ends at Ctrl-C; mistakes get one line, status 2."""

import os
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection

import pytest

from retrograd.cli import main


def refused(capsys, *arguments):
    assert main(["play", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    return captured.err


def test_it_serves_the_page_until_ctrl_c():
    command = [sys.executable, "-u", "-m", "retrograd", "play", "mazur", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        assert line.startswith("Playing with mazur at http://127.0.0.1:") and line.endswith(" - Ctrl-C ends it.\n")
        connection = HTTPConnection(line.split()[4].removeprefix("http://").strip("/"), timeout=60)
        connection.request("GET", "/")
        assert b"<!DOCTYPE html>" in connection.getresponse().read()
        connection.close()
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "\nStopped.\n", "")


def test_mistakes(capsys, tmp_path):
    assert "there is no file or folder 'mazzur'" in refused(capsys, "mazzur")
    assert "there is no row 1" in refused(capsys, "mazur", "--row", "1")
    assert "is no model folder" in refused(capsys, str(tmp_path))
    assert "--data is for a trained model" in refused(capsys, "mazur", "--data", "iris")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "in use" in refused(capsys, "mazur", "--no-browser", "--port", str(taken.getsockname()[1]))


@pytest.mark.parametrize("port", ["-1", "65536", "x"])
def test_ports_that_there_are_not(capsys, port):
    assert "--port" in refused(capsys, "mazur", "--port", port)
