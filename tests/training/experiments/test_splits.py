"""The three splits as properties: what may cross, what may not, and that nothing is lost unseen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.experiments import splits
from training.experiments.splits import Parts

CLASSES = 7


@st.composite
def grids(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:  # type: ignore[type-arg]
    """(source, reference, label, seed) of a GAN18K in which every source meets every reference at two steps, some
    pictures missing."""
    sources, references = draw(st.integers(5, 12)), draw(st.integers(5, 9))
    cells = [(s, r, c) for s in range(sources) for r in range(references) for c in range(CLASSES) for _ in range(2)]
    random = np.random.default_rng(draw(st.integers(0, 999)))
    kept = [cells[at] for at in np.sort(random.permutation(len(cells))[: int(0.95 * len(cells))])]
    source, reference, label = (np.array(column) for column in zip(*kept, strict=True))
    names = np.char.add("warrior ", source.astype(np.str_))
    return names, reference, label, draw(st.integers(0, 99))


def each(parts: Parts) -> tuple[np.ndarray, ...]:  # type: ignore[type-arg]
    return parts.train, parts.validation, parts.test


def crossing(names: np.ndarray, parts: Parts) -> set[object]:  # type: ignore[type-arg]
    """Names that stand in more than one part."""
    train, validation, test = (set(names[rows].tolist()) for rows in each(parts))
    return (train & validation) | (train & test) | (validation & test)


@settings(max_examples=30, deadline=None)
@given(grids())
def test_no_row_is_in_two_parts_and_what_is_dropped_is_told(grid: tuple) -> None:  # type: ignore[type-arg]
    source, reference, label, seed = grid
    for parts in (
        splits.within_source(source, label, seed),
        splits.by_source(source, seed),
        splits.by_source_and_reference(source, reference, seed),
    ):
        rows = np.concatenate(each(parts))
        assert len(rows) == len(set(rows.tolist()))
        assert len(rows) + parts.mixed == len(source)


@settings(max_examples=30, deadline=None)
@given(grids())
def test_arm_2_has_every_source_and_every_expression_in_training_and_test(grid: tuple) -> None:  # type: ignore[type-arg]
    source, _, label, seed = grid
    parts = splits.within_source(source, label, seed)
    assert set(source[parts.train]) == set(source)
    assert crossing(source, parts), "it leaks by construction"
    for expression in range(CLASSES):
        own = label == expression
        shares = [own[rows].sum() / own.sum() for rows in each(parts)]
        assert shares == pytest.approx(splits.SHARES, abs=0.1)
    assert parts.mixed == 0


@settings(max_examples=30, deadline=None)
@given(grids())
def test_arm_1_lets_no_source_cross_and_keeps_every_picture(grid: tuple) -> None:  # type: ignore[type-arg]
    source, reference, label, seed = grid
    parts = splits.by_source(source, seed)
    assert not crossing(source, parts)
    assert crossing(reference, parts), "references still leak"
    counts = sum(np.bincount(label[rows], minlength=CLASSES) for rows in each(parts))
    assert (counts == np.bincount(label, minlength=CLASSES)).all()


@settings(max_examples=30, deadline=None)
@given(grids())
def test_arm_0_lets_neither_source_nor_reference_cross_and_drops_the_mixed_cells_alone(grid: tuple) -> None:  # type: ignore[type-arg]
    source, reference, _, seed = grid
    parts = splits.by_source_and_reference(source, reference, seed)
    assert not crossing(source, parts)
    assert not crossing(reference, parts)
    assert parts.mixed > 0
    stays = [(set(source[rows]), set(reference[rows])) for rows in each(parts)]
    dropped = np.setdiff1d(np.arange(len(source)), np.concatenate(each(parts)))
    assert not any(source[row] in s and reference[row] in r for row in dropped for s, r in stays)


@settings(max_examples=30, deadline=None)
@given(grids())
def test_matched_splits_train_on_equally_many_of_each_expression(grid: tuple) -> None:  # type: ignore[type-arg]
    source, reference, label, seed = grid
    found = {
        "ARM-2": splits.within_source(source, label, seed),
        "ARM-0": splits.by_source_and_reference(source, reference, seed),
    }
    cut = splits.matched(found, label, seed)
    counts = [np.bincount(label[parts.train], minlength=CLASSES).tolist() for parts in cut.values()]
    assert counts[0] == counts[1]
    for name, parts in cut.items():
        assert set(parts.train) <= set(found[name].train)
        assert len(parts.train) + parts.unused == len(found[name].train)
        assert (parts.test == found[name].test).all()


def test_the_same_seed_splits_alike_and_another_one_does_not() -> None:
    source = np.repeat([f"warrior {at}" for at in range(30)], 4)
    one, same, other = (splits.by_source(source, seed).test.tolist() for seed in (1, 1, 2))
    assert one == same != other


def test_too_few_to_divide_is_an_error_that_says_so() -> None:
    with pytest.raises(ValueError, match="2 sources are too few"):
        splits.by_source(np.array(["a", "b"] * 9), 0)
    with pytest.raises(ValueError, match="1 references are too few"):
        splits.by_source_and_reference(np.array(list("abcdef")), np.zeros(6, int), 0)
