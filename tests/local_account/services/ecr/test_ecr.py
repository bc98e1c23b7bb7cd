"""ECR through unmodified boto3, with images pushed through the registry's HTTP API."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
import requests
from botocore.exceptions import ClientError

from tests.local_account.services.served import Served

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.oci.image.index.v1+json"
POLICY = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 5},
                "action": {"type": "expire"},
            }
        ]
    }
)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


class Registry:
    """A client of the OCI Distribution API."""

    def __init__(self, served: Served, ecr: ECRClient) -> None:
        data = ecr.get_authorization_token()["authorizationData"][0]
        self.root = f"{data['proxyEndpoint']}/v2"
        self.session = requests.Session()
        user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        self.password = password
        self.session.auth = (user, password)

    def __call__(self, method: str, path: str, status: int, **options: Any) -> requests.Response:
        response = self.session.request(method, f"{self.root}/{path}", timeout=30, **options)
        assert response.status_code == status, response.text
        return response

    def blob(self, name: str, content: bytes) -> str:
        digest = digest_of(content)
        self("POST", f"{name}/blobs/uploads/?digest={digest}", 201, data=content)
        return digest

    def image(self, name: str, tag: str, layer: bytes = b"layer") -> tuple[str, bytes]:
        parts = {
            part: {"mediaType": f"test/{part}", "size": len(content), "digest": self.blob(name, content)}
            for part, content in (("config", b"{}" + layer), ("layer", layer))
        }
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": DOCKER,
                "config": parts["config"],
                "layers": [parts["layer"]],
            }
        ).encode()
        self("PUT", f"{name}/manifests/{tag}", 201, data=manifest, headers={"Content-Type": DOCKER})
        return digest_of(manifest), manifest


@pytest.fixture(scope="session")
def ecr(service_client: Callable[[str], Any]) -> ECRClient:
    client: ECRClient = service_client("ecr")
    return client


@pytest.fixture(scope="session")
def registry(served: Served, ecr: ECRClient) -> Registry:
    return Registry(served, ecr)


@pytest.fixture
def repository(ecr: ECRClient, request: pytest.FixtureRequest) -> Iterator[str]:
    name = "test/" + request.node.name.removeprefix("test_").split("[")[0].replace("_", "-")
    ecr.create_repository(repositoryName=name, tags=[{"Key": "a", "Value": "1"}])
    yield name
    ecr.delete_repository(repositoryName=name, force=True)


# --- the API


def test_repository_uri_is_the_registrys(ecr: ECRClient, repository: str, served: Served) -> None:
    (shown,) = ecr.describe_repositories(repositoryNames=[repository])["repositories"]
    assert shown["repositoryUri"] == f"127.0.0.1:{served.account.config.registry_port}/{repository}"
    assert shown["repositoryArn"] == served.account.arn("ecr", f"repository/{repository}")
    assert (shown["imageTagMutability"], shown["imageScanningConfiguration"]) == (
        "MUTABLE",
        {"scanOnPush": False},
    )


def test_repositories_that_cannot_be_created(ecr: ECRClient, repository: str) -> None:
    with pytest.raises(ClientError) as error:
        ecr.create_repository(repositoryName=repository)
    assert code(error) == "RepositoryAlreadyExistsException"
    for name in ("Upper", "a//b", "-a", "a_"):
        with pytest.raises(ClientError) as error:
            ecr.create_repository(repositoryName=name)
        assert code(error) == "InvalidParameterException"


def test_what_does_not_exist_is_named(ecr: ECRClient, repository: str) -> None:
    for call in (ecr.describe_images, ecr.list_images, ecr.delete_repository, ecr.get_lifecycle_policy):
        with pytest.raises(ClientError, match="'nobody' does not exist") as error:
            call(repositoryName="nobody")
        assert code(error) == "RepositoryNotFoundException"
    with pytest.raises(ClientError, match="imageTag:'latest'") as error:
        ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": "latest"}])
    assert code(error) == "ImageNotFoundException"


def test_a_pushed_image_is_described(
    ecr: ECRClient, repository: str, registry: Registry, served: Served
) -> None:
    digest, manifest = registry.image(repository, "v1")
    registry("PUT", f"{repository}/manifests/latest", 201, data=manifest, headers={"Content-Type": DOCKER})
    (detail,) = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": "latest"}])[
        "imageDetails"
    ]
    assert (detail["imageDigest"], detail["imageTags"]) == (digest, ["v1", "latest"])
    assert detail["imageManifestMediaType"] == DOCKER
    assert detail["imageSizeInBytes"] == len(b"layer") + len(b"{}layer")
    assert abs((served.account.now() - detail["imagePushedAt"]).total_seconds()) < 60
    (image,) = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])["images"]
    assert image["imageManifest"].encode() == manifest
    for accepted, one in (([DOCKER], {"imageTag": "v1"}), (["application/x"], {"imageDigest": digest})):
        (image,) = ecr.batch_get_image(
            repositoryName=repository, imageIds=[cast("Any", one)], acceptedMediaTypes=accepted
        )["images"]
        assert (image["imageManifest"].encode(), image["imageManifestMediaType"]) == (manifest, DOCKER)
    with pytest.raises(ClientError, match=f"that converts {re.escape(DOCKER)} to one of acceptedMediaTypes"):
        ecr.batch_get_image(
            repositoryName=repository, imageIds=[{"imageTag": "v1"}], acceptedMediaTypes=["application/x"]
        )
    pushes = served.bus.details(**{"repository-name": repository})
    assert [(one["action-type"], one["image-tag"], one["image-digest"]) for one in pushes] == [
        ("PUSH", "v1", digest),
        ("PUSH", "latest", digest),
    ]


def test_a_moved_tag_leaves_the_old_image_untagged(
    ecr: ECRClient, repository: str, registry: Registry
) -> None:
    old, _ = registry.image(repository, "latest", b"old")
    new, _ = registry.image(repository, "latest", b"new")
    by_status = {
        status: [
            one["imageDigest"]
            for one in ecr.describe_images(repositoryName=repository, filter={"tagStatus": status})[
                "imageDetails"
            ]
        ]
        for status in ("TAGGED", "UNTAGGED", "ANY")
    }
    assert by_status == {"TAGGED": [new], "UNTAGGED": [old], "ANY": [old, new]}
    assert ecr.list_images(repositoryName=repository)["imageIds"] == [
        {"imageDigest": old},
        {"imageDigest": new, "imageTag": "latest"},
    ]


def test_lists_come_in_pages(ecr: ECRClient, repository: str, registry: Registry) -> None:
    digests = [registry.image(repository, f"v{n}", b"%d" % n)[0] for n in range(5)]
    paginator = ecr.get_paginator("describe_images")
    pages = list(paginator.paginate(repositoryName=repository, PaginationConfig={"PageSize": 2}))
    assert [len(page["imageDetails"]) for page in pages] == [2, 2, 1]
    assert [one["imageDigest"] for page in pages for one in page["imageDetails"]] == digests
    with pytest.raises(ClientError) as error:
        ecr.list_images(repositoryName=repository, nextToken="nonsense")
    assert code(error) == "InvalidParameterException"
    first = registry("GET", f"{repository}/tags/list?n=2", 200)
    assert first.json()["tags"] == ["v0", "v1"]
    following = first.links["next"]["url"].removeprefix("/v2/")
    assert registry("GET", following, 200).json()["tags"] == ["v2", "v3"]


def test_put_image_gives_an_image_another_tag(ecr: ECRClient, repository: str, registry: Registry) -> None:
    digest, manifest = registry.image(repository, "v1")
    put = {"repositoryName": repository, "imageManifest": manifest.decode(), "imageTag": "v2"}
    assert ecr.put_image(**put)["image"]["imageId"] == {"imageDigest": digest, "imageTag": "v2"}
    with pytest.raises(ClientError) as error:
        ecr.put_image(**put)
    assert code(error) == "ImageAlreadyExistsException"
    with pytest.raises(ClientError) as error:
        ecr.put_image(
            **(put | {"imageManifest": manifest.decode().replace(digest_of(b"layer"), digest_of(b"x"))})
        )
    assert code(error) == "LayersNotFoundException"


@pytest.mark.parametrize(
    ("mutability", "moves"), [("IMMUTABLE_WITH_EXCLUSION", ["dev-1"]), ("MUTABLE_WITH_EXCLUSION", ["v1"])]
)
def test_filters_except_tags_from_the_setting(
    ecr: ECRClient, repository: str, registry: Registry, mutability: Any, moves: list[str]
) -> None:
    filters: Any = [{"filterType": "WILDCARD", "filter": "dev-*"}]
    ecr.put_image_tag_mutability(
        repositoryName=repository,
        imageTagMutability=mutability,
        imageTagMutabilityExclusionFilters=filters,
    )
    (shown,) = ecr.describe_repositories(repositoryNames=[repository])["repositories"]
    assert shown["imageTagMutabilityExclusionFilters"] == filters
    _, one = registry.image(repository, "v1", b"one")
    registry("PUT", f"{repository}/manifests/dev-1", 201, data=one, headers={"Content-Type": DOCKER})
    _, other = registry.image(repository, "free", b"two")
    moved = []
    for tag in ("v1", "dev-1"):
        path = f"{registry.root}/{repository}/manifests/{tag}"
        answer = registry.session.put(path, data=other, headers={"Content-Type": DOCKER}, timeout=30)
        moved += [tag] if answer.ok else []
    assert moved == moves


@pytest.mark.parametrize(
    ("mutability", "count", "message"),
    [
        ("IMMUTABLE_WITH_EXCLUSION", 6, "less than or equal to 5"),
        ("MUTABLE_WITH_EXCLUSION", None, "can't be null when imageTagMutability is set as MUTABLE_WITH"),
        ("IMMUTABLE", 1, "can't be set when imageTagMutability is set as IMMUTABLE"),
        (None, 1, "can't be set when imageTagMutability is set as MUTABLE"),
    ],
)
def test_filters_go_with_the_settings_that_have_exceptions(
    ecr: ECRClient, mutability: Any, count: int | None, message: str
) -> None:
    given: Any = {"imageTagMutability": mutability} if mutability else {}
    if count is not None:
        given["imageTagMutabilityExclusionFilters"] = [
            {"filterType": "WILDCARD", "filter": f"v{number}*"} for number in range(count)
        ]
    with pytest.raises(ClientError, match=message) as error:
        ecr.create_repository(repositoryName="test/filters", **given)
    assert code(error) == "InvalidParameterException"


def test_immutable_tags_do_not_move(ecr: ECRClient, repository: str, registry: Registry) -> None:
    digest, _ = registry.image(repository, "v1", b"one")
    ecr.put_image_tag_mutability(repositoryName=repository, imageTagMutability="IMMUTABLE")
    _, other = registry.image(repository, "v2", b"two")
    refusal = registry("PUT", f"{repository}/manifests/v1", 400, data=other, headers={"Content-Type": DOCKER})
    assert refusal.json()["errors"][0]["code"] == "TAG_INVALID"
    assert "immutable" in refusal.json()["errors"][0]["message"]
    assert registry("HEAD", f"{repository}/manifests/v1", 200).headers["Docker-Content-Digest"] == digest
    with pytest.raises(ClientError) as error:
        ecr.put_image(repositoryName=repository, imageManifest=other.decode(), imageTag="v1")
    assert code(error) == "ImageTagAlreadyExistsException"


def test_images_are_deleted_by_tag_and_by_digest(ecr: ECRClient, repository: str, registry: Registry) -> None:
    digest, manifest = registry.image(repository, "v1")
    registry("PUT", f"{repository}/manifests/v2", 201, data=manifest, headers={"Content-Type": DOCKER})
    answer = ecr.batch_delete_image(
        repositoryName=repository,
        imageIds=[{"imageTag": "v1"}, {"imageTag": "none"}, {"imageDigest": "sha256:1"}, {}],
    )
    assert answer["imageIds"] == [{"imageDigest": digest, "imageTag": "v1"}]
    assert [one["failureCode"] for one in answer["failures"]] == [
        "ImageNotFound",
        "InvalidImageDigest",
        "MissingDigestAndTag",
    ]
    ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])
    assert ecr.list_images(repositoryName=repository)["imageIds"] == []
    registry("GET", f"{repository}/manifests/v2", 404)


def test_blobs_are_deleted_with_the_last_image_that_needs_them(
    ecr: ECRClient, repository: str, registry: Registry
) -> None:
    registry.image(repository, "a", b"only-a")
    shared = registry.blob(repository, b"shared-and-unused")
    registry.image(repository, "b", b"only-b")
    ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "a"}])
    registry("HEAD", f"{repository}/blobs/{digest_of(b'only-a')}", 404)
    registry("HEAD", f"{repository}/blobs/{digest_of(b'only-b')}", 200)
    registry("HEAD", f"{repository}/blobs/{shared}", 200)  # just pushed: its manifest may still come


def test_a_repository_with_images_is_only_deleted_with_force(ecr: ECRClient, registry: Registry) -> None:
    ecr.create_repository(repositoryName="full")
    registry.image("full", "v1", b"of-full")
    with pytest.raises(ClientError) as error:
        ecr.delete_repository(repositoryName="full")
    assert code(error) == "RepositoryNotEmptyException"
    ecr.delete_repository(repositoryName="full", force=True)
    with pytest.raises(ClientError) as error:
        ecr.describe_repositories(repositoryNames=["full"])
    assert code(error) == "RepositoryNotFoundException"


def test_layer_availability(ecr: ECRClient, repository: str, registry: Registry) -> None:
    digest = registry.blob(repository, b"here")
    answer = ecr.batch_check_layer_availability(
        repositoryName=repository, layerDigests=[digest, digest_of(b"not here"), "md5:1"]
    )
    assert [one["layerAvailability"] for one in answer["layers"]] == ["AVAILABLE", "UNAVAILABLE"]
    assert answer["failures"][0]["failureCode"] == "InvalidLayerDigest"


def test_policies_and_tags(ecr: ECRClient, repository: str, served: Served) -> None:
    with pytest.raises(ClientError) as error:
        ecr.get_lifecycle_policy(repositoryName=repository)
    assert code(error) == "LifecyclePolicyNotFoundException"
    ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=POLICY)
    assert ecr.get_lifecycle_policy(repositoryName=repository)["lifecyclePolicyText"] == POLICY
    ecr.delete_lifecycle_policy(repositoryName=repository)
    pull = {"Effect": "Allow", "Action": "ecr:BatchGetImage"}
    for refused in (
        {**pull, "Effect": "Maybe", "Principal": "*"},
        pull,
        {**pull, "Principal": {"AWS": served.account.arn("iam", "role/nobody").replace("us-east-1", "")}},
    ):
        with pytest.raises(ClientError, match="Invalid repository policy provided") as error:
            ecr.set_repository_policy(
                repositoryName=repository,
                policyText=json.dumps({"Version": "2012-10-17", "Statement": [refused]}),
            )
        assert code(error) == "InvalidParameterException"
    with pytest.raises(ClientError) as error:
        ecr.get_repository_policy(repositoryName=repository)
    assert code(error) == "RepositoryPolicyNotFoundException"
    ecr.put_image_scanning_configuration(
        repositoryName=repository, imageScanningConfiguration={"scanOnPush": True}
    )
    arn = served.account.arn("ecr", f"repository/{repository}")
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "b", "Value": "2"}])
    ecr.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "b", "Value": "2"}]


def test_a_lifecycle_policy_expires_images(
    ecr: ECRClient, repository: str, registry: Registry, served: Served
) -> None:
    digests = [registry.image(repository, "latest", b"build %d" % n)[0] for n in range(8)]
    ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=POLICY)
    assert len(ecr.list_images(repositoryName=repository)["imageIds"]) == 8
    served.ecr.tidy()
    left = [one["imageDigest"] for one in ecr.list_images(repositoryName=repository)["imageIds"]]
    assert left == digests[2:]  # five untagged ones and the tagged one
    assert "lastEvaluatedAt" in ecr.get_lifecycle_policy(repositoryName=repository)
    registry("HEAD", f"{repository}/blobs/{digest_of(b'build 0')}", 404)


def test_a_policy_of_an_older_build_that_is_not_valid_any_more_is_passed_over(
    ecr: ECRClient, repository: str, served: Served
) -> None:
    ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=POLICY)
    table: Any = served.account.store.table("ecr-repositories")
    with table.update(repository) as document:
        document["lifecyclePolicyText"] = POLICY.replace("rulePriority", "rulePriorities")
    served.ecr.tidy()
    assert "lastEvaluatedAt" not in ecr.get_lifecycle_policy(repositoryName=repository)
    ecr.delete_lifecycle_policy(repositoryName=repository)


# --- the registry


def test_only_a_password_of_the_account_opens_the_registry(registry: Registry) -> None:
    for auth in (None, ("AWS", "wrong"), ("root", registry.password), ("AWS", "MTIz.abc")):
        response = requests.get(f"{registry.root}/", auth=auth, timeout=5)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Basic ")
        assert "aws ecr get-login-password" in response.json()["errors"][0]["message"]
    assert registry("GET", "", 200).headers["Docker-Distribution-Api-Version"] == "registry/2.0"


def test_an_expired_password_is_refused(
    registry: Registry, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = served.account.now()
    monkeypatch.setattr(served.account, "now", lambda: now.replace(year=now.year + 1))
    registry("GET", "", 401)


def test_a_push_to_an_unknown_repository_says_how_to_create_it(registry: Registry) -> None:
    error = registry("POST", "nobody/knows/blobs/uploads/", 404).json()["errors"][0]
    assert error["code"] == "NAME_UNKNOWN"
    assert "aws ecr create-repository --repository-name nobody/knows" in error["message"]


def test_an_upload_in_parts(registry: Registry, repository: str) -> None:
    parts = [b"a" * 100_000, b"b" * 50_000, b"c"]
    content = b"".join(parts)
    response = registry("POST", f"{repository}/blobs/uploads/", 202)
    place = response.headers["Location"].removeprefix("/v2/")
    registry("PATCH", place, 202, data=iter([parts[0]]))  # Transfer-Encoding: chunked
    assert registry("GET", place, 204).headers["Range"] == "0-99999"
    refusal = registry("PATCH", place, 416, data=parts[1], headers={"Content-Range": "7-50006"})
    assert refusal.headers["Range"] == "0-99999"
    registry("PATCH", place, 202, data=parts[1], headers={"Content-Range": "100000-149999"})
    response = registry("PUT", f"{place}?digest={digest_of(content)}", 201, data=parts[2])
    blob = response.headers["Location"].removeprefix("/v2/")
    assert registry("GET", blob, 200).content == content
    part = registry("GET", blob, 206, headers={"Range": "bytes=99999-100000"})
    assert (part.content, part.headers["Content-Range"]) == (b"ab", f"bytes 99999-100000/{len(content)}")
    registry("PATCH", place, 404, data=b"more")


def test_a_wrong_digest_keeps_nothing(registry: Registry, repository: str) -> None:
    wrong = digest_of(b"right")
    refusal = registry("POST", f"{repository}/blobs/uploads/?digest={wrong}", 400, data=b"wrong")
    assert refusal.json()["errors"][0]["code"] == "DIGEST_INVALID"
    registry("HEAD", f"{repository}/blobs/{wrong}", 404)
    registry("POST", f"{repository}/blobs/uploads/?digest=md5:1", 400, data=b"wrong")
    registry("GET", f"{repository}/blobs/sha256:../../../account.json", 404)


def test_a_full_disk_is_reported_and_the_upload_dropped(
    registry: Registry, repository: str, served: Served
) -> None:
    place = registry("POST", f"{repository}/blobs/uploads/", 202).headers["Location"].removeprefix("/v2/")
    part = served.account.config.state_dir / "registry" / "uploads" / place.rpartition("/")[2]
    part.unlink()
    part.symlink_to("/dev/full")
    refusal = registry("PATCH", place, 507, data=b"does not fit")
    assert "no space left on device" in refusal.json()["errors"][0]["message"]
    assert not part.is_symlink()
    registry("PATCH", place, 404, data=b"more")
    registry.blob(repository, b"fits again")


def test_layers_are_found_across_repositories(registry: Registry, repository: str, ecr: ECRClient) -> None:
    digest = registry.blob(repository, b"base image layer")
    ecr.create_repository(repositoryName="other")
    query = f"mount={digest}&from={repository}"
    response = registry("POST", f"other/blobs/uploads/?{query}", 201)
    assert response.headers["Docker-Content-Digest"] == digest
    registry("POST", f"other/blobs/uploads/?mount={digest_of(b'unknown')}&from={repository}", 202)
    ecr.delete_repository(repositoryName="other")


@pytest.mark.parametrize(
    ("manifest", "refusal"),
    [
        (b"{", (400, "MANIFEST_INVALID")),
        (b"[]", (400, "MANIFEST_INVALID")),
        (b'{"schemaVersion": 2}', (400, "MANIFEST_INVALID")),
        (
            b'{"schemaVersion": 2, "config": {"digest": "x", "size": 1}, "layers": []}',
            (400, "MANIFEST_INVALID"),
        ),
        (
            json.dumps({"config": {"digest": digest_of(b"?"), "size": 1}, "layers": []}).encode(),
            (404, "MANIFEST_BLOB_UNKNOWN"),
        ),
        (b"x" * (4 * 1024 * 1024 + 1), (413, "SIZE_INVALID")),
    ],
)
def test_manifests_that_cannot_be_kept(
    registry: Registry, repository: str, ecr: ECRClient, manifest: bytes, refusal: tuple[int, str]
) -> None:
    status, wanted = refusal
    answer = registry(
        "PUT", f"{repository}/manifests/v1", status, data=manifest, headers={"Content-Type": DOCKER}
    )
    assert answer.json()["errors"][0]["code"] == wanted
    assert ecr.list_images(repositoryName=repository)["imageIds"] == []


def test_a_layer_shorter_than_the_manifest_says_is_not_accepted(registry: Registry, repository: str) -> None:
    digest = registry.blob(repository, b"short")
    manifest = json.dumps({"config": {"digest": digest, "size": 500}, "layers": []}).encode()
    refusal = registry(
        "PUT", f"{repository}/manifests/v1", 404, data=manifest, headers={"Content-Type": DOCKER}
    )
    assert refusal.json()["errors"][0]["code"] == "MANIFEST_BLOB_UNKNOWN"


def test_an_index_needs_its_images_and_keeps_them(
    registry: Registry, repository: str, ecr: ECRClient
) -> None:
    digest, manifest = registry.image(repository, "amd64")

    def index(of: str) -> bytes:
        entry = {"mediaType": DOCKER, "digest": of, "size": len(manifest)}
        return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()

    headers = {"Content-Type": INDEX}
    registry("PUT", f"{repository}/manifests/all", 404, data=index(digest_of(b"?")), headers=headers)
    registry("PUT", f"{repository}/manifests/all", 201, data=index(digest), headers=headers)
    failures = ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])[
        "failures"
    ]
    assert failures[0]["failureCode"] == "ImageReferencedByManifestList"


def test_referrers(registry: Registry, repository: str) -> None:
    digest, manifest = registry.image(repository, "v1")
    config = registry.blob(repository, b"{}")
    signature = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": "test/signature",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
            "layers": [],
            "subject": {"mediaType": DOCKER, "digest": digest, "size": len(manifest)},
        }
    ).encode()
    response = registry("PUT", f"{repository}/manifests/{digest_of(signature)}", 201, data=signature)
    assert response.headers["OCI-Subject"] == digest
    (found,) = registry("GET", f"{repository}/referrers/{digest}", 200).json()["manifests"]
    assert (found["digest"], found["artifactType"]) == (digest_of(signature), "test/signature")


def test_manifests_are_deleted_through_the_registry(registry: Registry, repository: str) -> None:
    digest, _ = registry.image(repository, "v1")
    registry("DELETE", f"{repository}/manifests/{digest}", 202)
    registry("GET", f"{repository}/manifests/{digest}", 404)
    registry("DELETE", f"{repository}/manifests/v1", 404)
    registry("PUT", f"{repository}/tags/list", 405)
