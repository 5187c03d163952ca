"""Canary and shadow: who answers how many calls, what is compared, and that neither costs a caller anything."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from services import calls
from services.domain import ModelVersion
from services.errors import Kind, MienError
from services.inference import shadows
from services.inference.candidates import Canary, read_candidates
from services.inference.embedded import EmbeddedBackend
from services.inference.repository import RepositoryError
from services.inference.rollout import Rollout
from tests.services.inference.observers import Ledger
from tests.services.inference.toy_repository import toy_faces, write_classifier

NAME = "expression_classifier"


class Counts:
    """What a rollout's observer was told."""

    def __init__(self) -> None:
        self.answers: Counter[int] = Counter()
        self.failures: Counter[tuple[int, Kind]] = Counter()
        self.shadows: Counter[str] = Counter()
        self.distances: list[float] = []

    def answered(self, model: ModelVersion, inference_s: float) -> None:
        self.answers[model.version] += 1

    def failed_by(self, model: ModelVersion, reason: Kind) -> None:
        self.failures[model.version, reason] += 1

    def shadowed(self, model: ModelVersion, outcome: str, distance: float | None) -> None:
        self.shadows[outcome] += 1
        self.distances += [] if distance is None else [distance]


@asynccontextmanager
async def started(repository: Path, *, canary: str = "", shadow: str = "") -> AsyncIterator[tuple[Rollout, Counts]]:
    counts = Counts()
    inner = EmbeddedBackend(repository, Ledger())
    rollout = Rollout(inner, repository, read_candidates(canary, shadow), counts)
    await rollout.start()
    try:
        yield rollout, counts
    finally:
        await rollout.close()


async def ask(rollout: Rollout, rows: int = 1) -> int:
    return (await rollout.infer(NAME, {"faces": toy_faces(rows)}, deadline_s=60)).version


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - shadows are asked behind everybody's back
            await asyncio.sleep(0.01)


def two_versions(repository: Path) -> None:
    for version in (1, 2):
        write_classifier(repository, version=version)


async def test_a_canary_answers_its_share_of_the_calls_and_the_answers_say_so(tmp_path: Path) -> None:
    two_versions(tmp_path)
    async with started(tmp_path, canary=f"{NAME}=2:30") as (rollout, counts):
        seen = Counter([await ask(rollout) for _ in range(400)])
        assert 60 < seen[2] < 180, "30 % of 400, by six standard deviations"
        assert counts.answers == seen


async def test_all_that_one_call_asks_is_answered_by_one_version(tmp_path: Path) -> None:
    two_versions(tmp_path)
    async with started(tmp_path, canary=f"{NAME}=2:50") as (rollout, _):
        seen = []
        for _ in range(24):
            with calls.answering("one", 60):
                seen.append({await ask(rollout, rows=9) for _ in range(4)})
        assert all(len(versions) == 1 for versions in seen)
        assert {1, 2} == set().union(*seen)


async def test_a_canary_that_fails_costs_no_caller_an_answer(tmp_path: Path) -> None:
    write_classifier(tmp_path, version=1)
    write_classifier(tmp_path, version=2, fault="fails on white")
    white = {"faces": np.full((1, 112, 112, 3), 255, np.uint8)}
    async with started(tmp_path, canary=f"{NAME}=2:100") as (rollout, counts):
        assert (await rollout.infer(NAME, white, deadline_s=60)).version == 1
        assert counts.failures == {(2, Kind.UNAVAILABLE): 1}
        with pytest.raises(MienError):  # who names a version gets that one or an error
            await rollout.infer(NAME, white, deadline_s=60, version=2)


async def test_a_canary_that_is_let_go_or_promoted_is_none_any_more(tmp_path: Path) -> None:
    two_versions(tmp_path)
    async with started(tmp_path, canary=f"{NAME}=2:100") as (rollout, _):
        assert await ask(rollout) == 2
        await rollout.release(NAME, 2)
        assert await ask(rollout) == 1
        await rollout.load(NAME, 2)
        assert await ask(rollout) == 2
        assert rollout.specs()[NAME].version == 2


async def test_an_equal_shadow_agrees_and_its_answers_are_never_returned(tmp_path: Path) -> None:
    two_versions(tmp_path)
    async with started(tmp_path, shadow=f"{NAME}=2") as (rollout, counts):
        for number in range(5):
            assert await ask(rollout, rows=3) == 1
            await until(lambda asked=number + 1: counts.shadows.total() == asked)  # type: ignore[misc]
        assert counts.shadows == {"agreed": 5}
        assert max(counts.distances) < 1e-6
        assert counts.answers == {1: 5}, "a shadow's answers are nobody's"


def test_shadows_are_compared_by_their_top_label_and_their_largest_difference() -> None:
    one = np.array([[0.6, 0.4], [0.5, 0.5]], np.float32)
    assert shadows.compared(one, np.array([[0.9, 0.1], [0.5, 0.5]], np.float32)) == (
        shadows.Outcome.AGREED,
        pytest.approx(0.3),
    )
    assert shadows.compared(one, one[:, ::-1])[0] is shadows.Outcome.DIFFERED
    assert shadows.compared(one, one * np.nan) == (shadows.Outcome.FAILED, None)


async def test_a_slow_shadow_keeps_no_caller_waiting_and_is_dropped_when_busy(tmp_path: Path) -> None:
    write_classifier(tmp_path, version=1)
    write_classifier(tmp_path, version=2, fault="slow", max_batch_size=1)
    async with started(tmp_path, shadow=f"{NAME}=2") as (rollout, counts):
        for _ in range(shadows.MOST_AT_ONCE):
            await ask(rollout, rows=20)  # twenty slow batches of the shadow
        assert not counts.shadows, "callers were answered before their shadows"
        await ask(rollout)
        assert counts.shadows == {"dropped": 1}


async def test_a_shadow_that_fails_is_counted_and_nobody_hears_of_it(tmp_path: Path) -> None:
    write_classifier(tmp_path, version=1)
    write_classifier(tmp_path, version=2, fault="fails on white")
    async with started(tmp_path, shadow=f"{NAME}=2") as (rollout, counts):
        answer = await rollout.infer(NAME, {"faces": np.full((1, 112, 112, 3), 255, np.uint8)}, deadline_s=60)
        assert answer.version == 1
        await until(lambda: counts.shadows == {"failed": 1})
        assert not counts.failures


@pytest.mark.parametrize("text", ["x", "x=4", "x=4:", "x=0:10", "x=4:101", "x=four:10", "x=4:10,x=5:10", "x=4:1;y=2:3"])
def test_a_canary_that_is_written_otherwise_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(RepositoryError, match="MIEN_CANARY"):
        read_candidates(text, "")


def test_several_candidates_are_read() -> None:
    candidates = read_candidates("x=4:10, y=2:0.5", "x=5")
    assert candidates.canaries == {"x": Canary(4, 0.1), "y": Canary(2, 0.005)}
    assert candidates.versions("x") == {4, 5}
    assert not read_candidates("", "").models()


@pytest.mark.parametrize(
    ("canary", "sentence"),
    [
        (f"{NAME}=2:10", "has no version besides 2"),
        (f"{NAME}=7:10", "has no version 7 on disk; there are 2"),
        ("nobody=1:10", "the model repository has none"),
    ],
)
async def test_a_candidate_that_cannot_be_is_refused_at_the_start(tmp_path: Path, canary: str, sentence: str) -> None:
    write_classifier(tmp_path, version=2)
    with pytest.raises(RepositoryError, match=sentence):
        async with started(tmp_path, canary=canary):
            pass
