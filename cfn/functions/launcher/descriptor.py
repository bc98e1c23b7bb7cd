"""Read what a learner asks for, `trainingjob.json` in `trainingjob.zip`, and say what is wrong with it."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NotRequired, TypedDict, cast

from quality_gate import QualityGate, RegressionGate

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import (
        ChannelTypeDef,
        MetricDefinitionTypeDef,
        ResourceConfigTypeDef,
        StoppingConditionTypeDef,
    )

DESCRIPTOR = "trainingjob.json"
TEMPLATES = ("deploy-model-dev.yml", "deploy-model-prd.yml")
MAX_BYTES = 1_000_000
"""A descriptor is a few hundred bytes; anything larger is another file, or a zip bomb."""

REQUIRED = ("InputDataConfig", "ResourceConfig", "StoppingCondition", "QualityGate")
OPTIONAL = ("HyperParameters", "MetricDefinitions")
GATE = ("MinimumAccuracy", "MinimumRecall", "MaximumAccuracyDrop")
"""Thresholds of the quality gate for classifiers, each a number from 0 to 1."""
REGRESSION_GATE = ("MinimumR2", "MaximumR2Drop")
"""Thresholds for regressors, each a number from 0 to 1."""

MAX_HYPERPARAMETERS = 100
MAX_NAME = 256
MAX_VALUE = 2500
"""SageMaker CreateTrainingJob: at most 100 HyperParameters, names of 256 and values of 2500 characters."""


class DescriptorError(ValueError):
    """The zip can't be used for training; the message says which part is wrong and what to do about it."""


class Request(TypedDict):
    """The part of CreateTrainingJob that a learner decides; the pipeline decides the rest."""

    InputDataConfig: list[ChannelTypeDef]
    ResourceConfig: ResourceConfigTypeDef
    StoppingCondition: StoppingConditionTypeDef
    HyperParameters: NotRequired[dict[str, str]]


@dataclass(frozen=True)
class Descriptor:
    """A `trainingjob.json` with its keys, hyperparameters and thresholds checked.

    `request` and `metric_definitions` go into CreateTrainingJob. Their inner parts are as the learner wrote
    them, so the launcher validates them against SageMaker's model before it sends them.
    """

    request: Request
    quality_gate: QualityGate | RegressionGate
    metric_definitions: list[MetricDefinitionTypeDef] | None = None


def read_zip(archive: BinaryIO) -> Descriptor:
    """Return the descriptor in the zip file `archive`.

    Raises DescriptorError when it is not a zip file, when a file is missing, or when the descriptor is wrong.
    """
    try:
        with zipfile.ZipFile(archive) as source:
            names = set(source.namelist())
            missing = [name for name in (DESCRIPTOR, *TEMPLATES) if name not in names]
            if missing:
                raise DescriptorError(_missing(missing, names))
            if source.getinfo(DESCRIPTOR).file_size > MAX_BYTES:
                raise DescriptorError(
                    f"{DESCRIPTOR} is larger than {MAX_BYTES} bytes: check that it is the right file"
                )
            text = source.read(DESCRIPTOR)
    except zipfile.BadZipFile as error:
        raise DescriptorError(
            f"the uploaded trainingjob.zip is not a zip file ({error}): create it again with notebook 03"
        ) from error
    return parse(text)


def parse(text: bytes) -> Descriptor:
    """Return the descriptor written in the JSON document `text`; raises DescriptorError."""
    try:
        found = json.loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DescriptorError(f"{DESCRIPTOR} is not UTF-8 ({error}): save it as UTF-8") from error
    except json.JSONDecodeError as error:
        raise DescriptorError(
            f"{DESCRIPTOR} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}. "
            "Correct it and upload the zip again"
        ) from error
    if not isinstance(found, dict):
        raise DescriptorError(
            f"{DESCRIPTOR} holds a {_kind(found)}, but it must hold an object with {', '.join(REQUIRED)}"
        )
    if unknown := sorted(found.keys() - {*REQUIRED, *OPTIONAL}):
        raise DescriptorError(
            f"{DESCRIPTOR} has unknown keys: {', '.join(unknown)}. Remove them: it can have "
            f"{', '.join((*REQUIRED, *OPTIONAL))}; the pipeline decides everything else"
        )
    if missing := [key for key in REQUIRED if key not in found]:
        raise DescriptorError(
            f"{DESCRIPTOR} lacks {', '.join(missing)}: notebook 03 shows what to write there"
        )
    _check_hyperparameters(found.get("HyperParameters", {}))
    gate = _gate(found["QualityGate"])
    metrics = found.pop("MetricDefinitions", None)
    del found["QualityGate"]
    return Descriptor(cast("Request", found), gate, metrics)


def _check_hyperparameters(found: object) -> None:
    if not isinstance(found, dict):
        raise DescriptorError(
            f'HyperParameters is a {_kind(found)}, but it must be an object such as {{"C": "1.0"}}'
        )
    if len(found) > MAX_HYPERPARAMETERS:
        raise DescriptorError(
            f"HyperParameters has {len(found)} entries, but the limit is {MAX_HYPERPARAMETERS}: remove some"
        )
    wrong = []
    for name, value in found.items():
        if not isinstance(value, str):
            wrong.append(
                f'{name} is the {_kind(value)} {json.dumps(value)}: write "{name}": "{_text(value)}"'
            )
        elif not name or len(name) > MAX_NAME or len(value) > MAX_VALUE:
            wrong.append(
                f"{name[:40]!r} is empty or too long: use at most {MAX_NAME} characters, and "
                f"at most {MAX_VALUE} in the value"
            )
        elif "\n" in name + value:
            wrong.append(f"{name} has a line break: write it on one line")
    if wrong:
        raise DescriptorError(
            "hyperparameters must be strings (the container converts them). " + "; ".join(wrong)
        )


def _gate(found: object) -> QualityGate | RegressionGate:
    if not isinstance(found, dict):
        raise DescriptorError(
            f"QualityGate is a {_kind(found)}, but it must be an object with {', '.join(GATE)}"
        )
    regression = bool(found) and not found.keys() & set(GATE) and bool(found.keys() & set(REGRESSION_GATE))
    keys = REGRESSION_GATE if regression else GATE
    if unknown := sorted(found.keys() - set(keys)):
        other = "" if regression else f"; for a regressor, {', '.join(REGRESSION_GATE)} alone"
        raise DescriptorError(
            f"QualityGate has unknown keys: {', '.join(unknown)}. It has {', '.join(keys)}{other}"
        )
    for key in keys:
        value = found.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            was = "is missing" if key not in found else f"is {json.dumps(value)}"
            raise DescriptorError(
                f"QualityGate.{key} {was}, but it must be a number from 0 to 1, such as 0.9"
            )
    if regression:
        return RegressionGate(
            MinimumR2=float(found["MinimumR2"]), MaximumR2Drop=float(found["MaximumR2Drop"])
        )
    return QualityGate(
        MinimumAccuracy=float(found["MinimumAccuracy"]),
        MinimumRecall=float(found["MinimumRecall"]),
        MaximumAccuracyDrop=float(found["MaximumAccuracyDrop"]),
    )


def _missing(missing: list[str], names: set[str]) -> str:
    nested = sorted(name for name in names if name.rsplit("/", 1)[-1] in missing)
    hint = (
        f" It contains {nested[0]}: zip the files, not their directory."
        if nested
        else " Notebook 03 creates it with trainingjob.json and both deploy-model templates."
    )
    return f"trainingjob.zip lacks {', '.join(missing)}.{hint}"


def _kind(value: object) -> str:
    kinds = {dict: "object", list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
    return kinds.get(type(value), "null")


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value).replace('"', "'")
