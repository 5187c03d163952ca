"""The JSON documents of the REST side, and how domain values become them. Units and ranges are those of proto/."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from services import calls, domain
from services.errors import TABLE, MienError
from services.synthetic import DIGITAL_SOURCE_TYPE, frame_name

NOTE = "An expression shown is not an emotion felt."


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


class Explanation(Document):
    """What in a face speaks for the expression that was read. It tells of the model, not of the person."""

    heat_map: str = Field(
        description="the face as the classifier saw it, PNG, base64: orange where it speaks for the expression, blue "
        "against it"
    )
    evidence: list[list[float]] = Field(
        description="what each cell of it, row by row, adds to the expression's log-odds against the mean of all seven"
    )
    action_units: dict[str, float] = Field(
        description="of those that were read, the ones that belong to the expression, first what says most for it"
    )


class ClassifiedFace(Face):
    expression: str = Field(description="the most probable one; an expression shown is not an emotion felt")
    probabilities: dict[str, float] = Field(description="of the seven expressions, summing to 1")
    explanation: Explanation | None = Field(None, description="where explain=true asked for it")


class ModelVersion(Document):
    name: str
    version: int


class Reading(Document):
    image: ImageSize
    faces: list[ClassifiedFace]
    model: ModelVersion


class Fault(Document):
    field: str
    detail: str


class Problem(Document):
    """An error as RFC 9457 wants it, with what is Mien's own: code, request_id, retryable, errors."""

    type: str
    title: str
    status: int
    detail: str = Field(description="one sentence on what to do")
    code: str = Field(description="the stable reason, such as not_an_image")
    request_id: str
    retryable: bool
    errors: list[Fault] | None = None


class Item(Document):
    """One picture of several: its result or its error; the other one is absent."""

    index: int = Field(description="its place among the pictures of the request, from 0")
    result: Reading | None = None
    error: Problem | None = None


class Readings(Document):
    results: list[Item] = Field(description="one for each picture, in the order of the request")
    model: ModelVersion


class Detection(Document):
    image: ImageSize
    faces: list[Face]


class Classification(Document):
    expression: str
    probabilities: dict[str, float]
    model: ModelVersion


class GeneratedFace(Face):
    index: int = Field(description="its place from left to right among all faces of the photo, from 0")
    wanted: dict[str, float] = Field(description="the action units that it was asked to show, in [0, 1]")
    measured: dict[str, float] | None = Field(
        None, description="those that were read from the result; absent where no face was read there"
    )
    before: dict[str, float] = Field(description="probabilities of the seven expressions, as the face was")
    after: dict[str, float] | None = Field(
        None, description="the same, of the result; absent where no face was read there"
    )


class Rendering(Document):
    image: ImageSize
    picture: str = Field(description="the photo with its faces changed: PNG, base64")
    media_type: str
    digital_source_type: str = Field(description="IPTC's word for a photo of which a model repainted a part")
    faces: list[GeneratedFace] = Field(description="those that were changed; action_units as they were")
    model: ModelVersion
    note: str = NOTE


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
        fields["action_units"] = units(value.action_units)
    return fields


def units(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(intensity, 4) for name, intensity in values.items()}


def probabilities(values: tuple[float, ...]) -> dict[str, float]:
    return dict(zip(domain.EXPRESSIONS, values, strict=True))


def explanation(value: domain.Explanation) -> Explanation:
    return Explanation(
        heat_map=base64.b64encode(value.heat_map).decode(),
        evidence=[[round(float(cell), 4) for cell in row] for row in value.evidence],
        action_units=units(value.action_units),
    )


def model_version(value: domain.ModelVersion) -> ModelVersion:
    return ModelVersion(name=value.name, version=value.version)


def reading(value: domain.Reading) -> Reading:
    return Reading(
        image=ImageSize(width=value.width, height=value.height),
        faces=[
            ClassifiedFace(
                **face(item.face),
                expression=item.expression,
                probabilities=probabilities(item.probabilities),
                explanation=explanation(item.explanation) if item.explanation else None,
            )
            for item in value.faces
        ],
        model=model_version(value.model),
    )


def readings(outcomes: Sequence[domain.Reading | MienError], model: domain.ModelVersion) -> Readings:
    items = [
        Item(index=index, error=problem(outcome))
        if isinstance(outcome, MienError)
        else Item(index=index, result=reading(outcome))
        for index, outcome in enumerate(outcomes)
    ]
    return Readings(results=items, model=model_version(model))


def problem(error: MienError) -> Problem:
    """Of the current call."""
    row = TABLE[error.kind]
    return Problem(
        type=f"urn:mien:problem:{error.kind}",
        title=row.title,
        status=row.http,
        detail=error.detail,
        code=str(error.kind),
        request_id=calls.request_id(),
        retryable=row.retryable,
        errors=[Fault(field=error.field, detail=error.detail)] if error.field else None,
    )


def detection(value: domain.Detection) -> Detection:
    return Detection(
        image=ImageSize(width=value.width, height=value.height), faces=[Face(**face(item)) for item in value.faces]
    )


def rendering(value: domain.Rendering) -> Rendering:
    """Of one picture that was measured."""
    return Rendering(
        image=ImageSize(width=value.width, height=value.height),
        picture=base64.b64encode(value.files[0]).decode(),
        media_type=value.media_type,
        digital_source_type=DIGITAL_SOURCE_TYPE,
        faces=[
            GeneratedFace(
                **face(item.face),
                index=item.index,
                wanted=units(item.wanted[-1]),
                measured=units(item.measured) if item.measured else None,
                before=probabilities(item.before or ()),
                after=probabilities(item.after) if item.after else None,
            )
            for item in value.faces
        ],
        model=model_version(value.model),
    )


def frames(value: domain.Rendering) -> dict[str, Any]:
    """What frames.json says: each frame, and the faces as they were."""
    return {
        "note": NOTE,
        "image": {"width": value.width, "height": value.height},
        "model": model_version(value.model).model_dump(),
        "faces": [
            {"index": item.index, **Face(**face(item.face)).model_dump(exclude_none=True)} for item in value.faces
        ],
        "frames": [
            {
                "file": frame_name(number + 1),
                "amount": round(amount, 4),
                "faces": [{"index": item.index, "wanted": units(item.wanted[number])} for item in value.faces],
            }
            for number, amount in enumerate(value.amounts)
        ],
    }


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
