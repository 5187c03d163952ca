"""What ARM's published sharing affinity would have scored: the REPRODUCTION OF A LEAK, not a result.

As published, the mean over the batch is added at test time too. On a test list sorted by expression the batch's mean
tells the label; our ARM uses a constant instead, so that a face's answer depends on itself alone.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from training.arm.networks import ARM
from training.arm.task import as_luma
from training.data.faces import FaceTable
from training.experiments import intervals, pictures, telling
from training.experiments.classifiers import ON_PEOPLE
from training.experiments.outcome import Outcome
from training.experiments.study import Study
from training.experiments.telling import points

TITLE = "A leak, reproduced: sharing affinity at test time"
USES = ("people", "network", "augment")
OURS = "ours: a constant"
SORTED, SHUFFLED = "published, sorted by expression", "published, shuffled"


def run(study: Study) -> Outcome:
    arm, test, how = study.trained(ON_PEOPLE), study.people.test, study.how
    network, batch = arm.network, how.network.batch
    assert isinstance(network, ARM)
    shuffled = np.random.default_rng((how.seed, 16)).permutation(len(test))
    said = {
        OURS: arm.says(test),
        "published, one face at a time": as_published(network, test, shuffled, 1, arm.device),
        SHUFFLED: as_published(network, test, shuffled, batch, arm.device),
        SORTED: as_published(network, test, np.argsort(test.labels, kind="stable"), batch, arm.device),
    }
    alone = np.arange(len(test)).astype(np.str_)
    scored = {name: intervals.scores(test.labels, each, alone, how.draws, how.seed) for name, each in said.items()}
    gain = intervals.difference(test.labels, said[SORTED], said[SHUFFLED], alone, how.draws, how.seed)
    changed = int((said[SORTED] != said[SHUFFLED]).sum())
    told = [
        "This reproduces a leak; none of its published rows is a score of ours.",
        f"The same network and faces, batches of {batch}: sorting the list by expression changes the mean recall by "
        f"{points(gain)} points and {changed:,} of {len(test):,} answers.",
    ]
    if gain.above_zero:
        told.append("A sorted test list flatters: who reports it reports the labels.")
    elif not gain.below_zero:
        still = "; the answers still depend on strangers" if changed else ""
        told.append(f"With this network the leak is not shown to change the score{still}.")
    table = telling.one_line_each("Reproduction of a leak: ARM on people, by what shares its batch", scored)
    drawn = {"leak.svg": pictures.ranges({name: each.macro for name, each in scored.items()}, "macro, per cent")}
    data = {"scores": scored, "sorted minus shuffled": gain, "answers changed": changed}
    return Outcome(told, [table], drawn, data, {"test faces": len(test)})


@torch.inference_mode()
def as_published(
    network: ARM, table: FaceTable, order: NDArray[np.intp], batch: int, device: torch.device
) -> NDArray[np.int64]:
    """Answers `[n]` with the batch's own mean in place of the constant, in batches of `order`."""
    network.eval()
    said = np.empty(len(table), np.int64)
    for at in range(0, len(order), batch):
        rows = order[at : at + batch]
        maps_B2HW = network.arranged(as_luma(table.faces[rows], device)).float()
        amended_BHW = maps_B2HW.mean(1) + network.alpha * maps_B2HW.mean((0, 1))
        said[rows] = network.fc(amended_BHW.flatten(1)).argmax(1).cpu().numpy()
    return said
