"""The JSON documents of the REST side, and how domain values become them. Units and ranges are those of proto/."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from services import domain


class Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class Box(Document):
    """Pixels of the upright image, origin top left."""

    x: float
    y: float
    width: float
    height: float


class ImageSize(Document):
    """The upright image in pixels."""

    width: int
    height: int


class Face(Document):
    box: Box
    score: float = Field(description="how sure the detector is that this is a face, in [0, 1]")
    landmarks: list[tuple[float, float]] | None = Field(
        None,
        description="68 points in iBUG's order, or 5: the person's right eye, left eye, nose tip, right and left mouth "
        "corner; in pixels",
    )
    action_units: dict[str, float] | None = Field(None, description="intensities of the 17 action units, in [0, 1]")


class ClassifiedFace(Face):
    expression: str = Field(description="the most probable one; an expression shown is not an emotion felt")
    probabilities: dict[str, float] = Field(description="of the seven expressions, summing to 1")


class ModelVersion(Document):
    name: str
    version: int


class Reading(Document):
    image: ImageSize
    faces: list[ClassifiedFace]
    model: ModelVersion


class Detection(Document):
    image: ImageSize
    faces: list[Face]


class Classification(Document):
    expression: str
    probabilities: dict[str, float]
    model: ModelVersion


class Model(ModelVersion):
    role: str
    default: bool
    labels: list[str]
    card: dict[str, Any]


class Models(Document):
    models: list[Model]


def face(value: domain.Face) -> dict[str, Any]:
    """The fields of `Face`, to a hundredth of a pixel; those that no model fills are left out."""
    sides = {side: round(getattr(value.box, side), 2) for side in ("x", "y", "width", "height")}
    fields: dict[str, Any] = {"box": Box(**sides), "score": round(value.score, 4)}
    if value.landmarks:
        fields["landmarks"] = [(round(x, 2), round(y, 2)) for x, y in value.landmarks]
    if value.action_units:
        fields["action_units"] = {name: round(intensity, 4) for name, intensity in value.action_units.items()}
    return fields


def probabilities(values: tuple[float, ...]) -> dict[str, float]:
    return dict(zip(domain.EXPRESSIONS, values, strict=True))


def model_version(value: domain.ModelVersion) -> ModelVersion:
    return ModelVersion(name=value.name, version=value.version)


def reading(value: domain.Reading) -> Reading:
    return Reading(
        image=ImageSize(width=value.width, height=value.height),
        faces=[
            ClassifiedFace(
                **face(item.face), expression=item.expression, probabilities=probabilities(item.probabilities)
            )
            for item in value.faces
        ],
        model=model_version(value.model),
    )


def detection(value: domain.Detection) -> Detection:
    return Detection(
        image=ImageSize(width=value.width, height=value.height), faces=[Face(**face(item)) for item in value.faces]
    )


def models(values: tuple[domain.Model, ...]) -> Models:
    return Models(
        models=[
            Model(
                name=item.model.name,
                version=item.model.version,
                role=item.role,
                default=item.default,
                labels=list(item.labels),
                card=dict(item.card),
            )
            for item in values
        ]
    )
