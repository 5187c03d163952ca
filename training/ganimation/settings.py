"""What a run of the expression generator decides beyond every run's `train` and `optimizer`; no torch here.

Of `augment` only `flip` is used; where a face lies in its square varies by whole pixels (`pieces.py`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Generation:
    """Attributes:
    kind: film (ours: a change of units modulates every norm, rendered pairs are learnt from) or published (GANimation
        as it was described: absolute target units as planes beside the picture, no pairs; for comparison only).
    width: channels at 128 px (film: half of those at 64 px). blocks: residual blocks at 32 px (film: 16 px).
    reach: film: by how many pixels the warp may move a pixel, along each axis (0 = repaint only).
    corpus: folder of a rendered corpus; pictures of one scene are true pairs.
    test: folder of a corpus of other heads; `mien evaluate` alone reads it. test_images: pictures of it (0 = all).
    people: folder of FER+, or of square face pictures if `people_units` is given ('' = no people).
    people_units: folder of OpenFace's CSV files for the pictures of `people` ('' = `landmarker` measures the units).
    people_share: share of a batch that is people.
    landmarker: exported file that judges units and measures those of people.
    classifier: exported expression classifier that `mien evaluate` asks; nothing is learnt from it.
    images: only so many training pictures of the corpus, and so many people (0 = all).
    held_out: share of the identities on which the best epoch is chosen.
    size_jitter: standard deviation of the log of a scene's square's size, as a detector's boxes are off.
    pairs: weight of the mean absolute difference from the true render; `emphasis`: how many times more a pixel counts
        where the truth differs from the source.
    detail: weight of the differences of picture gradients at three scales.
    adversarial: weight of the critic's verdict.
    units: weight of the squared error of the units: the landmarker's (film) or the critic's own (published).
    readable: film: units whose judged values correlate less than this with the truth are not judged.
    cycle: weight of the way there and back, people (film) or all (published).
    mask: weight of the hinge that keeps a mask's mean between `mask_low` and `mask_high` (film), or of the mean of what
        is kept of the source (published).
    smooth: weight of the mask's total variation, mean over pixels.
    critic_from: film: epochs before the critic joins in; a generator that already renders well gains more from it.
    critic_steps: critic's steps for one of the generator.
    gradient_penalty: published: weight of (|gradient| − 1)² between real and made faces, at every critic step; film: of
        half the squared gradient at real faces (R1), every `lazy` steps (0 = never) and then `lazy` times as strong.
    """

    kind: str = "film"
    width: int = 24
    blocks: int = 4
    reach: float = 16.0
    corpus: str = "~/.cache/mien/clay/train"
    test: str = ""
    test_images: int = 0
    people: str = ""
    people_units: str = ""
    people_share: float = 0.25
    landmarker: str = "model_repository/face_landmarker/4/model.onnx"
    classifier: str = "model_repository/expression_classifier/11/model.onnx"
    images: int = 0
    held_out: float = 0.08
    size_jitter: float = 0.05
    pairs: float = 20.0
    emphasis: float = 4.0
    detail: float = 10.0
    adversarial: float = 0.5
    units: float = 10.0
    readable: float = 0.4
    cycle: float = 5.0
    mask: float = 1.0
    mask_low: float = 0.15
    mask_high: float = 0.6
    smooth: float = 0.2
    critic_from: float = 0.0
    critic_steps: int = 1
    gradient_penalty: float = 1.0
    lazy: int = 16
