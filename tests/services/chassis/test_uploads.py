"""Bodies that would be large once they are read."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

import pytest
from starlette.requests import Request

from services.chassis.uploads import read_image, read_upload
from services.errors import Kind, MienError


def request(body: bytes, kind: str = "application/json") -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({"type": "http", "headers": [(b"content-type", kind.encode())]}, receive)


@pytest.mark.parametrize(
    "body",
    [
        b'{"image": "AAAA"' + b"".join(b',"k%d":1' % number for number in range(100_000)) + b"}",
        b'{"image": "AAAA", "a": [' + b"[]," * 300_000 + b"1]}",
        b"[" * 1_000_000,
        b'{"image":' * 1_000_000,
    ],
    ids=["members", "lists", "brackets", "objects"],
)
async def test_json_of_many_members_is_refused_unread(body: bytes) -> None:
    asked = request(body)
    tracemalloc.start()
    begun = time.process_time()
    with pytest.raises(MienError) as caught:
        await read_upload(asked, 10_000_000)
    taken_s, (_, peak_bytes) = time.process_time() - begun, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.kind is Kind.MALFORMED_REQUEST
    assert taken_s < 0.5
    assert peak_bytes < 3 * len(body)


@pytest.mark.parametrize("member", [b'"\\ud800": 1', b'"model": "\\ud800"'], ids=["name", "value"])
async def test_half_a_character_is_told_and_not_passed_on(member: bytes) -> None:
    with pytest.raises(MienError, match="not Unicode") as caught:
        await read_upload(request(b'{"image": "AAAA", ' + member + b"}"), 1000)
    assert caught.value.kind is Kind.MALFORMED_REQUEST


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=b"])
async def test_where_options_go_into_the_query_one_in_the_body_is_told(kind: str) -> None:
    body = b'{"image": "AAAA", "detect": false}'
    if kind != "application/json":
        part = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
        body = part % (b"image", b'; filename="a"', b"AAAA") + part % (b"detect", b"", b"false") + b"--b--\r\n"
    with pytest.raises(MienError, match="options go into the query") as caught:
        await read_image(request(body, kind), 10_000)
    assert (caught.value.kind, caught.value.field) == (Kind.BAD_PARAMETER, "detect")
    assert (await read_upload(request(body, kind), 10_000)).fields == {"detect": "false"}


async def test_json_with_every_parameter_is_read() -> None:
    units = {f"AU{number:02}": 0.5 for number in range(17)}
    upload = await read_upload(request(json.dumps({"image": "AAAA", "action_units": units}).encode()), 10_000)
    assert upload.image == b"\0\0\0"
    assert json.loads(upload.fields["action_units"]) == units
