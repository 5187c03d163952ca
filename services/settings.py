"""Every setting of a deployment: environment variables `MIEN_*`. Only `app` reads them; the defaults serve a laptop."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_REPOSITORY = Path(__file__).resolve().parents[1] / "model_repository"


class Settings(BaseSettings):
    """Read once at start; a value that is not valid stops the start with a sentence, an empty one is the default."""

    model_config = SettingsConfigDict(env_prefix="MIEN_", env_ignore_empty=True, protected_namespaces=())

    # where to listen
    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 inside a container")
    gateway_rest_port: int = Field(8080, ge=1, le=65535)
    detection_rest_port: int = Field(8081, ge=1, le=65535)
    classification_rest_port: int = Field(8082, ge=1, le=65535)
    generation_rest_port: int = Field(8083, ge=1, le=65535)
    gateway_rpc_port: int = Field(50051, ge=1, le=65535)
    detection_rpc_port: int = Field(50052, ge=1, le=65535)
    classification_rpc_port: int = Field(50053, ge=1, le=65535)
    generation_rpc_port: int = Field(50054, ge=1, le=65535)

    # what operators alone may reach: the models' life cycle (deploy/README.md)
    admin_port: int = Field(0, ge=0, le=65535, description="where operators load and unload models; 0: nowhere")
    admin_host: str = Field("127.0.0.1", description="address of the admin port; whoever reaches it may change models")

    # who may call (docs/security.md)
    keys_file: Path | None = Field(
        None, description="the keys that callers need, TOML (`mien keys new`); none: nobody asks"
    )
    open: bool = Field(
        False, description="everybody who reaches the gateway may call: meant so, though not on loopback"
    )
    cors_origins: str = Field(
        "",
        pattern=r"^(https?://[^/\s,*]+(,https?://[^/\s,*]+)*)?$",
        description="origins whose pages may ask the gateway from a browser, https://host, several with commas",
    )

    # TLS: PEM files, of the REST and gRPC listeners and of the channels to the services behind
    tls_certificate: Path | None = Field(None, description="our certificate, with those between it and its CA")
    tls_key: Path | None = Field(None, description="its private key, not encrypted")
    tls_client_ca: Path | None = Field(
        None, description="who signs callers' certificates; gRPC then asks for them (mTLS)"
    )
    tls_ca: Path | None = Field(None, description="who signs the services that the gateway asks; it asks them over TLS")

    # where the other services are, for `mien serve gateway`
    detection_address: str = Field("127.0.0.1:50052", description="host:port of detection's gRPC")
    classification_address: str = Field("127.0.0.1:50053", description="host:port of classification's gRPC")
    generation_address: str = Field("127.0.0.1:50054", description="host:port of generation's gRPC, if there is one")

    # models
    backend: Literal["embedded", "triton"] = Field(
        "embedded", description="who runs the models: this process, or the Triton at triton_address"
    )
    triton_address: str = Field("127.0.0.1:8001", description="host:port of Triton's gRPC")
    model_repository: Path = Field(_REPOSITORY, description="the model repository")
    canary: str = Field(
        "", description="entry=version:percent, several with commas: this version answers so many of the entry's calls"
    )
    shadow: str = Field(
        "", description="entry=version, several with commas: asked too, compared and counted, never returned"
    )
    default_classifier: str = Field("expression_classifier", description="who answers when a request names no model")
    detector: Literal["auto", "network", "cascade", "yunet"] = Field(
        "auto",
        description="who finds the faces: the repository's face_detector, OpenCV's cascade, or the YuNet file; "
        "auto: the YuNet file if one is named, else the face_detector, else (if the repository has none) the cascade",
    )
    yunet_model: Path | None = Field(None, description="a YuNet .onnx file")

    # limits
    max_image_bytes: int = Field(10 * 1024 * 1024, ge=1024)
    max_images: int = Field(16, ge=1, description="pictures of one form; each takes a place of max_in_flight")
    max_form_bytes: int = Field(32 * 1024 * 1024, ge=1024, description="bytes of all pictures of one form")
    max_image_pixels: int = Field(40_000_000, ge=1024)
    max_in_flight: int = Field(128, ge=1, description="calls that a service answers at once; one more is refused")
    queue_target_s: float = Field(
        10.0, gt=0, description="the longest that a call shall wait for those before it; one that would is refused"
    )
    timeout_s: float = Field(30.0, gt=0, description="the longest that a call may take")
    max_connections: int = Field(512, ge=1, description="of each port; one more takes the place of an idle one")
    head_timeout_s: float = Field(10.0, gt=0, description="the longest that a connection may take to begin a call")
    unread_timeout_s: float = Field(30.0, gt=0, description="the longest that a REST caller may leave an answer unread")
    max_streams: int = Field(16, ge=1, description="streams that the gateway answers at once; one more is refused")
    stream_window_items: int = Field(32, ge=1, description="items of a stream that are in work at once")
    stream_window_bytes: int = Field(64 * 1024 * 1024, ge=1024, description="and their bytes")
    stream_timeout_s: float = Field(
        300.0, gt=0, description="the longest that an item of a stream may take, its wait behind single calls included"
    )
    detection_workers: int = Field(2, ge=1, description="threads that decode pictures and find faces")
    gateway_workers: int = Field(2, ge=1, description="threads that paint generated faces into pictures")
    drain_s: float = Field(1.0, ge=0, description="how long a stopping service still takes calls")

    # logs
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "text"] = Field("auto", description="auto: text on a terminal, else json")

    # traces
    otlp_endpoint: str = Field(
        "", pattern=r"^(https?://[^/\s]+)?$", description="where traces go, http://host:4317; empty: nobody traces"
    )
    trace_share: float = Field(1.0, ge=0, le=1, description="of the calls whose caller has not decided")

    @property
    def max_message_bytes(self) -> int:
        """Of gRPC: a picture, or the crops of a crowd."""
        return max(2 * self.max_image_bytes, 32 * 1024 * 1024)
