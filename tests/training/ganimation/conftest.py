"""A tiny corpus of pairs, a few people, a toy classifier, the exported landmarker, and a small configuration."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("torch") is None or find_spec("pyarrow") is None:  # the `train` extra is not installed
    collect_ignore_glob = ["*"]
else:
    import numpy as np
    import onnx
    import torch
    from onnx import TensorProto, helper, numpy_helper

    from tests.training.ganimation import pair_corpus
    from training.clay import corpus as clay
    from training.config import Config, from_dict

    torch.set_num_threads(1)
    ROOT = Path(__file__).parents[3]

    @pytest.fixture(scope="session")
    def drawn(tmp_path_factory: pytest.TempPathFactory) -> clay.Corpus:
        """10 heads with three pictures each; the last is a scan."""
        return clay.read(pair_corpus.write(tmp_path_factory.mktemp("pairs"), 10, scans=1))

    @pytest.fixture(scope="session")
    def landmarker() -> Path:
        versions = sorted((ROOT / "model_repository" / "face_landmarker").glob("*/model.onnx"))
        if not versions:
            pytest.skip("needs an exported face_landmarker in model_repository/ (mien train, mien export)")
        return versions[-1]

    @pytest.fixture(scope="session")
    def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Probabilities of seven from four maps of a face and of nothing else."""
        random = np.random.default_rng(0)
        weights = {
            "kernel": random.normal(0, 0.001, (4, 3, 16, 16)).astype(np.float32),
            "classes": random.normal(0, 1, (4, 7)).astype(np.float32),
        }
        nodes = [
            helper.make_node("Cast", ["faces"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node("Conv", ["planes", "kernel"], ["maps"], strides=[16, 16]),
            helper.make_node("GlobalAveragePool", ["maps"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["flat"]),
            helper.make_node("MatMul", ["flat", "classes"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"]),
        ]
        graph = helper.make_graph(
            nodes,
            "toy",
            [helper.make_tensor_value_info("faces", TensorProto.UINT8, ["n", 112, 112, 3])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 7])],
            [numpy_helper.from_array(value, name) for name, value in weights.items()],
        )
        path = tmp_path_factory.mktemp("classifier") / "expression_classifier" / "1" / "model.onnx"
        path.parent.mkdir(parents=True)
        opset = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
        return path

    @pytest.fixture(scope="session")
    def people(drawn: clay.Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """FER+ in the two files of its origin: eight faces, half of them for validation."""
        folder = tmp_path_factory.mktemp("ferplus")
        pixels, votes = ["emotion,pixels,Usage"], [f"Usage,name,{','.join(f'v{at}' for at in range(10))}"]
        for at in range(8):
            face = drawn.image(at)[20:68, 24:72, 0]
            usage = ("Training", "PublicTest")[at % 2]
            pixels.append(f"0,{' '.join(map(str, face.ravel().tolist()))},{usage}")
            votes.append(f"{usage},x,{','.join('9' if column == at // 4 else '0' for column in range(10))}")
        (folder / "fer2013.csv").write_text("\n".join(pixels) + "\n")
        (folder / "fer2013new.csv").write_text("\n".join(votes) + "\n")
        return folder

    @pytest.fixture(scope="session")
    def config(drawn: clay.Corpus, people: Path, landmarker: Path, classifier: Path) -> Config:
        return from_dict(
            {
                "name": "tiny",
                "model": {"method": "ganimation"},
                "optimizer": {"kind": "adam", "lr": 0.002, "ema": 0.9, "warmup_epochs": 0.0, "weight_decay": 0.0},
                "train": {"epochs": 2, "batch": 4, "face_px": 128, "threads": 1, "autocast": False},
                "generation": {
                    "width": 4,
                    "blocks": 1,
                    "corpus": str(drawn.folder),
                    "test": str(drawn.folder),
                    "people": str(people),
                    "landmarker": str(landmarker),
                    "classifier": str(classifier),
                    "held_out": 0.3,
                    "readable": -2.0,
                    "lazy": 2,
                },
            }
        )
