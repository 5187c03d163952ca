"""Parameters of a REST call that may stand in the query, in a form's fields or in the JSON body, checked together.

A pydantic model says what there is; values arrive as text, as a query has them. Also the parameters of every call that
renders an expression.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Self, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from services.chassis.problems import parameter_error
from services.domain import EXPRESSIONS, Target
from services.errors import Kind, MienError

Model = TypeVar("Model", bound=BaseModel)


def read_parameters(model: type[Model], request: Request, fields: Mapping[str, str]) -> Model:
    """The query's parameters and the body's `fields`, checked.

    Raises:
        MienError: BAD_PARAMETER: unknown, not valid, or given twice.
    """
    given: dict[str, str] = {}
    for name, value in [*request.query_params.multi_items(), *fields.items()]:
        if name in given:
            raise MienError(Kind.BAD_PARAMETER, "Give each parameter once.", field=name[:64])
        given[name] = value
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise parameter_error([dict(one) for one in error.errors()]) from None


def openapi_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    """How /docs shows them: as parameters of the query."""
    return [
        {"name": name, "in": "query", "required": False, "description": schema.pop("description", ""), "schema": schema}
        for name, schema in model.model_json_schema()["properties"].items()
    ]


class TargetParameters(BaseModel):
    """What a face shall show; a parameter that is not here is an error, so that a misspelt one is never ignored."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    expression: str = Field("", max_length=64, description=f"one of {', '.join(EXPRESSIONS)}; or give action_units")
    action_units: str = Field(
        "",
        max_length=1024,
        description='JSON: intensities in [0, 1] of some action units, {"AU12": 0.8}; the others stay as they are',
    )
    intensity: float = Field(
        1.0, ge=0, le=1, allow_inf_nan=False, description="0: the face as it is, 1: all of what was asked for"
    )
    model: str = Field("", max_length=128, description="a name from GET /v1/models; left out: the default model")

    @field_validator("action_units")
    @classmethod
    def _are_units(cls, text: str) -> str:
        units_from_json(text)
        return text

    @field_validator("expression")
    @classmethod
    def _is_known(cls, text: str) -> str:
        if text and text not in EXPRESSIONS:
            raise ValueError(f"there is no such expression; there are {', '.join(EXPRESSIONS)}")
        return text

    @model_validator(mode="after")
    def _has_one_target(self) -> Self:
        if bool(self.expression) == bool(self.target.action_units):
            raise MienError(Kind.BAD_PARAMETER, "Name either an expression or action units.", field="expression")
        return self

    @property
    def target(self) -> Target:
        """Whether its action units can be met, the generator says."""
        return Target(self.expression, units_from_json(self.action_units))


def units_from_json(text: str) -> dict[str, float]:
    """Action units by name, as a JSON object; empty text is none.

    Raises:
        ValueError: it is no such object.
    """
    try:
        units = json.loads(text) if text else {}
        if isinstance(units, dict) and all(type(value) in (int, float) for value in units.values()):
            "".join(units).encode()  # half of a character ("\ud800") is no text
            return {name: float(value) for name, value in units.items()}
    except (ValueError, OverflowError, RecursionError):
        pass
    raise ValueError('must be a JSON object of numbers, {"AU12": 0.8}')
