"""Several generators side by side, from runs' `generator.json` or from the cards of exported versions."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.clay.corpus import ACTION_UNITS
from training.ganimation.report import off_diagonal

Scores = dict[str, Any]


def scored(folder: Path) -> Scores | None:
    """A generator's scores, with its folder's `name`: of a run that was evaluated, or of a version in the model
    repository; None where the folder is neither."""
    report, card = folder / "generator.json", folder / "card.json"
    if report.exists():
        return {"name": folder.name} | json.loads(report.read_text())
    content = json.loads(card.read_text()) if card.exists() else {}
    if content.get("method") != "ganimation" or not content["metrics"]:
        return None
    return {"name": f"{content['name']} {content['version']}", "measured": "the exported file"} | content["metrics"]


def check(found: Sequence[Scores]) -> None:
    """Whether they were scored on the same faces.

    Raises:
        ValueError: they were not.
    """
    if len({(each["pairs"]["faces"], each["statues"]["faces"]) for each in found}) > 1:
        raise ValueError("these generators were evaluated on different faces, so their scores do not compare")


def rows(found: Sequence[Scores]) -> list[list[str]]:
    """The table, heads first: a column for each generator; what the unchanged source or the truth gets in brackets."""
    table = [["", *(each["name"] for each in found)]]

    def add(name: str, cell: Callable[[Scores], str]) -> None:
        table.append([name, *(cell(each) for each in found)])

    add("scored", lambda each: each["measured"])
    add("SSIM to the truth (copy of the source)", lambda each: _beside(each["pairs"]["ssim"], 4))
    add("PSNR to the truth, dB (copy)", lambda each: _beside(each["pairs"]["psnr"], 2))
    add("distance of gradients (copy)", lambda each: _beside(each["pairs"]["gradients"], 4))
    add("FID (floor)", lambda each: _floored(each["pairs"], "frechet", 2))
    add("KID (floor)", lambda each: _floored(each["pairs"], "kernel", 4))
    add("response of the units, mean r (true pictures)", _response)
    add("one unit alone, asked + 0.6: it grows by", lambda each: _number(_own(each)))
    add("… any other changes by", lambda each: _number(off_diagonal(each["pairs"]["crosstalk"]), 3))
    for group in ("statues", "people"):
        if all(each.get(group) for each in found):
            table += _group(group, [each[group] for each in found])
    for unit in ACTION_UNITS:
        table.append([f"{unit}: r (true pictures)", *(_unit(each["pairs"]["units"][unit]) for each in found)])
    return table


def _group(name: str, found: Sequence[Scores]) -> list[list[str]]:
    table = [[f"{name}: expression seen, % (in the source)", *(_seen(each) for each in found)]]
    for shown in found[0]["expressions"]:
        table.append([f"{name}: {shown} seen, % (true ones)", *(_one(each, shown) for each in found)])
    own = [_percent(each["identity"]["found"]) for each in found]
    table.append([f"{name}: nearest source is the own one, %", *own])
    table.append([f"{name}: mean of the mask", *(_number(each["mask_mean"]) for each in found)])
    table.append([f"{name}: no change asked, levels of 255", *(str(each["zero"]) for each in found)])
    return table


def _floored(pairs: Scores, name: str, digits: int) -> str:
    return f"{_number(pairs[name], digits)} ({_number(pairs[name + '_copied'], digits)})"


def _beside(distance: Scores, digits: int) -> str:
    return f"{_number(distance['value'], digits)} ({_number(distance['copied'], digits)})"


def _response(each: Scores) -> str:
    truths = [unit["truth"] for unit in each["pairs"]["units"].values() if unit["truth"] is not None]
    low, high = each["pairs"]["correlation_interval"]
    span = f"{_number(low)}–{_number(high)}"
    return f"{_number(each['pairs']['correlation'])}, 95 % {span} ({_number(float(np.mean(truths)))})"


def _own(each: Scores) -> float:
    return float(np.diag(np.array(each["pairs"]["crosstalk"], np.float64)).mean())


def _seen(group: Scores) -> str:
    already = float(np.mean([one["source"] for one in group["expressions"].values()]))
    return f"{_percent(group['agreement'])} ({_percent(already)})"


def _one(group: Scores, name: str) -> str:
    one = group["expressions"][name]
    low, high = one["interval"]
    return f"{_percent(one['agreement'])}, 95 % {_percent(low)}–{_percent(high)} ({_percent(one['truth'])})"


def _unit(unit: Scores) -> str:
    return f"{_number(unit['correlation'])} ({_number(unit['truth'])})"


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"
