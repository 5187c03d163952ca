"""Which implementations the settings choose: who finds faces, runs models, keeps traces. Called by `app` only."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial

from services.chassis.threads import Threads
from services.classification.classifier import ROLE as EXPRESSION_CLASSIFIER
from services.detection.cascade import CascadeFinder
from services.detection.detector import Search
from services.detection.finders import FinderSearch
from services.detection.network import NetworkSearch
from services.detection.roles import FACE_DETECTOR, FACE_LANDMARKER
from services.detection.yunet import YuNetFinder
from services.generation.generator import EXPRESSION_GENERATOR
from services.inference.backend import Backend, ModelSpec
from services.inference.candidates import read_candidates
from services.inference.repository import RepositoryError, has_version
from services.inference.rollout import Rollout
from services.inference.traced import TracedBackend
from services.metrics import Metrics
from services.settings import Settings

LOG = logging.getLogger("mien.app")


def rollout(settings: Settings, metrics: Metrics, wanted: Callable[[str], bool]) -> Rollout:
    """Who runs the models that are wanted by name, with the candidates that the settings name.

    Raises:
        RepositoryError: MIEN_CANARY or MIEN_SHADOW is not written as it must be.
    """
    candidates = read_candidates(settings.canary, settings.shadow)
    return Rollout(_backend(settings, metrics, wanted), settings.model_repository, candidates, metrics)


def _backend(settings: Settings, metrics: Metrics, wanted: Callable[[str], bool]) -> Backend:
    """Only the chosen one's library is loaded."""
    chosen: Backend
    if settings.backend == "triton":
        from services.inference.triton import TritonBackend

        chosen = TritonBackend(settings.triton_address, settings.model_repository, metrics, wanted, check=_check)
    else:
        from services.inference.embedded import EmbeddedBackend

        chosen = EmbeddedBackend(settings.model_repository, metrics, wanted)
    return TracedBackend(chosen, estimates=settings.backend == "triton") if settings.otlp_endpoint else chosen


def tracing(settings: Settings, roles: tuple[str, ...], version: str) -> Callable[[], Awaitable[None]] | None:
    """Keep this process's spans, if they are wanted; what is returned sends the last of them.

    Raises:
        OSError: the extra `tracing` is not installed.
    """
    if not settings.otlp_endpoint:
        return None
    try:
        from services.chassis.tracing import Tracing, sender
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        raise OSError("MIEN_OTLP_ENDPOINT needs an extra: pip install 'mien[tracing]'.") from None
    name = f"mien-{roles[0]}" if len(roles) == 1 else "mien"
    return Tracing(sender(settings.otlp_endpoint), settings.trace_share, name, version).close


def _check(spec: ModelSpec) -> None:
    """Refuse a model file that is not what its config says, where onnxruntime is here: Triton 2.51 has been seen to die
    of a damaged one."""
    try:
        from services.inference.embedded import check
    except ModuleNotFoundError:
        return
    check(spec)


def models(settings: Settings, roles: tuple[str, ...]) -> tuple[set[str], tuple[str, ...]]:
    """The entries that these roles need, by name, and those that they serve, by the beginning of the name."""
    names: set[str] = set()
    if "detection" in roles:
        names = {FACE_LANDMARKER.name} | ({FACE_DETECTOR.name} if _chosen_detector(settings) == "network" else set())
        names = {name for name in names if installed(settings, name)}
    families = tuple(
        family
        for role, family in (("classification", EXPRESSION_CLASSIFIER), ("generation", EXPRESSION_GENERATOR.name))
        if role in roles
    )
    return names, families


def search(settings: Settings, backend: Backend, threads: Threads, second_look: bool) -> Search:
    """Who finds the faces.

    Raises:
        OSError: the YuNet file is missing, or not one.
        RepositoryError: a detector was chosen that is not installed.
    """
    chosen = _chosen_detector(settings)
    LOG.info("faces are found by: %s", chosen)
    if chosen == "network":
        return NetworkSearch(backend, threads, second_look)
    if chosen == "cascade":
        return FinderSearch(CascadeFinder, threads)
    if settings.yunet_model is None:
        raise OSError("MIEN_DETECTOR=yunet needs MIEN_YUNET_MODEL: name the file face_detection_yunet_2023mar.onnx.")
    try:
        return FinderSearch(partial(YuNetFinder, settings.yunet_model), threads)
    except ValueError as error:  # the file that the deployer named is no YuNet network
        raise OSError(f"MIEN_YUNET_MODEL: {error}") from error


def _chosen_detector(settings: Settings) -> str:
    """network, cascade or yunet."""
    network = installed(settings, FACE_DETECTOR.name)
    if settings.detector == "network" and not network:
        raise RepositoryError(
            f"MIEN_DETECTOR=network needs a {FACE_DETECTOR.name} with a version folder in {settings.model_repository}."
        )
    if settings.detector != "auto":
        return settings.detector
    if settings.yunet_model is not None:
        return "yunet"  # whoever names a file wants it used
    return "network" if network else "cascade"


def installed(settings: Settings, name: str) -> bool:
    """Whether the repository has an entry of this name with a version."""
    return has_version(settings.model_repository, name)
