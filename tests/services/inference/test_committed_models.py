"""The committed models: what a row is answered does not depend on the strangers beside it, to the last bit.

On this rest the promises that a resumed run gives the same table, and that a table does not change with the traffic.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from services.inference.repository import read_repository

PICTURES = sorted((Path(__file__).resolve().parents[2] / "pictures").glob("statue_*.jpg"))


@pytest.mark.parametrize("name", ["face_detector", "face_landmarker", "expression_classifier", "expression_generator"])
def test_a_row_has_the_same_bits_alone_and_in_any_batch(real_repository: Path, name: str) -> None:
    spec = read_repository(real_repository).get(name)
    if spec is None:
        pytest.skip(f"needs a trained {name} in model_repository/ (mien train, mien export)")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(str(spec.path), options, providers=["CPUExecutionProvider"])
    rows = {}
    for tensor in spec.inputs:
        if tensor.dtype == np.uint8:
            size = tensor.dims[1], tensor.dims[0]
            rows[tensor.name] = np.stack(
                [np.asarray(Image.open(path).convert("RGB").resize(size)) for path in PICTURES]
            )
        else:
            random = np.random.default_rng(0)
            rows[tensor.name] = random.uniform(-1, 1, (len(PICTURES), *tensor.dims)).astype(tensor.dtype)
    alone = [session.run(None, {key: value[k : k + 1] for key, value in rows.items()}) for k in range(len(PICTURES))]
    for size in (2, 3, len(PICTURES)):
        batches = range(0, len(PICTURES), size)
        together = [session.run(None, {key: value[k : k + size] for key, value in rows.items()}) for k in batches]
        for index, output in enumerate(session.get_outputs()):
            one, other = (np.concatenate([answer[index] for answer in answers]) for answers in (alone, together))
            assert np.array_equal(one, other), f"{output.name}, {size} at once"
