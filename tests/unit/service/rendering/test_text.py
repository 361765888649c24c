import pytest

from service.rendering.figures.text import (
    LONGEST_NAME,
    axis_names,
    log_likelihood_text,
    printable,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-180.1853, "−180.19"),
        (0.0, "0.00"),
        (-1e-100, "0.00"),
        (1234567.891, "1,234,567.89"),
        (-1234567890123.0, "−1.234568×10¹²"),
        (1e100, "1.000000×10¹⁰⁰"),
        (float("-inf"), "−∞"),
        (float("inf"), "∞"),
        (float("nan"), "undefined"),
    ],
)
def test_log_likelihoods_are_written_plainly(value, text):
    assert log_likelihood_text(value) == text


def test_features_without_names_are_numbered():
    assert axis_names(None, 2) == ["x1", "x2"]
    assert axis_names(["only one"], 2) == ["x1", "x2"]
    assert axis_names([" \n", "b"], 2) == ["x1", "b"]


def test_names_are_written_on_one_short_line_in_known_characters():
    assert printable(" a\n\tb ") == "a b"
    assert printable("größe α 日本") == "größe α □□"
    assert printable("x" * 100) == "x" * (LONGEST_NAME - 1) + "…"
    assert printable("\x00\x07") == "□□"
