"""What a learner reads when trainingjob.zip is wrong."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from launcher.descriptor import DescriptorError, parse, read_zip

from tests.zips import zipped

GOOD: dict[str, Any] = {
    "HyperParameters": {"C": "1.0", "max_iter": "200"},
    "InputDataConfig": [
        {
            "ChannelName": "training",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/training/input/"}},
        }
    ],
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
    "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    "QualityGate": {"MinimumAccuracy": 0.9, "MinimumRecall": 0.85, "MaximumAccuracyDrop": 0.02},
}
TEMPLATES = {"deploy-model-dev.yml": "", "deploy-model-prd.yml": ""}


def test_a_good_zip_is_split_into_the_request_and_the_gate() -> None:
    found = read_zip(io.BytesIO(zipped({"trainingjob.json": json.dumps(GOOD), **TEMPLATES})))

    assert found.quality_gate == GOOD["QualityGate"]
    assert found.request == {key: value for key, value in GOOD.items() if key != "QualityGate"}


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (TEMPLATES, r"lacks trainingjob\.json.*Notebook 03"),
        ({"job/trainingjob.json": "{}", **TEMPLATES}, r"zip the files, not their directory"),
        ({"trainingjob.json": "{}"}, r"lacks deploy-model-dev\.yml, deploy-model-prd\.yml"),
        ({"trainingjob.json": '{"a": }', **TEMPLATES}, r"not valid JSON: .* line 1, column 7"),
        ({"trainingjob.json": b"\xff\xfe\xff", **TEMPLATES}, r"not UTF-8"),
        ({"trainingjob.json": "[]", **TEMPLATES}, r"holds a list"),
        ({"trainingjob.json": " " * 1_000_001, **TEMPLATES}, r"larger than"),
    ],
)
def test_a_bad_zip_says_which_file_and_what_to_do(files: dict[str, str | bytes], says: str) -> None:
    with pytest.raises(DescriptorError, match=says):
        read_zip(io.BytesIO(zipped(files)))


def test_a_gate_is_for_classes_or_for_numbers() -> None:
    gate = {"MinimumR2": 0.8, "MaximumR2Drop": 0.05}
    assert parse(json.dumps({**GOOD, "QualityGate": gate}).encode()).quality_gate == gate
    for wrong, says in (
        ({"MinimumR2": 0.8}, r"QualityGate\.MaximumR2Drop is missing"),
        ({**gate, "MinimumAccuracy": 0.9}, r"unknown keys: MaximumR2Drop, MinimumR2\..* for a regressor"),
        ({**gate, "MinimumR2": -1}, r"QualityGate\.MinimumR2 is -1"),
    ):
        with pytest.raises(DescriptorError, match=says):
            parse(json.dumps({**GOOD, "QualityGate": wrong}).encode())


def test_a_file_that_is_not_a_zip_says_so() -> None:
    with pytest.raises(DescriptorError, match="not a zip file"):
        read_zip(io.BytesIO(b"hello"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"RoleArn": "arn:x"}, r"unknown keys: RoleArn"),
        ({"ResourceConfig": None}, r"lacks ResourceConfig"),
        ({"HyperParameters": {"C": 1.0}}, r'C is the number 1\.0: write "C": "1\.0"'),
        (
            {"HyperParameters": {"max_iter": "1", "flag": True}},
            r'flag is the boolean true: write "flag": "true"',
        ),
        ({"HyperParameters": {"C": None}}, r"C is the null null"),
        ({"HyperParameters": ["C"]}, r"HyperParameters is a list"),
        ({"HyperParameters": {"C": "x" * 2501}}, r"'C' is empty or too long"),
        ({"HyperParameters": {"": "x"}}, r"'' is empty or too long"),
        ({"HyperParameters": {"C": "a\nb"}}, r"C has a line break"),
        ({"HyperParameters": {f"p{i}": "1" for i in range(101)}}, r"101 entries"),
        ({"QualityGate": {}}, r"QualityGate\.MinimumAccuracy is missing"),
        ({"QualityGate": {**GOOD["QualityGate"], "MinimumRecall": "0.9"}}, r'MinimumRecall is "0\.9"'),
        ({"QualityGate": {**GOOD["QualityGate"], "MinimumRecall": 1.5}}, r"MinimumRecall is 1\.5"),
        ({"QualityGate": {**GOOD["QualityGate"], "MinimumRecall": True}}, r"MinimumRecall is true"),
        ({"QualityGate": {**GOOD["QualityGate"], "MinimumF1": 0.5}}, r"unknown keys: MinimumF1"),
    ],
)
def test_a_wrong_descriptor_says_which_key_and_how_to_write_it(change: dict[str, Any], says: str) -> None:
    asked = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    with pytest.raises(DescriptorError, match=says):
        parse(json.dumps(asked).encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(key=st.sampled_from(sorted(GOOD)), value=JSON)
def test_any_document_either_parses_or_raises_a_descriptor_error(key: str, value: Any) -> None:
    try:
        parse(json.dumps({**GOOD, key: value}).encode())
    except DescriptorError as error:
        assert str(error)
