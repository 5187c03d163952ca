"""The composition root: it reads the settings and wires what `choices` finds in them.

`mien serve all` wires objects in one process; `mien serve gateway` (or another of them) runs one service
and wires gRPC channels to the others. Nobody else can tell the difference.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import math
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial

import grpc
from fastapi import APIRouter

from services import choices
from services.admin import rest as admin_rest
from services.admin.keeper import ModelKeeper
from services.chassis import channels, logs, rest, rpc, server, shares
from services.chassis.admission import Admission
from services.chassis.connections import Limits
from services.chassis.links import Link
from services.chassis.streams import Streams
from services.chassis.threads import Threads
from services.chassis.uploads import FormLimits
from services.chassis.windows import Window
from services.classification import rest as classification_rest
from services.classification import rpc as classification_rpc
from services.classification.classifier import ExpressionClassifier
from services.detection import rest as detection_rest
from services.detection import rpc as detection_rpc
from services.detection.detector import FaceDetector
from services.detection.landmarker import FaceLandmarker
from services.detection.roles import FACE_LANDMARKER
from services.domain import Classifier, Detector, Generator
from services.entrances import NONE, Entrances, entrances
from services.gateway import rest as gateway_rest
from services.gateway import rpc as gateway_rpc
from services.gateway import status
from services.gateway.generation import GenerationPipeline
from services.gateway.history import History
from services.gateway.pipeline import Pipeline
from services.gateway.several import SeveralPhotos
from services.generation import rest as generation_rest
from services.generation import rpc as generation_rpc
from services.generation.generator import ExpressionGenerator
from services.images import ImageLimits
from services.inference.backend import Backend
from services.inference.rollout import Rollout
from services.metrics import Metrics
from services.settings import Settings

ROLES = ("gateway", "detection", "classification", "generation")
VERSION = importlib.metadata.version("mien")
_DECODERS = 2  # threads of a service whose pictures are one face each


@dataclass(slots=True)
class Parts:
    """What was wired: the services to run, what to start before serving, what must be ready, what to close after; and
    the gateway, where there is one, for who asks it without a transport (`offline`)."""

    services: list[server.Service] = field(default_factory=list)
    doors: list[server.Door] = field(default_factory=list)
    start: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    ready: dict[str, Callable[[], Awaitable[bool]]] = field(default_factory=dict)
    close: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    gateway: gateway_rpc.Servicer | None = None


def wire(settings: Settings, roles: tuple[str, ...], lifecycle: server.Lifecycle, ways: Entrances = NONE) -> Parts:
    """Wire the services of `roles` (some of `ROLES`) by objects where both ends are here, by channels where not."""
    parts = Parts()
    metrics = Metrics(VERSION)
    limits = ImageLimits(settings.max_image_bytes, settings.max_image_pixels)
    detector: Detector
    classifier: Classifier
    generator: Generator

    backend = _backend(settings, metrics, roles, parts)
    if "detection" in roles:
        detector = _detector(settings, limits, backend, parts)
    elif "gateway" in roles:
        channel = _channel(settings.detection_address, settings, ways, parts)
        detector = detection_rpc.RemoteDetector(channel, Link("detection", metrics))
        parts.ready["detection"] = partial(channels.serves, channel)
    if "classification" in roles:
        classifier = ExpressionClassifier(backend, settings.default_classifier)
    elif "gateway" in roles:
        channel = _channel(settings.classification_address, settings, ways, parts)
        classifier = classification_rpc.RemoteClassifier(channel, Link("classification", metrics))
        parts.ready["classification"] = partial(channels.serves, channel)
    if "generation" in roles:
        generator = _generator(backend, parts)
    elif "gateway" in roles:
        # not asked for readiness: a gateway that only reads needs no generation service
        channel = _channel(settings.generation_address, settings, ways, parts)
        generator = generation_rpc.RemoteGenerator(channel, Link("generation", metrics))

    async def readiness() -> dict[str, bool]:
        return {"process": lifecycle.serving} | {name: await check() for name, check in parts.ready.items()}

    if settings.admin_port and "models" in parts.ready:
        parts.doors.append(_admin(settings, metrics, readiness, ways, backend))
    make = partial(_service, settings, metrics, readiness, ways)
    if "gateway" in roles:
        threads = _threads(settings.gateway_workers, "gateway", parts)
        pipeline = Pipeline(detector, classifier, metrics, threads)
        generation = GenerationPipeline(detector, classifier, generator, metrics, threads, limits)
        message_limits = gateway_rpc.MessageLimits(limits.max_bytes, settings.max_message_bytes)
        window = Window(settings.stream_window_items, settings.stream_window_bytes, settings.max_message_bytes)
        streams = Streams(window, settings.stream_timeout_s, lifecycle.stopping, metrics)
        servicer = gateway_rpc.Servicer(pipeline, generation, message_limits, streams)
        admission = _single(settings)
        several = SeveralPhotos(pipeline, admission, metrics, limits.max_bytes)
        routes = gateway_rest.routes(pipeline, several, generation, limits.max_bytes, _form_limits(settings))
        gateway = make("gateway", routes, gateway_rpc.NAMES, partial(gateway_rpc.register, servicer), admission)
        history = History(metrics)
        parts.start.append(history.start)
        parts.close.append(history.close)
        gateway.rest.include_router(status.routes(history, readiness, (pipeline.models, generation.models), VERSION))
        parts.services.append(gateway)
        parts.gateway = servicer
    if "detection" in roles:
        routes = detection_rest.routes(detector, limits.max_bytes)
        parts.services.append(make("detection", routes, detection_rpc.NAMES, partial(detection_rpc.register, detector)))
    if "classification" in roles:
        routes = classification_rest.routes(classifier, limits, _threads(_DECODERS, "classification", parts))
        parts.services.append(
            make("classification", routes, classification_rpc.NAMES, partial(classification_rpc.register, classifier))
        )
    if "generation" in roles:
        routes = generation_rest.routes(generator, limits, _threads(_DECODERS, "generation", parts))
        parts.services.append(
            make("generation", routes, generation_rpc.NAMES, partial(generation_rpc.register, generator))
        )
    return parts


async def serve(settings: Settings, roles: tuple[str, ...], announce: Callable[[], None]) -> None:
    """Run the services of `roles` until SIGTERM or Ctrl-C; `announce` is called when they answer.

    Raises:
        OSError: a port is taken, the file of the face detector is missing or not one, traces need an extra, keys or
            certificates are wrong, or the gateway would be open to other machines without anybody having said so.
        RepositoryError: the model repository is not one, or lacks a model that was chosen; the sentence says which.
    """
    logs.configure(settings.log_level, settings.log_format)
    ways = entrances(settings, roles)
    tracing = choices.tracing(settings, roles, VERSION)
    lifecycle = server.Lifecycle()
    parts = wire(settings, roles, lifecycle, ways)
    if tracing:
        parts.close.insert(0, tracing)  # the last to be closed: the others may still have something to tell

    async def start() -> None:
        for step in parts.start:
            await step()

    async def close() -> None:
        async with AsyncExitStack() as stack:  # each is closed, even if another fails to
            for step in parts.close:
                stack.push_async_callback(step)

    await server.run(
        parts.services,
        host=settings.host,
        drain_s=settings.drain_s,
        max_message_bytes=settings.max_message_bytes,
        limits=Limits(settings.max_connections, settings.head_timeout_s, settings.unread_timeout_s),
        lifecycle=lifecycle,
        start=start,
        close=close,
        announce=announce,
        doors=parts.doors,
        tls=ways.listening,
    )


def _detector(settings: Settings, limits: ImageLimits, backend: Backend, parts: Parts) -> Detector:
    threads = _threads(settings.detection_workers, "detection", parts)
    landmarker = FaceLandmarker(backend, threads) if choices.installed(settings, FACE_LANDMARKER.name) else None
    search = choices.search(settings, backend, threads, landmarker is not None)
    detector = FaceDetector(search, threads, limits, landmarker)
    parts.start.append(detector.warm)
    return detector


def _generator(backend: Backend, parts: Parts) -> Generator:
    generator = ExpressionGenerator(backend)
    parts.start.append(generator.check)
    return generator


def _threads(workers: int, name: str, parts: Parts) -> Threads:
    threads = Threads(workers, name)
    parts.close.append(partial(asyncio.to_thread, threads.close))
    return threads


def _backend(settings: Settings, metrics: Metrics, roles: tuple[str, ...], parts: Parts) -> Rollout:
    """One for the process, with the models that its roles ask for; it is started only if there are any."""
    names, families = choices.models(settings, roles)
    backend = choices.rollout(settings, metrics, lambda name: name in names or name.startswith(families))
    if not names and not families:
        return backend

    async def ready() -> bool:
        return backend.ready()

    parts.start.append(backend.start)
    parts.ready["models"] = ready
    parts.close.append(backend.close)
    return backend


def _admin(
    settings: Settings, metrics: Metrics, readiness: rest.Readiness, ways: Entrances, backend: Rollout
) -> server.Door:
    """Where operators change what the process serves; the one of its ports that is not for callers."""
    app = rest.build(
        "admin",
        admin_rest.routes(ModelKeeper(backend, settings.model_repository)),
        version=VERSION,
        metrics=metrics,
        readiness=readiness,
        admission=Admission(settings.max_in_flight),
        timeout_s=settings.timeout_s,
        guard=ways.admin,
        encrypted=ways.listening is not None,
    )
    return server.Door("admin", app, settings.admin_host, settings.admin_port)


def _service(
    settings: Settings,
    metrics: Metrics,
    readiness: rest.Readiness,
    ways: Entrances,
    name: str,
    routes: APIRouter,
    rpc_names: tuple[str, ...],
    register: Callable[[grpc.aio.Server], None],
    admission: Admission | None = None,
) -> server.Service:
    admission, patient = admission or _single(settings), Admission(settings.max_in_flight)
    streams = Admission(settings.max_streams, "streams")
    for sort, places in (("single", admission), ("patient", patient), ("streams", streams)):
        metrics.admission(name, sort, places.limit, partial(getattr, places, "in_flight"))
    metrics.wait.labels(name).set_function(admission.wait_s)
    edge = rpc.Edge(
        name,
        metrics,
        single=rpc.Terms(admission, settings.timeout_s),
        patient=rpc.Terms(patient, settings.stream_timeout_s),
        streams=rpc.Terms(streams, math.inf),
        guard=ways.calls,
        max_message_bytes=settings.max_message_bytes,
    )
    return server.Service(
        name,
        rest.build(
            name,
            routes,
            version=VERSION,
            metrics=metrics,
            readiness=readiness,
            admission=admission,
            timeout_s=settings.timeout_s,
            guard=ways.rest,
            encrypted=ways.listening is not None,
            origins=ways.origins if name == "gateway" else (),
        ),
        getattr(settings, f"{name}_rest_port"),
        getattr(settings, f"{name}_rpc_port"),
        rpc_names,
        register,
        (edge,),
    )


def _single(settings: Settings) -> Admission:
    """Of single calls; items of streams wait for as long as their deadlines allow."""
    return Admission(settings.max_in_flight, target_s=settings.queue_target_s)


def _channel(address: str, settings: Settings, ways: Entrances, parts: Parts) -> grpc.aio.Channel:
    channel = channels.connect(address, settings.max_message_bytes, ways.calling)
    parts.close.append(channel.close)
    return channel


def _form_limits(settings: Settings) -> FormLimits:
    """A form has no more pictures than its caller may take places, and always room for one of full size."""
    places = shares.most_of(settings.max_in_flight, keys=settings.keys_file is not None)
    return FormLimits(min(settings.max_images, places), max(settings.max_form_bytes, settings.max_image_bytes))
