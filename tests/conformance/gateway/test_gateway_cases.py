"""What is said about a request that breaks a constraint of the service's model; None if nothing."""

from __future__ import annotations

import pytest

from local_account.foundation.errors import ServiceError
from local_account.gateway import protocol
from tests.conformance.cases import Case, identify, load


@pytest.mark.parametrize("case", load("gateway/constraints"), ids=identify)
def test_constraints(case: Case) -> None:
    model = protocol.service_model(case.input["service"])
    call = protocol.Call(model.operation_model(case.input["operation"]), {}, model.protocol)
    try:
        protocol.validate(call, case.input["request"], "ValidationException")
    except ServiceError as error:
        assert error.code == "ValidationException"
        case.check(error.message)
    else:
        case.check(None)
