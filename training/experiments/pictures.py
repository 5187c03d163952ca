"""The experiments' pictures, drawn by matplotlib in the reports' style: SVG bytes, the same for the same numbers."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.data.faces import EXPRESSIONS
from training.experiments.intervals import Interval
from training.figures import ACCENT, QUIET, STYLE

_COLOURS = ("#8a9097", "#d9a441", "#5aa0a0", "#2f5d8a", "#b3473a", "#6a8f3c", "#7d5a96")  # by expression


def ranges(rows: Mapping[str, Interval], label: str, zero: bool = False) -> bytes:
    """A dot and its 95 % interval for each row, in per cent; `zero`: with a line at nothing."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 0.6 + 0.34 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        for at, (_name, each) in enumerate(rows.items()):
            axes.plot([100 * each.low, 100 * each.high], [at, at], color=ACCENT, linewidth=2, solid_capstyle="round")
            axes.plot(100 * each.value, at, "o", color=ACCENT, markersize=5)
        if zero:
            axes.axvline(0, color=QUIET, linewidth=1)
        axes.set(xlabel=label, yticks=range(len(rows)), yticklabels=list(rows), ylim=(len(rows) - 0.5, -0.5))
        axes.tick_params(length=0)
        return _svg(figure)


def shares(rows: Mapping[str, Sequence[float]], label: str = "per cent of the figures") -> bytes:
    """A stacked bar of the seven expressions for each row."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 1.0 + 0.4 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        left = np.zeros(len(rows))
        for at, name in enumerate(EXPRESSIONS):
            width = np.array([100 * each[at] for each in rows.values()])
            axes.barh(range(len(rows)), width, left=left, color=_COLOURS[at], label=name, height=0.7)
            left += width
        axes.set(xlabel=label, yticks=range(len(rows)), yticklabels=list(rows), ylim=(len(rows) - 0.5, -0.5))
        axes.tick_params(length=0)
        axes.legend(ncols=7, loc="upper center", bbox_to_anchor=(0.5, 1.35), frameon=False, fontsize=7.5,
                    handlelength=0.9, columnspacing=0.9)  # fmt: skip
        return _svg(figure)


def confusion(counts: Sequence[Sequence[int]]) -> bytes:
    """What is taken for what, per cent of the true expression."""
    table = np.array(counts, float)
    share = 100 * table / np.maximum(table.sum(1, keepdims=True), 1)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.4, 3.8), layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
        for row, column in np.ndindex(share.shape):
            if table[row, column]:
                ink = "white" if share[row, column] > 55 else "#1d2125"
                axes.text(column, row, f"{share[row, column]:.0f}", ha="center", va="center", color=ink, fontsize=8)
        names = [name[:4] + "." if len(name) > 6 else name for name in EXPRESSIONS]
        axes.set(xticks=range(7), yticks=range(7), xticklabels=names, yticklabels=EXPRESSIONS, xlabel="said")
        axes.tick_params(length=0, labelsize=8)
        return _svg(figure)


def mosaic(faces: NDArray[np.uint8], columns: int = 15, tile_px: int = 56) -> bytes:
    """Faces `[n, side, side]` side by side, PNG."""
    tiles = [cv2.resize(face, (tile_px, tile_px), interpolation=cv2.INTER_AREA) for face in faces]
    tiles += [np.full((tile_px, tile_px), 255, np.uint8)] * (-len(tiles) % columns)
    lines = [np.concatenate(tiles[at : at + columns], 1) for at in range(0, len(tiles), columns)]
    done, data = cv2.imencode(".png", np.concatenate(lines))
    assert done
    return data.tobytes()


def _svg(figure: Figure) -> bytes:
    text = io.BytesIO()
    figure.savefig(text, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return text.getvalue()
