"""The roles of a lab have what docs/permissions.md says that services need of them."""

import pytest

from tests.docs.pages import page, rows, section, spans
from tests.lab_roles import Role, grants, roles
from tests.local_account.permission_tables import entries


@pytest.mark.parametrize(
    ("service", "role"),
    [
        ("CodePipeline", "mlops-pipeline"),
        ("CodeBuild", "mlops-codebuild"),
        ("SageMaker AI", "mlops-sagemaker"),
    ],
)
def test_the_role_has_what_its_service_needs(service: str, role: str) -> None:
    held = {action for _, action, *_ in grants(roles("")[role])}
    # A lab's builds get their source as one archive of CodePipeline, which reads CodeCommit or S3.
    others = ("it lists a source folder", "it reads a commit behind a connection")
    needed = {one.permission for one in entries(service) if not one.when.startswith(others)}

    assert not needed - held


def test_the_policy_for_going_back_has_what_its_table_says() -> None:
    told = {
        span
        for _, permissions in rows(section(page("docs/permissions.md"), "A learner's way back"))
        for span in spans(permissions)
        if ":" in span
    }
    policy = roles("")["mlops-notebook"].managed["mlops-notebook-reset"]

    assert told == {action for _, action, *_ in grants(Role(managed={"reset": policy}))}
