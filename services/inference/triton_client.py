"""One Triton server, asked over gRPC: inference, whether it lives, what it serves, what its requests spent queueing.

Speaks in specs, rows and verdicts; retries, deadlines and who may ask are `triton`'s. Make it inside a running loop.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Collection
from math import inf
from typing import Any

import numpy as np
from google.protobuf.json_format import MessageToDict
from tritonclient.grpc import InferInput, InferRequestedOutput, aio  # type: ignore[import-untyped, unused-ignore]
from tritonclient.utils import (  # type: ignore[import-untyped, unused-ignore]
    InferenceServerException,
    np_to_triton_dtype,
    triton_to_np_dtype,
)

from services import calls, spans
from services.inference.backend import ModelSpec, Tensor, Tensors
from services.inference.repository import RepositoryError
from services.inference.verdicts import RefusalError, Verdict, verdict

log = logging.getLogger(__name__)

_ALIVE_S, _ASK_S, _LOAD_S, _LOOK_EVERY_S = 1.0, 5.0, 300.0, 0.5
_PATIENT = 2  # the priority level that config.pbtxt has for those who let others go before
_CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.lb_policy_name", "round_robin"),  # the name may stand for several Tritons
    # a server that returns shall be found at once, not when a backoff of minutes ends
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


class TritonClient:
    """The connection to the Triton at `address`, host:port of its gRPC."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._client = aio.InferenceServerClient(address, channel_args=_CHANNEL)

    async def infer(
        self, spec: ModelSpec, inputs: Tensors, left_s: float, version: int | None = None
    ) -> tuple[Tensors, int]:
        """The outputs for at most a batch of rows, and the version that gave them.

        Args:
            version: None: the newest that is loaded.
            left_s: Triton drops the request from its queue when this has passed; inf: never.

        Raises:
            RefusalError: with what it means.
        """
        sent = []
        for tensor in spec.inputs:
            array = inputs[tensor.name]
            one = InferInput(tensor.name, array.shape, np_to_triton_dtype(tensor.dtype))
            sent.append(one.set_data_from_numpy(array))
        try:
            result = await self._client.infer(
                spec.name,
                sent,
                model_version=str(version or ""),
                outputs=[InferRequestedOutput(output.name) for output in spec.outputs],
                request_id=calls.request_id(),
                priority=_PATIENT if calls.patient() else 0,
                timeout=max(1, int(left_s * 1e6)) if left_s < inf else None,
                client_timeout=left_s if left_s < inf else None,
                headers=spans.headers() if spans.trace_id() else {},  # Triton keeps whatever has any
            )
            outputs = {output.name: result.as_numpy(output.name) for output in spec.outputs}
        except InferenceServerException as error:
            raise _refused(error) from None
        except ValueError as error:  # a tensor that is not as large as it says
            raise RefusalError(Verdict.FAILED, str(error)) from None
        rows = len(inputs[spec.inputs[0].name])
        if any(array is None or len(array) != rows for array in outputs.values()):
            raise RefusalError(Verdict.FAILED, f"{rows} rows in, another number out")
        return outputs, int(result.get_response().model_version)

    async def probe(self, spec: ModelSpec, within_s: float, version: int | None) -> None:
        """Ask the model about one row of zeros.

        Raises:
            RefusalError: it gave no answer.
        """
        rows = {one.name: np.zeros((1, *(max(1, dim) for dim in one.dims)), one.dtype) for one in spec.inputs}
        await self.infer(spec, rows, within_s, version)

    async def arrive(self, within_s: float) -> None:
        """Wait until the server is there, which listens when its models are loaded.

        It is not asked whether it is "ready": it says no for any model that ever failed to load, also one that nobody
        here wants.

        Raises:
            RepositoryError: it did not come.
        """
        late = asyncio.get_running_loop().time() + within_s
        log.info("waiting for Triton at %s", self.address)
        while not await self.alive():
            if asyncio.get_running_loop().time() >= late:
                raise RepositoryError(
                    f"No Triton is ready at {self.address}. Start it (make triton) or set MIEN_TRITON_ADDRESS."
                )
            await asyncio.sleep(_LOOK_EVERY_S)

    async def alive(self) -> bool | None:
        """Whether the server is there; None: it did not say in time."""
        try:
            return bool(await self._client.is_server_live(client_timeout=_ALIVE_S))
        except InferenceServerException as error:
            return None if _refused(error).verdict is Verdict.LATE else False

    async def versions(self, name: str) -> set[int]:
        """Those of a model that are loaded.

        Raises:
            RepositoryError: there is no such model, or no answer.
        """
        try:
            told = await self._client.get_model_metadata(name, client_timeout=_ASK_S)
        except InferenceServerException as error:
            raise RepositoryError(f"Triton at {self.address} does not serve {name}: {error.message()}.") from None
        return set(map(int, told.versions))

    async def load(self, name: str, versions: Collection[int]) -> None:
        """Have exactly these versions of a model served; what goes finishes what it runs.

        Raises:
            RepositoryError: they are not; what was served is served on.
        """
        try:
            config = MessageToDict((await self._client.get_model_config(name, client_timeout=_ASK_S)).config)
            config["versionPolicy"] = {"specific": {"versions": sorted(versions)}}
            await self._client.load_model(name, config=json.dumps(config), client_timeout=_LOAD_S)
        except InferenceServerException as error:
            text = str(error.message())
            if "not allowed" in text:
                raise RepositoryError(
                    "Triton takes no orders: start it with --model-control-mode explicit --load-model '*'."
                ) from None
            log.warning("triton did not load %s: %s", name, _refused(error).text)
            raise RepositoryError(
                f"Triton did not load {name} in version {', '.join(map(str, sorted(versions)))}; its log says why."
            ) from None

    async def spent(self) -> tuple[dict[str, tuple[int, int]], dict[str, set[int]]]:
        """Nanoseconds that answered requests queued, and took in all, by model since the server started; and the
        versions that are loaded, by model.

        Raises:
            RefusalError: it gave no answer.
        """
        try:
            told = await self._client.get_inference_statistics(client_timeout=_ALIVE_S)
        except InferenceServerException as error:
            raise _refused(error) from None
        sums: dict[str, tuple[int, int]] = {}
        versions: dict[str, set[int]] = {}
        for one in told.model_stats:
            queued, whole = sums.get(one.name, (0, 0))
            sums[one.name] = (queued + one.inference_stats.queue.ns, whole + one.inference_stats.success.ns)
            versions.setdefault(one.name, set()).add(int(one.version))
        return sums, versions

    async def compare(self, spec: ModelSpec) -> None:
        """Refuse a model that is not the one of the repository here.

        Raises:
            RepositoryError: the sentence says what differs.
        """
        try:
            told = await self._client.get_model_metadata(spec.name, client_timeout=_ASK_S)
            config = (await self._client.get_model_config(spec.name, client_timeout=_ASK_S)).config
        except InferenceServerException as error:
            raise RepositoryError(f"Triton at {self.address} does not serve {spec.name}: {error.message()}.") from None
        if str(spec.version) not in told.versions:
            raise RepositoryError(
                f"Triton serves {spec.name} in version {', '.join(told.versions) or 'none'}, the repository here has "
                f"{spec.version}: give both the same repository, then restart Triton."
            )
        if config.max_batch_size < spec.batching.max_batch_size:
            raise RepositoryError(
                f"Triton takes {config.max_batch_size} rows of {spec.name} at once, config.pbtxt here says "
                f"{spec.batching.max_batch_size}: restart Triton on this repository."
            )
        for role, wanted, nodes in (("inputs", spec.inputs, told.inputs), ("outputs", spec.outputs, told.outputs)):
            served = {node.name: _tensor(node) for node in nodes}
            for tensor in wanted:
                if served.get(tensor.name) != tensor:
                    raise RepositoryError(
                        f"Triton's {spec.name} has the {role} {', '.join(map(str, served.values()))}; config.pbtxt "
                        f"here says {tensor}: restart Triton on this repository."
                    )

    async def close(self) -> None:
        """Let the connection go."""
        await self._client.close()


def _refused(error: Any) -> RefusalError:
    text = str(error.message())
    # for the log, where no folder of a machine belongs
    return RefusalError(verdict(str(error.status()), text), re.sub(r"(/[^/\s:]+)+/", "", text.partition("\n")[0]))


def _tensor(node: Any) -> Tensor:
    return Tensor(node.name, np.dtype(triton_to_np_dtype(node.datatype)), tuple(node.shape[1:]))
