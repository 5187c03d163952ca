"""One study: its configuration, its folder, and everything that several experiments share, read or trained once.

Data come on first use, so that an experiment which needs no GAN pictures makes none.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from training.data import rafdb, sources, statues
from training.data.faces import FaceTable, Split
from training.experiments import gan, roles, splits
from training.experiments.classifiers import GAN, PEOPLE, RENDERED, SPLITS, Recipe, Trained, train
from training.experiments.figures import Figures, own, resized
from training.experiments.gan import Generated
from training.experiments.settings import Experiments

SALT = 1  # changes with the meaning of a result
VALIDATION_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Apart:
    """Faces to learn from, to choose the epoch on, and to report."""

    train: FaceTable
    validation: FaceTable
    test: FaceTable


class Study:
    """`how`: the configuration. `folder`: where results, classifiers and GAN18K lie."""

    def __init__(self, how: Experiments, folder: Path) -> None:
        self.how, self.folder = how, folder.expanduser()
        self.px = how.network.face_px

    @cached_property
    def people(self) -> Apart:
        """The people's set. FER+: PublicTest is the test, a tenth of the training rows the validation. RAF-DB: its own
        test rows. A folder: the held-out persons are the test."""
        how, path = self.how.people, Path(self.how.people.path).expanduser()
        split = sources.read(how.source, how.path, how.rows)
        if how.source == "rafdb":
            learnt, validation, test = split.train, split.validation, rafdb.test(path)
        else:
            order = np.random.default_rng((self.how.seed, 1)).permutation(len(split.train))
            held = max(1, round(VALIDATION_SHARE * len(order)))
            learnt, validation = split.train.take(np.sort(order[held:])), split.train.take(np.sort(order[:held]))
            test = split.validation
        test = test.take(np.arange(min(how.test_rows or len(test), len(test))))
        return Apart(*(self._sized(table) for table in (learnt, validation, test)))

    @cached_property
    def truth(self) -> Figures:
        """Statues with true expressions, of heads that nothing was learnt from: neutral, or clearly shown."""
        figures, found = self._test
        return figures.take(np.flatnonzero(found.clear))

    @cached_property
    def _test(self) -> tuple[Figures, statues.Statues]:
        """The test corpus. Raises ValueError: one of its heads was learnt from."""
        how = self.how.statues
        figures, found = roles.rendered(Path(how.test), Path(how.landmarker), self.px)
        learnt = {str(name) for name in self._corpus[0].identity}
        shared = learnt & {str(name) for name in figures.identity}
        if shared:
            raise ValueError(
                f"{how.test} shares {len(shared)} heads with {how.train} ({min(shared)}): render the test corpus with "
                "another name and seed"
            )
        return figures, found

    @cached_property
    def own_truth(self) -> Figures | None:
        """The user's labelled photographs of statues, or None.

        Raises:
            ValueError: some have no expression.
        """
        path = self.how.roles.truth
        found = own(Path(path), self.px, "truth") if path else None
        if found is not None and (found.labels < 0).any():
            raise ValueError(f"truth: {path} has pictures without an expression: put them into folders named after one")
        return found

    @cached_property
    def cast(self) -> roles.Cast:
        figures, _ = self._corpus
        scans = figures.take(np.flatnonzero(figures.material == "scan"))
        return roles.cast(self.how.roles, self._test[0], scans, self.px, self.how.seed)

    @cached_property
    def rendered(self) -> tuple[FaceTable, FaceTable]:
        """Rendered statues to learn from (graded targets) and to choose on, apart by head; scans are left out, they
        play a role."""
        figures, found = self._corpus
        learnt, validation = statues.held_out_split(found.take(figures.material != "scan"))
        most = self.how.statues.rows or len(learnt.table)
        rows = np.random.default_rng((self.how.seed, 3)).permutation(len(learnt.table))[:most]
        return self._sized(learnt.table.take(np.sort(rows))), self._sized(validation.take(validation.clear).table)

    @cached_property
    def generated(self) -> Generated:
        how = self.how.gan
        name = hashlib.sha256(json.dumps(self.prints("gan"), sort_keys=True).encode()).hexdigest()[:10]
        folder = gan.make(how, self.how.statues.train, self.folder / f"gan18k-{name}", self.how.seed)
        return gan.read(folder, self.px)

    @cached_property
    def splits(self) -> dict[str, splits.Parts]:
        """The three splits of GAN18K, by name, with training parts of one size."""
        made, seed = self.generated, self.how.seed
        found = (
            splits.within_source(made.source, made.table.labels, seed),
            splits.by_source(made.source, seed),
            splits.by_source_and_reference(made.source, made.reference, seed),
        )
        return splits.matched(dict(zip(SPLITS, found, strict=True)), made.table.labels, seed)

    def trained(self, recipe: Recipe) -> Trained:
        """A classifier, trained on first use."""
        learnt, chosen = [], []
        for source in recipe.sources:
            if source == PEOPLE:
                parts = self.people.train, self.people.validation
            elif source == RENDERED:
                parts = self.rendered
            else:
                assert source == GAN
                rows = self.splits[recipe.split]
                parts = self.generated.table.take(rows.train), self.generated.table.take(rows.validation)
            learnt.append(parts[0])
            chosen.append(parts[1])
        return train(recipe, Split(_joined(learnt), _joined(chosen)), self.how, self.folder / "classifiers")

    def prints(self, *uses: str) -> dict[str, object]:
        """What a result depends on: the sections of the configuration that it uses, and their inputs."""
        how = self.how
        values = asdict(how)
        inputs = {
            "people": [how.people.path],
            "statues": [how.statues.train, how.statues.test, how.statues.landmarker],
            "gan": [how.gan.folder] if how.gan.folder else [how.gan.faces or how.statues.train, *self._models()],
            "roles": [path for name, path in asdict(how.roles).items() if name != "share" and path],
        }
        found: dict[str, object] = {"salt": SALT, "seed": how.seed, "draws": how.draws}
        for section in uses:
            found[section] = values[section]
            found[f"{section} inputs"] = [_print(Path(path).expanduser()) for path in inputs.get(section, [])]
        return found

    def _models(self) -> list[str]:
        return [str(path) for path in gan.models(self.how.gan)]

    @cached_property
    def _corpus(self) -> tuple[Figures, statues.Statues]:
        how = self.how.statues
        return roles.rendered(Path(how.train), Path(how.landmarker), self.px)

    def _sized(self, table: FaceTable) -> FaceTable:
        return FaceTable(resized(table.faces, self.px), table.targets, table.labels)


def _joined(tables: list[FaceTable]) -> FaceTable:
    parts = ([getattr(table, name) for table in tables] for name in ("faces", "targets", "labels"))
    return FaceTable(*(np.concatenate(part) for part in parts))


def _print(path: Path) -> str:
    """A corpus by its manifest, a file by its bytes, another folder by its files' names, sizes and times."""
    if (path / "manifest.parquet").exists():
        path = path / "manifest.parquet"
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else []
    facts = [(str(file.relative_to(path)), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
