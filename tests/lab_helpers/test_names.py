"""Names are derived from the lab id in one place and stay within the limits of AWS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_helpers.names import EXECUTION_ID_LENGTH, LIMITS, ROLES, InvalidNameError, Names

PROPERTIES = [name for name, value in vars(Names).items() if isinstance(value, property)]


def all_names(names: Names) -> list[str]:
    execution = "e" * EXECUTION_ID_LENGTH
    return [
        *(str(getattr(names, name)) for name in PROPERTIES if name not in {"prefix", "tag"}),
        *(names.role(purpose) for purpose in ROLES),
        names.bucket("ap-southeast-1", "123456789012"),
        names.assets_bucket("ap-southeast-1", "123456789012"),
        names.training_job(execution),
        names.model("dev", execution),
        names.model("prd", execution),
        names.endpoint_config("dev", execution),
        names.endpoint_config("prd", execution),
    ]


def test_the_default_lab_keeps_the_names_of_the_source_notes() -> None:
    names = Names()
    assert (names.prefix, names.tag) == ("", "default")
    assert (names.top_stack, names.repository, names.notebook_instance) == ("mlops", "mlops", "mlops")
    assert (names.base_image, names.model_image) == ("scikit-base", "iris-model")
    assert names.train_pipeline == "iris-train-pipeline"
    assert names.launcher == "mlops-job-launcher-iris-model"
    assert names.tester == "mlops-endpoint-tester-iris-model"
    assert names.monitor == names.monitor_rule == "mlops-job-monitor-iris-model"
    assert names.bucket("eu-west-1", "123456789012") == "mlops-eu-west-1-123456789012"
    assert names.role("sagemaker") == "mlops-sagemaker"


def test_another_lab_puts_its_id_in_front_of_everything_except_branches() -> None:
    names = Names("ana")
    assert names.tag == "ana"
    branches = {names.base_branch, names.model_branch}
    assert all(name.startswith("ana-") for name in all_names(names) if name not in branches)
    assert branches == {"scikit_base", "iris_model"}


@given(st.from_regex(r"[a-z][a-z0-9]{0,9}", fullmatch=True))
def test_every_lab_id_gives_names_that_aws_accepts(lab_id: str) -> None:
    assert max(map(len, all_names(Names(lab_id)))) <= max(LIMITS.values())


def test_the_longest_lab_id_uses_the_budget_and_no_more() -> None:
    names, execution = Names("abcdefghij"), "e" * EXECUTION_ID_LENGTH
    assert len(names.endpoint_config("dev", execution)) == 62 <= LIMITS["endpoint config"]
    with pytest.raises(InvalidNameError, match="63 characters"):
        names.endpoint_config("staging", execution)


@pytest.mark.parametrize("lab_id", ["Ana", "1ana", "ana-", "a" * 11, "a b", "ä", "ana\n", "-"])
def test_an_invalid_lab_id_is_rejected_with_what_is_allowed(lab_id: str) -> None:
    with pytest.raises(InvalidNameError, match="lower-case letters"):
        Names(lab_id)
