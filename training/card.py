"""The card beside every exported model: what it is, what it learnt from, how good it is, and what it is not for."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from training.config import Config, as_dict
from training.data.faces import EXPRESSIONS, FaceTable, Split
from training.evaluate import Evaluation

RULES = {
    "ferplus": "A column with a single vote is cleared if another has more; the label is the column with the most "
    "votes; rows labelled contempt, unknown or not a face are left out, and so are training rows that also occur in an "
    "evaluation split. Validation is the official PublicTest; PrivateTest was never read.",
    "rafdb": "A tenth of the official training rows, by a hash of the file name, is validation; the test rows were "
    "never read.",
    "folder": "A tenth of the persons, by a hash of the name, is validation; no person is on both sides.",
}
LICENCES = {
    "ferplus": "The weights were trained on pictures that were scraped from the web for a challenge (ICML 2013); they "
    "have no clean licence and are not passed on. Votes: FER+, MIT. The origin is research.",
    "rafdb": "The weights were trained on RAF-DB, which its authors give out for non-commercial research.",
    "folder": "Whoever trained these weights knows the terms of the pictures.",
}
LIMITS = {
    "ferplus": [
        "Learnt from small grey faces (48 px) of people; it has seen no statue.",
        "Disgust and fear are rare in the training data and are often missed.",
    ],
    "rafdb": ["Learnt from faces of people at 100 px; it has seen no statue.", "Fear, anger and disgust are rare."],
    "folder": [],
}
STATUE_LIMITS = [
    "Its people are small grey faces (48 px); its statues are rendered heads of very few head models.",
    "On photographs of real statues nobody knows the truth; no accuracy is claimed for them.",
]
GENERAL_LIMITS = [
    "The expressions are posed or guessed by annotators; agreement between them is far from complete.",
    "No claim is made for any age, gender, skin tone or culture: the data names none of them.",
    "The epoch was chosen on the rows that are reported, so the scores flatter a little.",
]
STATEMENTS = [
    "An expression shown is not an emotion felt.",
    "Inferring emotions of people at the workplace or in education is prohibited in the EU (AI Act, Article 5(1)(f)).",
]


def write_card(
    role: str,
    number: int,
    config: Config,
    split: Split,
    evaluation: Evaluation,
    temperature: float,
    files: dict[Path, dict[str, Any]],
    side_px: int,
    statues: Evaluation | None = None,
) -> dict[str, Any]:
    """The card's content, plain values only.

    Args:
        evaluation: of the default file, before its temperature (so that the calibrated error is cross-fitted).
        files: each file with what is known about it (`precision`, `accuracy`, …); size and sha256 are added.
    """
    source = config.data.source
    limits = (
        LIMITS[source] if statues is None else [line for line in LIMITS[source] if "statue" not in line] + STATUE_LIMITS
    )
    return {
        "name": role,
        "version": number,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "mien_version": mien_version(),
        "method": config.model.method,
        "statements": STATEMENTS,
        "limits": limits + GENERAL_LIMITS,
        "input": f"faces: uint8 RGB [n, {side_px}, {side_px}, 3], aligned and tightly framed; luma (ITU-R BT.601) and "
        "standardisation are in the graph, so colour plays no part",
        "output": f"probabilities: float32 [n, 7], each row summing to 1, of {', '.join(EXPRESSIONS)}; "
        "evidence: what each cell of a grid adds to the log-odds of each against the mean of all",
        "temperature": round(temperature, 4),
        "temperature_note": "Fitted on all validation rows against their majority labels and built into the graph. "
        "`calibrated_error` was measured in two halves, each with the temperature of the other.",
        "data": {
            "source": source,
            "training": _counts(split.train),
            "validation": _counts(split.validation),
            **({"statues_validation": _counts(split.statues)} if split.statues is not None else {}),
            "rules": RULES[source],
            "licence": LICENCES[source],
        },
        "metrics": asdict(evaluation),
        **({"statues_metrics": asdict(statues)} if statues is not None else {}),
        "files": {path.name: facts | fingerprint(path) for path, facts in files.items()},
        "recipe": as_dict(config),
    }


def _counts(table: FaceTable) -> dict[str, int]:
    per_class = np.bincount(table.labels[table.labels >= 0], minlength=len(EXPRESSIONS)).tolist()
    return {"rows": len(table), **dict(zip(EXPRESSIONS, per_class, strict=True))}


def fingerprint(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def mien_version() -> str:
    try:
        return version("mien")
    except PackageNotFoundError:
        return "unknown"
