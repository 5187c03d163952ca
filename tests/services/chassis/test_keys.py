"""Keys: the file, rotation, rates and quotas, and who is let in."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mien.cli import app
from services import calls
from services.chassis import guard
from services.chassis.accounts import Account
from services.chassis.guard import KeyGuard, scope_of, shown_key
from services.chassis.keyring import Keyring
from services.chassis.keys import Key, Scope, matching, read_keys
from services.errors import Kind, MienError


class Clock:
    """Time that passes when it is told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def line(id: str, secret: str, /, **values: object) -> str:
    text = {"scopes": '["classify"]', **values}
    fields = "".join(f", {name} = {value}" for name, value in text.items())
    return f'{id} = {{ sha256 = "{hashlib.sha256(secret.encode()).hexdigest()}"{fields} }}\n'


def refused(call: Callable[[], object]) -> MienError:
    with pytest.raises(MienError) as caught:
        call()
    return caught.value


def test_what_the_command_prints_is_a_line_that_the_file_takes_and_the_key_is_not_in_it() -> None:
    words = ["keys", "new", "museum", "--scopes", "classify,generate", "--expires", "30d", "--per-second", "2.5"]
    result = CliRunner().invoke(app, [*words, "--burst", "5", "--at-once", "3"])
    assert result.exit_code == 0, result.output
    secret = result.stderr.split()[-1]
    assert len(secret) >= 48
    assert secret not in result.stdout
    (key,) = read_keys(result.stdout)
    assert (key.id, key.scopes) == ("museum", {Scope.CLASSIFY, Scope.GENERATE})
    assert (key.per_second, key.burst, key.at_once) == (2.5, 5, 3)
    assert matching([key], secret) is key
    assert matching([key], secret[:-1]) is None


@pytest.mark.parametrize("words", [["a b"], ["a", "--scopes", "all"], ["a", "--expires", "soon"]])
def test_a_key_that_cannot_be_made_is_one_sentence(words: list[str]) -> None:
    result = CliRunner().invoke(app, ["keys", "new", *words])
    assert result.exit_code == 2
    assert result.output.startswith("mien: ")
    assert result.output.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it has no key"),
        ("mien_a_key_that_was_pasted", "not TOML at end of document"),
        ('a = "mien_a_key_that_was_pasted"', "a: write it as"),
        ('a = { sha256 = "mien_a_key_that_was_pasted", scopes = ["classify"] }', "a: sha256 has 64 hexadecimal digits"),
        (line("a", "x", scopes="[]"), "a: scopes"),
        (line("a", "x", scopes='["everything"]'), "a: scopes"),
        (line("a", "x", expires='"tomorrow"'), "a: expires"),
        (line("a", "x", expires="5"), "a: expires"),
        (line("a", "x", per_second="-1"), "a: per_second"),
        (line("a", "x", at_once="true"), "a: at_once"),
        (line("a", "x", key='"mien_a_key_that_was_pasted"'), "a: there are sha256"),
        (line("a", "x") + line("b", "x"), "two ids have the same key"),
        (line("a", "x") + line("a", "y"), "not TOML"),
    ],
)
def test_a_wrong_file_says_where_and_never_what_was_written_there(text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_keys(text)
    assert said in str(caught.value)
    assert "pasted" not in str(caught.value)


def test_keys_rotate_without_a_restart_and_a_bad_file_leaves_those_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, clock = tmp_path / "keys.toml", Clock()
    file.write_text(line("old", "first"))
    ring = Keyring(file, clock)

    def later(text: str | None) -> None:
        _ = file.unlink(missing_ok=True) if text is None else file.write_text(text)
        clock.now += 2

    later(line("old", "first") + line("new", "second"))
    assert (ring.find("first").id, ring.find("second").id) == ("old", "new")
    with caplog.at_level(logging.WARNING):
        for broken in ("second", None, None):
            later(broken)
            assert ring.find("first").id == "old"
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2  # the third is the second still
    later(line("new", "second"))
    assert ring.find("second").id == "new"
    assert refused(lambda: ring.find("first")).kind is Kind.UNAUTHENTICATED


def test_a_file_that_is_there_but_cannot_be_read_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, clock = tmp_path / "keys.toml", Clock()
    file.write_text(line("old", "first"))
    ring = Keyring(file, clock)
    file.unlink()
    file.mkdir()  # so that root cannot read it either
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            clock.now += 2
            assert ring.find("first").id == "old"
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_link_that_points_elsewhere_is_a_changed_file(tmp_path: Path) -> None:
    """As Kubernetes changes a mounted secret; the two files are alike in all but what they hold."""
    for name in ("a", "b"):
        (tmp_path / name).write_text(line(name, name))
        os.utime(tmp_path / name, (1, 1))
    (tmp_path / "now").symlink_to("a")
    clock = Clock()
    ring = Keyring(tmp_path / "now", clock)
    (tmp_path / "now").unlink()
    (tmp_path / "now").symlink_to("b")
    clock.now += 2
    assert ring.find("b").id == "b"


def test_a_key_holds_until_its_last_day_has_ended(tmp_path: Path) -> None:
    file, calendar = tmp_path / "keys.toml", Clock()
    file.write_text(line("a", "x", expires='"2027-06-30"'))
    ring = Keyring(file, calendar=calendar)
    calendar.now = 1814399999  # 2027-06-30 23:59:59 UTC
    key = ring.find("x")
    calendar.now += 1
    for ask in (lambda: ring.find("x"), lambda: ring.still(key)):
        assert refused(ask).kind is Kind.UNAUTHENTICATED
        assert "expired" in refused(ask).detail


def test_a_missing_file_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"MIEN_KEYS_FILE: it cannot be read \(No such file"):
        Keyring(tmp_path / "nowhere")


def test_the_rate_lets_a_burst_through_then_so_many_a_second() -> None:
    clock = Clock()
    account = Account(Key("a", b"", frozenset(), per_second=2, burst=3), clock)

    def call() -> None:
        with account.call():
            pass

    for _ in range(3):
        call()
    over = refused(call)
    assert (over.kind, over.retry_after_s) == (Kind.RATE_EXCEEDED, 0.5)
    clock.now += over.retry_after_s
    call()
    assert refused(call).kind is Kind.RATE_EXCEEDED
    clock.now += 3600
    for _ in range(3):
        call()
    assert refused(call).kind is Kind.RATE_EXCEEDED
    account.take(5)  # a form with six photos leaves a debt
    assert refused(call).retry_after_s == pytest.approx(3.0)


def test_the_quota_is_of_calls_in_work_and_a_refused_call_costs_nothing() -> None:
    account = Account(Key("a", b"", frozenset(), per_second=1, burst=2, at_once=1), Clock())
    with account.call():
        for _ in range(5):
            assert refused(account.call().__enter__).kind is Kind.QUOTA_EXCEEDED
    with account.call():  # the second token is still there, and the place is free
        pass
    assert account.in_work == 0


def test_who_is_let_in(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(line("reads", "x") + line("paints", "y", scopes='["generate"]'))
    door = KeyGuard(Keyring(file))

    def ask(headers: dict[str, str], scope: Scope) -> str:
        with calls.answering("id", 1.0), door.admitted(headers, scope):
            return calls.caller()

    assert ask({"authorization": "Bearer x"}, Scope.CLASSIFY) == "reads"
    assert ask({"authorization": "bearer  x "}, Scope.CLASSIFY) == "reads"
    assert ask({"x-api-key": "y"}, Scope.GENERATE) == "paints"
    assert ask({"authorization": "Basic zzz", "x-api-key": "y"}, Scope.GENERATE) == "paints"
    for headers in (
        {},
        {"authorization": ""},
        {"authorization": "x"},
        {"authorization": "Basic x"},
        {"x-api-key": "z"},
    ):
        assert refused(lambda headers=headers: ask(headers, Scope.CLASSIFY)).kind is Kind.UNAUTHENTICATED
    wrong = refused(lambda: ask({"x-api-key": "y"}, Scope.CLASSIFY))
    assert wrong.kind is Kind.PERMISSION_DENIED
    assert "'classify'" in wrong.detail


def test_methods_and_routes_need_the_same_scopes() -> None:
    assert {scope_of(name) for name in ("/v1/generate", "Generate", "GenerateStream")} == {Scope.GENERATE}
    reading = ("/v1/classify", "/v1/detect", "/v1/models", "/v1/x", "Classify", "DetectStream", "ListModels")
    assert {scope_of(name) for name in reading} == {Scope.CLASSIFY}
    assert scope_of("/v1/admin/models/x/load") is Scope.ADMIN


async def test_items_of_a_stream_wait_for_the_rate_and_end_with_their_key(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(line("a", "x", per_second=50, burst=1))
    clock = Clock()
    door = KeyGuard(Keyring(file, clock))
    with calls.answering("id", 60.0), door.admitted({"x-api-key": "x"}, Scope.CLASSIFY):
        began = asyncio.get_running_loop().time()
        for _ in range(5):
            await guard.paced()
        assert asyncio.get_running_loop().time() - began >= 0.09
        file.write_text(line("b", "y"))
        clock.now += 2
        with pytest.raises(MienError) as caught:
            await guard.paced()
        assert caught.value.kind is Kind.UNAUTHENTICATED
    await guard.paced()  # and where nobody asked for a key, nobody waits


def test_a_key_that_is_too_long_is_none_and_no_key_is_told_apart() -> None:
    keys = read_keys(line("a", "x" * 257))
    assert matching(keys, "x" * 257) is None
    assert refused(lambda: shown_key({})).kind is Kind.UNAUTHENTICATED
