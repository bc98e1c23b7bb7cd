"""A reset that is interrupted at any of its calls, and then run again."""

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab_helpers.instance.attendant import Attendant
from tests.interrupting import Interrupted
from tests.lab_helpers.instructor.reset.small_workshop import Lab

pytestmark = pytest.mark.docker
INTERRUPTIONS = 25


@pytest.fixture(scope="module")
def attended(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab with images, and a second attendant that polls more often than the one on the instance."""
    lab.be_at("03")
    home = tmp_path_factory.mktemp("home")
    (home / ".workshop" / "package" / "notebooks").mkdir(parents=True)
    attendant, ended = Attendant(home, lab.bucket, lab.clients("s3")), threading.Event()

    def attend() -> None:
        while not ended.wait(0.05):
            attendant.look()

    thread = threading.Thread(target=attend)
    thread.start()
    yield lab
    ended.set()
    thread.join()


def untag(lab: Lab) -> None:
    lab.clients("ecr").batch_delete_image(
        repositoryName=lab.names.base_image, imageIds=[{"imageTag": "latest"}]
    )


def upload(lab: Lab) -> None:
    lab.clients("s3").put_object(Bucket=lab.bucket, Key="training/input/iris.csv", Body=b"mine")


def sleep_rule(lab: Lab) -> None:
    lab.clients("events").disable_rule(Name=lab.names.base_push_rule)


def delete_log_group(lab: Lab) -> None:
    lab.clients("logs").delete_log_group(logGroupName=f"/aws/codebuild/{lab.names.model_project}")


def delete_rule(lab: Lab) -> None:
    events, rule = lab.clients("events"), lab.names.upload_rule
    events.remove_targets(Rule=rule, Ids=["pipeline"])
    events.delete_rule(Name=rule)


def make_dev(lab: Lab) -> None:
    group = f"/aws/sagemaker/Endpoints/{lab.names.dev_endpoint}"
    body = '{"Resources": {"Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "%s"}}}}'
    lab.clients("cloudformation").create_stack(StackName=lab.names.dev_stack, TemplateBody=body % group)


DAMAGE: tuple[Callable[[Lab], None], ...] = (
    untag,
    upload,
    sleep_rule,
    delete_log_group,
    delete_rule,
    make_dev,
)


@pytest.mark.parametrize("seed", range(INTERRUPTIONS))
def test_interrupted_anywhere_the_same_command_completes_it(attended: Lab, seed: int) -> None:
    chance = random.Random(seed)
    for damage in chance.sample(DAMAGE, 2):
        damage(attended)
    number = chance.randint(1, 70)  # it takes about ninety calls, half of them to read the state

    with pytest.raises(KeyboardInterrupt):
        attended.reset("03", clients=Interrupted(attended.clients, number))

    attended.reset("03")


def test_the_folder_of_the_notebooks_survives(attended: Lab) -> None:
    """The instance carried out every request, and has the exercises."""
    assert isinstance(attended.home, Path)
    assert next((attended.home / "notebooks").glob("01_*.ipynb")).is_file()
