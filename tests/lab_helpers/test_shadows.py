"""What a shadow variant has answered, as captured data tells it."""

import base64
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody

from lab_helpers import shadows
from lab_helpers.monitoring import Traffic
from lab_helpers.shadows import ShadowError
from tests.lab_helpers import fakes

ENDPOINT = "iris-model-safe-0a1b2c"
NOW = datetime(2026, 12, 1, tzinfo=UTC)
SENT = Traffic(ENDPOINT, ("shadow-0000", "shadow-0001", "shadow-0002"), ("a", "b", "a"), NOW, NOW)


def line(question: str, answer: str, name: str = "", *, encoded: bool = False) -> str:
    def body(value: Any) -> dict[str, str]:
        text = json.dumps(value)
        if encoded:
            return {"encoding": "BASE64", "data": base64.b64encode(text.encode()).decode()}
        return {"encoding": "JSON", "data": text}

    event = {
        "captureData": {
            "endpointInput": body({"instances": [[question]]}),
            "endpointOutput": body({"predictions": [answer]}),
        },
        "eventMetadata": {"eventId": "1", **({"inferenceId": name} if name else {})},
        "eventVersion": "0",
    }
    return json.dumps(event)


def captured(tmp_path: Path, **variants: list[str]) -> Any:
    """A lab in which these lines are captured, by variant."""
    stem = f"monitoring/capture/{ENDPOINT}"
    objects = {
        f"{stem}/{name}/2026/12/01/00/x.jsonl": "\n".join(lines).encode() for name, lines in variants.items()
    }

    def body(Bucket: str, Key: str) -> dict[str, Any]:
        return {"Body": StreamingBody(io.BytesIO(objects[Key]), len(objects[Key]))}

    s3 = fakes.FakeClient(
        "s3",
        list_objects_v2=lambda Bucket, Prefix: {
            "Contents": [{"Key": key} for key in objects if key.startswith(Prefix)]
        },
        get_object=body,
    )
    return fakes.lab(tmp_path, s3=s3)


PRODUCTION = [line("p", "a", "shadow-0000"), line("q", "b", "shadow-0001"), line("p", "a", "shadow-0002")]
ANSWERED = {"shadow-0000": "A", "shadow-0001": "B", "shadow-0002": "A"}


def test_answers_are_found_by_inference_id(tmp_path: Path) -> None:
    shadow = [
        line("p", "A", "shadow-0000"),
        line("q", "B", "shadow-0001"),
        line("p", "A", "shadow-0002"),
        line("p", "C", "someone-else"),
    ]
    lab = captured(tmp_path, AllTraffic=PRODUCTION, Challenger=shadow)
    found = shadows.wait(lab, SENT, ["AllTraffic", "Challenger"])
    assert found == {
        "AllTraffic": dict(zip(SENT.ids, SENT.labels, strict=True)),
        "Challenger": ANSWERED,
    }


def test_a_shadow_whose_answers_have_no_inference_id_is_recognized_by_the_questions(tmp_path: Path) -> None:
    """AWS does not say that it keeps the id of a request in what a shadow variant is asked."""
    shadow = [line("q", "B"), line("p", "A"), line("p", "A"), line("of another client", "C")]
    lab = captured(tmp_path, Challenger=shadow, AllTraffic=PRODUCTION)
    assert shadows.wait(lab, SENT, ["AllTraffic", "Challenger"])["Challenger"] == ANSWERED


def test_answers_of_another_content_type_than_configured_are_read_all_the_same(tmp_path: Path) -> None:
    lab = captured(tmp_path, AllTraffic=[line("p", "a", "shadow-0000", encoded=True)])
    assert shadows.captured(lab, SENT) == {"AllTraffic": {"shadow-0000": "a"}}


def test_what_is_missing_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadows, "PATIENCE", 0.0)
    lab = captured(tmp_path, AllTraffic=PRODUCTION, Challenger=[line("q", "B")])
    with pytest.raises(ShadowError, match="AllTraffic 3 of 3, Challenger 1 of 3"):
        shadows.wait(lab, SENT, ["AllTraffic", "Challenger"], sleep=lambda _: None)
