"""What a handler's answer is as JSON: ``answer`` is a Python expression, ``runtime`` the function's."""

from __future__ import annotations

import datetime
import enum
import uuid
from collections import Counter
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from local_account.services.lambda_ import runtime
from tests.conformance.cases import Case, identify, load


class Point(NamedTuple):
    x: Any
    y: Any


class Number(enum.IntEnum):
    ONE = 1


class Text(enum.StrEnum):
    A = "a"


class Plain(enum.Enum):
    A = 1


circular: list[Any] = []
circular.append(circular)
NAMES = {
    **{kind.__name__: kind for kind in (Point, Number, Text, Plain, Counter, Decimal)},
    "datetime": datetime,
    "uuid": uuid,
    "circular": circular,
}


@pytest.mark.parametrize("case", load("lambda_/answers"), ids=identify)
def test_answers(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EXECUTION_ENV", f"AWS_Lambda_{case.input['runtime']}")
    runtime._escapes.cache_clear()
    try:
        answer: Any = runtime.marshal(eval(case.input["answer"], dict(NAMES)))
    except runtime.RuntimeFaultError as error:
        answer = {"error": str(error)}
    finally:
        runtime._escapes.cache_clear()
    case.check(answer)
