"""Which names the arguments of ``docker`` give to an image that no other build sees."""

import pytest

from local_account.services.codebuild.image_names import names


@pytest.mark.parametrize(
    ("command", "given"),
    [
        ("build -t iris .", ["iris:latest"]),
        ("build --quiet -t iris:1 --tag=iris:2 --tag team/iris .", ["iris:1", "iris:2", "team/iris:latest"]),
        ("build -tiris .", ["iris:latest"]),
        ("buildx build --load --tag iris .", ["iris:latest"]),
        ("image build -t iris .", ["iris:latest"]),
        ("build --target iris -t 127.0.0.1:5000/iris:1 -t localhost/iris -t a.example/iris .", []),
        ("tag 127.0.0.1:5000/iris iris", ["iris:latest"]),
        ("image tag iris 127.0.0.1:5000/iris", []),
        ("commit --message text container iris", ["iris:latest"]),
        ("push SHARED/iris:1", []),
        ("build -t SHARED/iris:1 .", ["SHARED/iris:1"]),
        ("tag iris SHARED/iris", ["SHARED/iris:latest"]),
        ("pull --quiet SHARED/iris:1", ["SHARED/iris:1"]),
        ("pull python:3.12", []),
        ("build .", []),
        ("image ls", []),
        ("tag", []),
    ],
)
def test_names_given(command: str, given: list[str]) -> None:
    shared = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
    command, expected = command.replace("SHARED", shared), [name.replace("SHARED", shared) for name in given]
    assert list(names(command.split(), shared)) == expected
