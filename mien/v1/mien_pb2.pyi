from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PictureFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PICTURE_FORMAT_UNSPECIFIED: _ClassVar[PictureFormat]
    PICTURE_FORMAT_PNG: _ClassVar[PictureFormat]
    PICTURE_FORMAT_JPEG: _ClassVar[PictureFormat]

class Expression(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPRESSION_UNSPECIFIED: _ClassVar[Expression]
    EXPRESSION_NEUTRAL: _ClassVar[Expression]
    EXPRESSION_HAPPINESS: _ClassVar[Expression]
    EXPRESSION_SURPRISE: _ClassVar[Expression]
    EXPRESSION_SADNESS: _ClassVar[Expression]
    EXPRESSION_ANGER: _ClassVar[Expression]
    EXPRESSION_DISGUST: _ClassVar[Expression]
    EXPRESSION_FEAR: _ClassVar[Expression]
PICTURE_FORMAT_UNSPECIFIED: PictureFormat
PICTURE_FORMAT_PNG: PictureFormat
PICTURE_FORMAT_JPEG: PictureFormat
EXPRESSION_UNSPECIFIED: Expression
EXPRESSION_NEUTRAL: Expression
EXPRESSION_HAPPINESS: Expression
EXPRESSION_SURPRISE: Expression
EXPRESSION_SADNESS: Expression
EXPRESSION_ANGER: Expression
EXPRESSION_DISGUST: Expression
EXPRESSION_FEAR: Expression

class GatewayClassifyRequest(_message.Message):
    __slots__ = ("image", "whole_picture", "model", "explain")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    WHOLE_PICTURE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    whole_picture: bool
    model: str
    explain: bool
    def __init__(self, image: _Optional[bytes] = ..., whole_picture: _Optional[bool] = ..., model: _Optional[str] = ..., explain: _Optional[bool] = ...) -> None: ...

class GatewayClassifyResponse(_message.Message):
    __slots__ = ("image", "faces", "model", "timings")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    FACES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    image: ImageSize
    faces: _containers.RepeatedCompositeFieldContainer[ClassifiedFace]
    model: ModelVersion
    timings: Timings
    def __init__(self, image: _Optional[_Union[ImageSize, _Mapping]] = ..., faces: _Optional[_Iterable[_Union[ClassifiedFace, _Mapping]]] = ..., model: _Optional[_Union[ModelVersion, _Mapping]] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ...) -> None: ...

class ClassifiedFace(_message.Message):
    __slots__ = ("face", "expression", "probabilities", "explanation")
    FACE_FIELD_NUMBER: _ClassVar[int]
    EXPRESSION_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    face: Face
    expression: Expression
    probabilities: Probabilities
    explanation: Explanation
    def __init__(self, face: _Optional[_Union[Face, _Mapping]] = ..., expression: _Optional[_Union[Expression, str]] = ..., probabilities: _Optional[_Union[Probabilities, _Mapping]] = ..., explanation: _Optional[_Union[Explanation, _Mapping]] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("heat_map", "evidence", "action_units")
    HEAT_MAP_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    ACTION_UNITS_FIELD_NUMBER: _ClassVar[int]
    heat_map: bytes
    evidence: Evidence
    action_units: NamedActionUnits
    def __init__(self, heat_map: _Optional[bytes] = ..., evidence: _Optional[_Union[Evidence, _Mapping]] = ..., action_units: _Optional[_Union[NamedActionUnits, _Mapping]] = ...) -> None: ...

class Evidence(_message.Message):
    __slots__ = ("values", "rows", "columns")
    VALUES_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    rows: int
    columns: int
    def __init__(self, values: _Optional[_Iterable[float]] = ..., rows: _Optional[int] = ..., columns: _Optional[int] = ...) -> None: ...

class GatewayDetectRequest(_message.Message):
    __slots__ = ("image",)
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    def __init__(self, image: _Optional[bytes] = ...) -> None: ...

class GatewayDetectResponse(_message.Message):
    __slots__ = ("image", "faces", "timings")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    FACES_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    image: ImageSize
    faces: _containers.RepeatedCompositeFieldContainer[Face]
    timings: Timings
    def __init__(self, image: _Optional[_Union[ImageSize, _Mapping]] = ..., faces: _Optional[_Iterable[_Union[Face, _Mapping]]] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ...) -> None: ...

class GatewayGenerateRequest(_message.Message):
    __slots__ = ("image", "expression", "action_units", "named_action_units", "strength", "model", "face", "steps", "format", "measure")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    EXPRESSION_FIELD_NUMBER: _ClassVar[int]
    ACTION_UNITS_FIELD_NUMBER: _ClassVar[int]
    NAMED_ACTION_UNITS_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FACE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    expression: Expression
    action_units: ActionUnits
    named_action_units: NamedActionUnits
    strength: float
    model: str
    face: int
    steps: int
    format: PictureFormat
    measure: bool
    def __init__(self, image: _Optional[bytes] = ..., expression: _Optional[_Union[Expression, str]] = ..., action_units: _Optional[_Union[ActionUnits, _Mapping]] = ..., named_action_units: _Optional[_Union[NamedActionUnits, _Mapping]] = ..., strength: _Optional[float] = ..., model: _Optional[str] = ..., face: _Optional[int] = ..., steps: _Optional[int] = ..., format: _Optional[_Union[PictureFormat, str]] = ..., measure: _Optional[bool] = ...) -> None: ...

class GatewayGenerateResponse(_message.Message):
    __slots__ = ("image", "faces", "model", "timings", "frames", "changes")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    FACES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    faces: _containers.RepeatedCompositeFieldContainer[Face]
    model: ModelVersion
    timings: Timings
    frames: _containers.RepeatedCompositeFieldContainer[GeneratedFrame]
    changes: _containers.RepeatedCompositeFieldContainer[GeneratedFace]
    def __init__(self, image: _Optional[bytes] = ..., faces: _Optional[_Iterable[_Union[Face, _Mapping]]] = ..., model: _Optional[_Union[ModelVersion, _Mapping]] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., frames: _Optional[_Iterable[_Union[GeneratedFrame, _Mapping]]] = ..., changes: _Optional[_Iterable[_Union[GeneratedFace, _Mapping]]] = ...) -> None: ...

class GeneratedFrame(_message.Message):
    __slots__ = ("image", "amount")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    amount: float
    def __init__(self, image: _Optional[bytes] = ..., amount: _Optional[float] = ...) -> None: ...

class GeneratedFace(_message.Message):
    __slots__ = ("index", "wanted", "measured", "before", "after")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    MEASURED_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    index: int
    wanted: _containers.RepeatedCompositeFieldContainer[ActionUnits]
    measured: ActionUnits
    before: Probabilities
    after: Probabilities
    def __init__(self, index: _Optional[int] = ..., wanted: _Optional[_Iterable[_Union[ActionUnits, _Mapping]]] = ..., measured: _Optional[_Union[ActionUnits, _Mapping]] = ..., before: _Optional[_Union[Probabilities, _Mapping]] = ..., after: _Optional[_Union[Probabilities, _Mapping]] = ...) -> None: ...

class GatewayClassifyStreamRequest(_message.Message):
    __slots__ = ("id", "item", "deadline_s")
    ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_S_FIELD_NUMBER: _ClassVar[int]
    id: str
    item: GatewayClassifyRequest
    deadline_s: float
    def __init__(self, id: _Optional[str] = ..., item: _Optional[_Union[GatewayClassifyRequest, _Mapping]] = ..., deadline_s: _Optional[float] = ...) -> None: ...

class GatewayClassifyStreamResponse(_message.Message):
    __slots__ = ("id", "result", "error", "window")
    ID_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    id: str
    result: GatewayClassifyResponse
    error: ItemError
    window: StreamWindow
    def __init__(self, id: _Optional[str] = ..., result: _Optional[_Union[GatewayClassifyResponse, _Mapping]] = ..., error: _Optional[_Union[ItemError, _Mapping]] = ..., window: _Optional[_Union[StreamWindow, _Mapping]] = ...) -> None: ...

class GatewayDetectStreamRequest(_message.Message):
    __slots__ = ("id", "item", "deadline_s")
    ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_S_FIELD_NUMBER: _ClassVar[int]
    id: str
    item: GatewayDetectRequest
    deadline_s: float
    def __init__(self, id: _Optional[str] = ..., item: _Optional[_Union[GatewayDetectRequest, _Mapping]] = ..., deadline_s: _Optional[float] = ...) -> None: ...

class GatewayDetectStreamResponse(_message.Message):
    __slots__ = ("id", "result", "error", "window")
    ID_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    id: str
    result: GatewayDetectResponse
    error: ItemError
    window: StreamWindow
    def __init__(self, id: _Optional[str] = ..., result: _Optional[_Union[GatewayDetectResponse, _Mapping]] = ..., error: _Optional[_Union[ItemError, _Mapping]] = ..., window: _Optional[_Union[StreamWindow, _Mapping]] = ...) -> None: ...

class GatewayGenerateStreamRequest(_message.Message):
    __slots__ = ("id", "item", "deadline_s")
    ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_S_FIELD_NUMBER: _ClassVar[int]
    id: str
    item: GatewayGenerateRequest
    deadline_s: float
    def __init__(self, id: _Optional[str] = ..., item: _Optional[_Union[GatewayGenerateRequest, _Mapping]] = ..., deadline_s: _Optional[float] = ...) -> None: ...

class GatewayGenerateStreamResponse(_message.Message):
    __slots__ = ("id", "result", "error", "window")
    ID_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    id: str
    result: GatewayGenerateResponse
    error: ItemError
    window: StreamWindow
    def __init__(self, id: _Optional[str] = ..., result: _Optional[_Union[GatewayGenerateResponse, _Mapping]] = ..., error: _Optional[_Union[ItemError, _Mapping]] = ..., window: _Optional[_Union[StreamWindow, _Mapping]] = ...) -> None: ...

class ItemError(_message.Message):
    __slots__ = ("code", "detail", "field", "retryable", "retry_after_s")
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    code: str
    detail: str
    field: str
    retryable: bool
    retry_after_s: float
    def __init__(self, code: _Optional[str] = ..., detail: _Optional[str] = ..., field: _Optional[str] = ..., retryable: _Optional[bool] = ..., retry_after_s: _Optional[float] = ...) -> None: ...

class StreamWindow(_message.Message):
    __slots__ = ("items", "bytes", "message_bytes")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    items: int
    bytes: int
    message_bytes: int
    def __init__(self, items: _Optional[int] = ..., bytes: _Optional[int] = ..., message_bytes: _Optional[int] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class DetectRequest(_message.Message):
    __slots__ = ("image", "whole_picture", "crop_px")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    WHOLE_PICTURE_FIELD_NUMBER: _ClassVar[int]
    CROP_PX_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    whole_picture: bool
    crop_px: int
    def __init__(self, image: _Optional[bytes] = ..., whole_picture: _Optional[bool] = ..., crop_px: _Optional[int] = ...) -> None: ...

class DetectResponse(_message.Message):
    __slots__ = ("image", "faces", "crops", "timings")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    FACES_FIELD_NUMBER: _ClassVar[int]
    CROPS_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    image: ImageSize
    faces: _containers.RepeatedCompositeFieldContainer[Face]
    crops: _containers.RepeatedCompositeFieldContainer[FaceCrop]
    timings: Timings
    def __init__(self, image: _Optional[_Union[ImageSize, _Mapping]] = ..., faces: _Optional[_Iterable[_Union[Face, _Mapping]]] = ..., crops: _Optional[_Iterable[_Union[FaceCrop, _Mapping]]] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ...) -> None: ...

class ClassifyRequest(_message.Message):
    __slots__ = ("crops", "model", "explain")
    CROPS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    crops: _containers.RepeatedCompositeFieldContainer[FaceCrop]
    model: str
    explain: bool
    def __init__(self, crops: _Optional[_Iterable[_Union[FaceCrop, _Mapping]]] = ..., model: _Optional[str] = ..., explain: _Optional[bool] = ...) -> None: ...

class ClassifyResponse(_message.Message):
    __slots__ = ("probabilities", "model", "timings", "evidence")
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    probabilities: _containers.RepeatedCompositeFieldContainer[Probabilities]
    model: ModelVersion
    timings: Timings
    evidence: _containers.RepeatedCompositeFieldContainer[Evidence]
    def __init__(self, probabilities: _Optional[_Iterable[_Union[Probabilities, _Mapping]]] = ..., model: _Optional[_Union[ModelVersion, _Mapping]] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., evidence: _Optional[_Iterable[_Union[Evidence, _Mapping]]] = ...) -> None: ...

class ExpressionClassificationListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ExpressionClassificationListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class GenerateRequest(_message.Message):
    __slots__ = ("crops", "expression", "action_units", "named_action_units", "strength", "model", "present", "steps")
    CROPS_FIELD_NUMBER: _ClassVar[int]
    EXPRESSION_FIELD_NUMBER: _ClassVar[int]
    ACTION_UNITS_FIELD_NUMBER: _ClassVar[int]
    NAMED_ACTION_UNITS_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    crops: _containers.RepeatedCompositeFieldContainer[FaceCrop]
    expression: Expression
    action_units: ActionUnits
    named_action_units: NamedActionUnits
    strength: float
    model: str
    present: _containers.RepeatedCompositeFieldContainer[ActionUnits]
    steps: int
    def __init__(self, crops: _Optional[_Iterable[_Union[FaceCrop, _Mapping]]] = ..., expression: _Optional[_Union[Expression, str]] = ..., action_units: _Optional[_Union[ActionUnits, _Mapping]] = ..., named_action_units: _Optional[_Union[NamedActionUnits, _Mapping]] = ..., strength: _Optional[float] = ..., model: _Optional[str] = ..., present: _Optional[_Iterable[_Union[ActionUnits, _Mapping]]] = ..., steps: _Optional[int] = ...) -> None: ...

class GenerateResponse(_message.Message):
    __slots__ = ("crops", "model", "timings", "masks", "wanted")
    CROPS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    MASKS_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    crops: _containers.RepeatedCompositeFieldContainer[FaceCrop]
    model: ModelVersion
    timings: Timings
    masks: _containers.RepeatedScalarFieldContainer[bytes]
    wanted: _containers.RepeatedCompositeFieldContainer[ActionUnits]
    def __init__(self, crops: _Optional[_Iterable[_Union[FaceCrop, _Mapping]]] = ..., model: _Optional[_Union[ModelVersion, _Mapping]] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., masks: _Optional[_Iterable[bytes]] = ..., wanted: _Optional[_Iterable[_Union[ActionUnits, _Mapping]]] = ...) -> None: ...

class ExpressionGenerationListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ExpressionGenerationListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class ImageSize(_message.Message):
    __slots__ = ("width", "height")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ...) -> None: ...

class Box(_message.Message):
    __slots__ = ("x", "y", "width", "height")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    x: float
    y: float
    width: float
    height: float
    def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ..., width: _Optional[float] = ..., height: _Optional[float] = ...) -> None: ...

class Point(_message.Message):
    __slots__ = ("x", "y")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    x: float
    y: float
    def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ...) -> None: ...

class Face(_message.Message):
    __slots__ = ("box", "score", "landmarks", "action_units", "square")
    BOX_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    LANDMARKS_FIELD_NUMBER: _ClassVar[int]
    ACTION_UNITS_FIELD_NUMBER: _ClassVar[int]
    SQUARE_FIELD_NUMBER: _ClassVar[int]
    box: Box
    score: float
    landmarks: _containers.RepeatedCompositeFieldContainer[Point]
    action_units: ActionUnits
    square: FaceSquare
    def __init__(self, box: _Optional[_Union[Box, _Mapping]] = ..., score: _Optional[float] = ..., landmarks: _Optional[_Iterable[_Union[Point, _Mapping]]] = ..., action_units: _Optional[_Union[ActionUnits, _Mapping]] = ..., square: _Optional[_Union[FaceSquare, _Mapping]] = ...) -> None: ...

class FaceSquare(_message.Message):
    __slots__ = ("centre_x", "centre_y", "side", "roll_deg")
    CENTRE_X_FIELD_NUMBER: _ClassVar[int]
    CENTRE_Y_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    ROLL_DEG_FIELD_NUMBER: _ClassVar[int]
    centre_x: float
    centre_y: float
    side: float
    roll_deg: float
    def __init__(self, centre_x: _Optional[float] = ..., centre_y: _Optional[float] = ..., side: _Optional[float] = ..., roll_deg: _Optional[float] = ...) -> None: ...

class FaceCrop(_message.Message):
    __slots__ = ("rgb", "side_px")
    RGB_FIELD_NUMBER: _ClassVar[int]
    SIDE_PX_FIELD_NUMBER: _ClassVar[int]
    rgb: bytes
    side_px: int
    def __init__(self, rgb: _Optional[bytes] = ..., side_px: _Optional[int] = ...) -> None: ...

class ActionUnits(_message.Message):
    __slots__ = ("intensities",)
    INTENSITIES_FIELD_NUMBER: _ClassVar[int]
    intensities: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, intensities: _Optional[_Iterable[float]] = ...) -> None: ...

class NamedActionUnits(_message.Message):
    __slots__ = ("intensities",)
    class IntensitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    INTENSITIES_FIELD_NUMBER: _ClassVar[int]
    intensities: _containers.ScalarMap[str, float]
    def __init__(self, intensities: _Optional[_Mapping[str, float]] = ...) -> None: ...

class Probabilities(_message.Message):
    __slots__ = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")
    NEUTRAL_FIELD_NUMBER: _ClassVar[int]
    HAPPINESS_FIELD_NUMBER: _ClassVar[int]
    SURPRISE_FIELD_NUMBER: _ClassVar[int]
    SADNESS_FIELD_NUMBER: _ClassVar[int]
    ANGER_FIELD_NUMBER: _ClassVar[int]
    DISGUST_FIELD_NUMBER: _ClassVar[int]
    FEAR_FIELD_NUMBER: _ClassVar[int]
    neutral: float
    happiness: float
    surprise: float
    sadness: float
    anger: float
    disgust: float
    fear: float
    def __init__(self, neutral: _Optional[float] = ..., happiness: _Optional[float] = ..., surprise: _Optional[float] = ..., sadness: _Optional[float] = ..., anger: _Optional[float] = ..., disgust: _Optional[float] = ..., fear: _Optional[float] = ...) -> None: ...

class ModelVersion(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("model", "role", "default", "labels", "card_json")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    CARD_JSON_FIELD_NUMBER: _ClassVar[int]
    model: ModelVersion
    role: str
    default: bool
    labels: _containers.RepeatedScalarFieldContainer[str]
    card_json: str
    def __init__(self, model: _Optional[_Union[ModelVersion, _Mapping]] = ..., role: _Optional[str] = ..., default: _Optional[bool] = ..., labels: _Optional[_Iterable[str]] = ..., card_json: _Optional[str] = ...) -> None: ...

class Timings(_message.Message):
    __slots__ = ("total_s", "detection_s", "queue_s", "inference_s")
    TOTAL_S_FIELD_NUMBER: _ClassVar[int]
    DETECTION_S_FIELD_NUMBER: _ClassVar[int]
    QUEUE_S_FIELD_NUMBER: _ClassVar[int]
    INFERENCE_S_FIELD_NUMBER: _ClassVar[int]
    total_s: float
    detection_s: float
    queue_s: float
    inference_s: float
    def __init__(self, total_s: _Optional[float] = ..., detection_s: _Optional[float] = ..., queue_s: _Optional[float] = ..., inference_s: _Optional[float] = ...) -> None: ...
