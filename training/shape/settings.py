"""What a run of the face landmarker decides beyond every run's `train`, `optimizer` and `augment`; no torch here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """Attributes:
    more: further rendered corpora, learnt from beside the one that `data.path` names.
    test: folder of a rendered corpus whose identities were never trained on; `mien evaluate` alone reads it.
    frames: folder of FER+ whose faces tell where the classifier's crop lies about the landmarks
        ('' = the default frame about the corpus' mean shape, see `training/shape/frame.py`).
    photos: folder of photographs whose faces `mien evaluate` draws ('' = none); its `yunet_faces.json` has their boxes.
    held_out: share of the identities on which the best epoch is chosen.
    cache_px: side of the cached crops; they are cut wider than the landmarker's square, so that it can move.
    jitter_centre: largest displacement of the square on each axis, as a share of its side.
    jitter_smaller, jitter_larger: the square's side is multiplied by a number between them.
    jitter_roll_deg: largest deviation of the square from the level eye line.
    jitter_lost_roll: share of the squares that are left unturned, as for a detector without eyes.
    landmarks: weight of the landmarks' loss.
    width, curve: the wing loss's linear part begins at `width` (per cent of the side); `curve` is its curvature.
    action_units: weight of the action units' cross-entropy.
    contrast: weight of the units' squared error between pictures of one scene, see `losses.contrast`.
    quality: weight of the uncertainty's and the visibility's losses.
    hidden: weight of a hidden landmark beside a visible one's 1.
    nonsense: share of the crops whose parts are shuffled: nothing of a face is left, and quality must say so.
    coarse: share of the crops that are made of as few as 28 pixels a side.
    """

    more: tuple[str, ...] = ()
    test: str = ""
    frames: str = ""
    photos: str = ""
    held_out: float = 0.08
    cache_px: int = 160
    jitter_centre: float = 0.08
    jitter_smaller: float = 0.85
    jitter_larger: float = 1.2
    jitter_roll_deg: float = 8.0
    jitter_lost_roll: float = 0.1
    landmarks: float = 1.0
    width: float = 10.0
    curve: float = 2.0
    action_units: float = 8.0
    contrast: float = 0.0
    quality: float = 0.5
    hidden: float = 0.5
    nonsense: float = 0.04
    coarse: float = 0.35
