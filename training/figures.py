"""The report's pictures, as SVG text to stand inside a page: no axes but what a reader needs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, QUIET, ACCENT, SECOND = "#1d2125", "#8a9097", "#2f5d8a", "#b3703a"
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mien",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.edgecolor": "#c9cdd2",
    "axes.labelcolor": QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "text.color": INK,
}


def reliability(bins: Sequence[tuple[float, float, int]]) -> str:
    """Accuracy against confidence; a dot's area is its share of the rows, the line is perfect calibration."""
    with mpl.rc_context(STYLE):
        figure, axes = _axes(3.9, 3.3)
        total = sum(count for _, _, count in bins) or 1
        axes.plot([0, 1], [0, 1], color="#c9cdd2", linewidth=1)
        axes.plot([c for c, _, _ in bins], [a for _, a, _ in bins], color=ACCENT, linewidth=1)
        sizes = [12 + 500 * count / total for _, _, count in bins]
        axes.scatter([c for c, _, _ in bins], [a for _, a, _ in bins], s=sizes, color=ACCENT, alpha=0.75, linewidth=0)
        axes.set(xlim=(0, 1.03), ylim=(0, 1.03), xlabel="confidence", ylabel="accuracy", aspect="equal")
        return _svg(figure)


def training(epochs: Sequence[dict[str, Any]]) -> str:
    """Validation accuracy and macro-F1 by epoch, named at the line's end; the best epoch is marked."""
    with mpl.rc_context(STYLE):
        figure, axes = _axes(4.6, 3.3)
        x = [line["epoch"] for line in epochs]
        for key, name, colour in (("accuracy", "accuracy", ACCENT), ("macro_f1", "macro F1", SECOND)):
            y = [line[key] for line in epochs]
            axes.plot(x, y, color=colour, linewidth=1.6, marker="o", markersize=2.5)
            axes.annotate(name, (x[-1], y[-1]), (6, 0), textcoords="offset points", color=colour, va="center")
        best = max(epochs, key=lambda line: line["score"])
        axes.plot(best["epoch"], best["accuracy"], "o", markersize=7, markerfacecolor="none", color=ACCENT)
        axes.set(xlabel="epoch", ylabel="validation", xlim=(min(x) - 0.5, max(x) + 0.5))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(axis="y", color="#eceef0", linewidth=0.8)
        axes.set_axisbelow(True)
        return _svg(figure)


def _axes(width_in: float, height_in: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    axes = figure.add_subplot()
    axes.tick_params(length=0)
    return figure, axes


def _svg(figure: Figure) -> str:
    """The figure from its `<svg` tag on, without notes on who drew it when: the same scores give the same bytes."""
    text = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(text, format="svg", transparent=True, metadata=nothing)
    return text.getvalue()[text.getvalue().index("<svg") :]
