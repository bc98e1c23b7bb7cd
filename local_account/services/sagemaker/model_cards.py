"""The model card of a model package: its content, checked against the documented schema.

Contract: SageMaker AI Developer Guide, "Model package model card schema".

Differs from AWS (CreateModelPackage): a package that is created without a model card has none; AWS makes an
empty one for its console, Studio.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from local_account.foundation.json_schemas import jsonschema
from local_account.services.sagemaker.resources import invalid

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import ModelPackageModelCardTypeDef


def check(card: ModelPackageModelCardTypeDef) -> None:
    """Raise ServiceError ValidationException unless a card has a status and content of the schema."""
    for member in ("ModelCardContent", "ModelCardStatus"):
        if not card.get(member):
            raise invalid(f"{member} is required in ModelCard")
    _check_content(card["ModelCardContent"])


def updated(
    before: ModelPackageModelCardTypeDef | Mapping[str, Any], given: ModelPackageModelCardTypeDef
) -> ModelPackageModelCardTypeDef:
    """Return a card with what an update replaces in it.

    Raises ServiceError ValidationException for content that does not fit the schema or an archived card.
    """
    if before.get("ModelCardStatus") == "Archived" and "ModelCardContent" in given:
        raise invalid("Model Card is in Archived state")
    card = cast("ModelPackageModelCardTypeDef", {**before, **given})
    check(card)
    return card


def sanitized(card: ModelPackageModelCardTypeDef) -> ModelPackageModelCardTypeDef:
    """Return a card as MetadataOnly asks for it (DescribeModelPackage, IncludedData)."""
    content = json.loads(card["ModelCardContent"])
    rating = content.get("intended_uses", {}).get("risk_rating")
    kept = {"intended_uses": {"risk_rating": rating}} if rating else {}
    return {**card, "ModelCardContent": json.dumps(kept)}


def _check_content(content: str) -> None:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise invalid(f"ModelCardContent is not valid JSON: {error}") from error
    for fault in _validator().iter_errors(document):
        raise invalid(f"ModelCardContent{fault.json_path.removeprefix('$')}: {fault.message}")


@cache
def _validator() -> Any:
    return jsonschema().Draft7Validator(_SCHEMA)


def _text(longest: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": longest}


def _name(longest: int) -> dict[str, Any]:
    # As in the schema: the pattern is not anchored, so a longer text has a part that fits.
    return {"type": "string", "pattern": f".{{1,{longest}}}"}


def _list_of(item: Mapping[str, Any], **more: int) -> dict[str, Any]:
    return {"type": "array", "items": item, **more}


def _record(required: tuple[str, ...] = (), **members: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": members,
    }


def _metric(kind: tuple[str, ...], value: Mapping[str, Any], x: Any, y: Any) -> dict[str, Any]:
    return _record(
        ("name", "type", "value"),
        name=_name(255),
        notes=_text(1024),
        type={"type": "string", "enum": list(kind)},
        value=value,
        x_axis_name=x,
        y_axis_name=y,
    )


_NUMBER = {"type": "number"}
_AXIS = _text(63)
_AXES = _list_of(_AXIS)
_METRIC = {
    "anyOf": [
        _metric(
            ("number", "string", "boolean"),
            {"anyOf": [_NUMBER, _text(63), {"type": "boolean"}]},
            _AXIS,
            _AXIS,
        ),
        _metric(
            ("linear_graph",), _list_of(_list_of(_NUMBER, minItems=2, maxItems=2), minItems=1), _AXIS, _AXIS
        ),
        _metric(("bar_chart",), _list_of(_NUMBER, minItems=1), _AXES, _AXIS),
        _metric(
            ("matrix",),
            _list_of(_list_of(_NUMBER, minItems=1, maxItems=20), minItems=1, maxItems=20),
            _AXES,
            _AXES,
        ),
    ]
}
_TRAINING_METRIC = _record(("name", "value"), name=_name(255), notes=_text(1024), value=_NUMBER)
_HYPERPARAMETER = _record(("name", "value"), name=_name(255), value=_name(255))
_SCHEMA = _record(
    model_overview=_record(model_creator=_text(1024), model_artifact=_list_of(_text(1024))),
    intended_uses=_record(
        purpose_of_model=_text(2048),
        intended_uses=_text(2048),
        factors_affecting_model_efficiency=_text(2048),
        risk_rating={"type": "string", "enum": ["High", "Medium", "Low", "Unknown"]},
        explanations_for_risk_rating=_text(2048),
    ),
    business_details=_record(
        business_problem=_text(2048), business_stakeholders=_text(2048), line_of_business=_text(2048)
    ),
    training_details=_record(
        objective_function={},
        training_observations=_text(1024),
        training_job_details=_record(
            training_arn=_text(1024),
            training_datasets=_list_of(_text(1024)),
            training_environment=_record(container_image=_list_of(_text(1024))),
            training_metrics=_list_of(_TRAINING_METRIC),
            user_provided_training_metrics=_list_of(_TRAINING_METRIC),
            hyper_parameters=_list_of(_HYPERPARAMETER),
            user_provided_hyper_parameters=_list_of(_HYPERPARAMETER),
        ),
    ),
    evaluation_details=_list_of(
        _record(
            ("name",),
            name=_name(63),
            evaluation_observation=_text(2096),
            evaluation_job_arn=_text(256),
            datasets=_list_of(_text(1024), maxItems=10),
            metadata={"type": "object", "additionalProperties": _text(1024)},
            metric_groups=_list_of(
                {
                    "type": "object",
                    "required": ["name", "metric_data"],
                    "properties": {"name": _name(63), "metric_data": _list_of(_METRIC)},
                }
            ),
        )
    ),
    additional_information=_record(
        ethical_considerations=_text(2048),
        caveats_and_recommendations=_text(2048),
        custom_details={"type": "object", "additionalProperties": _text(1024)},
    ),
)
