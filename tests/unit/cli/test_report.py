"""Confusion matrices and scores as text."""

import numpy as np

from retrograd.cli.report import matrix_lines, score_line


def test_scores():
    assert score_line({"accuracy": 0.98765}, "y") == "accuracy 98.77%"
    assert score_line({"r2": 0.46196, "rmse": 54.1234}, "price") == "R2 0.4620, RMSE 54.12 in the unit of 'price'"


def test_a_matrix_is_aligned_and_zeros_are_dots():
    matrix = np.array([[10, 0], [2, 345]])
    assert matrix_lines(["no", "a very long name of a class"], matrix) == [
        "Rows by their class, columns by the predicted one:",
        "                      no a very long name …",
        "                  no  10                  .",
        "  a very long name …   2                345",
    ]


def test_of_many_classes_the_largest_confusions_are_shown():
    matrix = np.diag(np.full(20, 9))
    labels = [f"c{i}" for i in range(20)]
    assert matrix_lines(labels, matrix) == []
    matrix[3, 4], matrix[7, 0] = 2, 5
    assert matrix_lines(labels, matrix) == [
        "The most frequent confusions among 20 classes:",
        "  c7 taken for c0: 5",
        "  c3 taken for c4: 2",
    ]


def test_line_breaks_in_names_do_no_harm():
    assert matrix_lines(["a\nb", "c"], np.eye(2, dtype=int))[2] == "  a b    1 ."


def test_labels_do_nothing_to_a_terminal():
    lines = matrix_lines(["\x1b[31mred", "b\nc"], np.array([[1, 0], [0, 1]]))
    assert "\x1b" not in "".join(lines) and any("?[31mred" in line for line in lines)
