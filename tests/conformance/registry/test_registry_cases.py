"""Lifecycle policies, and what the registry and the API of ECR answer.

- lifecycle: which of the ``images`` (name, age in days, tags, images of an index) the ``rules`` expire.
- requests: the answer to the last of some ``steps`` in a new repository with the settings that the input has.
  Images (``a``, ``b``) have a configuration and a layer each; ``@a`` is a digest, ``{r}`` the repository's
  path, ``other`` another new repository. Of an answer, what the case expects is looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import Client

from local_account.foundation.account import Account
from local_account.foundation.config import AccountConfig
from local_account.foundation.errors import ServiceError
from local_account.services.ecr import Ecr, registry_password
from local_account.services.ecr.blobs import digest_of
from local_account.services.ecr.images import DOCKER_MANIFEST
from local_account.services.ecr.lifecycle_policy import expired, parse
from local_account.services.ecr.registry import registry_app
from tests.conformance.cases import Case, identify, load

NOW = datetime(2026, 5, 13, tzinfo=UTC)


@pytest.mark.parametrize("case", load("registry/lifecycle"), ids=identify)
def test_lifecycle(case: Case) -> None:
    images = case.input["images"]
    repository: Any = {
        "images": {
            name: {"pushedAt": NOW - timedelta(days=age), "manifests": more[0] if more else []}
            for name, age, _, *more in images
        },
        "tags": {tag: name for name, _, tags, *_ in images for tag in tags},
    }
    try:
        rules = parse(json.dumps({"rules": case.input["rules"]}))
        answer: Any = expired(rules, repository, NOW)
    except ServiceError as error:
        assert error.code == "InvalidParameterException"
        answer = {"error": error.message if case.account == "refuses" else "refused"}
    case.check(answer)


class SilentBus:
    """An event bus without rules."""

    def publish(self, *_: Any, **__: Any) -> None:
        """Forget the event."""


class Registry:
    """A registry in this process, without sockets, and one repository for each case."""

    def __init__(self, account: Account) -> None:
        self.ecr = Ecr(account)
        self._http = Client(registry_app(account))
        self._login = (registry_password.USER, registry_password.issue(account)[0])
        self._count = 0
        self.name = ""

    def repository(self, settings: dict[str, Any]) -> None:
        self._count += 1
        self.name = f"r{self._count}"
        self.api("CreateRepository", settings)

    def api(self, operation: str, params: dict[str, Any]) -> Any:
        method = "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in operation).lstrip("_")
        text = json.dumps({"repositoryName": self.name, **params})
        for image in "ab":
            text = text.replace(f'"@{image}"', f'"{digest_of(self.manifest(image))}"')
        return getattr(self.ecr, method)(json.loads(text))

    def http(self, method: str, path: str, body: bytes | str = b"", **more: Any) -> Any:
        where = path.replace("{r}", f"/v2/{self.name}")
        return self._http.open(where, method=method, data=body, auth=self._login, **more)

    def anonymous(self, method: str, path: str) -> Any:
        return self._http.open(path, method=method)

    def blob(self, digest: str, content: bytes = b"x") -> Any:
        upload = self.http("POST", "{r}/blobs/uploads/").headers["Location"]
        return self.http("PUT", upload, content, query_string={"digest": digest})

    def manifest(self, image: str) -> bytes:
        parts = [f"{image} {part}".encode() for part in ("configuration", "layer")]
        config, layer = ({"digest": digest_of(part), "size": len(part)} for part in parts)
        body = {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": [layer]}
        return json.dumps(body).encode()

    def put(self, tag: str, image: str) -> Any:
        body = self.manifest(image)
        return self.http("PUT", f"{{r}}/manifests/{tag}", body, content_type=DOCKER_MANIFEST)

    def push(self, tag: str, image: str) -> Any:
        for part in ("configuration", "layer"):
            content = f"{image} {part}".encode()
            self.blob(digest_of(content), content)
        return self.put(tag, image)

    def pull(self, reference: str) -> Any:
        digest = digest_of(self.manifest(reference[1:])) if reference.startswith("@") else reference
        return self.http("GET", f"{{r}}/manifests/{digest}")

    def put_image(self, tag: str, image: str) -> Any:
        manifest = {"imageManifest": self.manifest(image).decode(), "imageTag": tag}
        return self.api("PutImage", {**manifest, "imageManifestMediaType": DOCKER_MANIFEST})

    def create(self) -> Any:
        return self.api("CreateRepository", {})

    def other(self) -> None:
        self.repository({})


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    account = Account(AccountConfig(tmp_path_factory.mktemp("registry")))
    account.bus = SilentBus()
    yield Registry(account)
    account.store.close()


def _answer(registry: Registry, response: Any, expected: Any) -> Any:
    found: dict[str, Any]
    if isinstance(response, dict):
        if response.get("failures"):
            return {"failure": response["failures"][0]["failureCode"]}
        if "layers" in response:
            return {"availability": response["layers"][0]["layerAvailability"]}
        counted = {name: len(value) for name, value in response.items() if isinstance(value, list)}
        found = {name: counted[name] for name in expected if name in counted}
        return found or "done"
    document: Any = response.get_json(silent=True) if response.data else None
    found = {"status": response.status_code}
    if "code" in expected:
        found["code"] = document["errors"][0]["code"]
    if "image" in expected:
        found["image"] = next((name for name in "ab" if registry.manifest(name) == response.data), None)
    if "tags" in expected:
        found["tags"] = document["tags"]
    if "link" in expected:
        found["link"] = "Link" in response.headers
    return found


@pytest.mark.parametrize("case", load("registry/requests"), ids=identify)
def test_requests(case: Case, registry: Registry) -> None:
    registry.repository({key: value for key, value in case.input.items() if key != "steps"})
    try:
        response: Any = None
        for step in case.input["steps"]:
            response = getattr(registry, step[0])(*step[1:])
        answer = _answer(registry, response, case.expected)
    except ServiceError as error:
        answer = {"error": error.code}
    case.check(answer)
