"""docs/systems.md is what the markers say."""

import shutil

import pytest

from scripts import generate_systems


@pytest.fixture
def project(tmp_path):
    (tmp_path / "tests" / "unit").mkdir(parents=True)
    shutil.copy(generate_systems.ROOT / "tests" / "systems.json", tmp_path / "tests")
    return tmp_path


def write(project, text):
    (project / "tests" / "unit" / "test_x.py").write_text(text)


def test_markers_become_rows(project):
    write(
        project,
        """
@pytest.mark.system("10.1", home="L", figure="a|b")
class TestMazur:
    @pytest.mark.system("1.11")
    def test_layers(self): pass
@pytest.mark.system("10.1", home="E")
def test_again(): pass
""",
    )
    text = generate_systems.generate(project)
    assert "2 of 106 systems" in text
    tests = "`unit/test_x.py::TestMazur`<br>`unit/test_x.py::test_again`"
    assert rf"| 10.1 The 2-2-2 step-by-step example (Mazur) | E, L | a\|b | {tests} |" in text
    assert "| 1.11 Layered backpropagation for L layers |  |  | `unit/test_x.py::TestMazur::test_layers` |" in text
    assert "10.2 The 2-2-2 network with shared biases and MSE; 10.3" in text


def test_an_unknown_system_is_refused(project):
    write(project, "@pytest.mark.system('99.1')\ndef test(): pass")
    with pytest.raises(SystemExit, match=r"99\.1"):
        generate_systems.generate(project)
