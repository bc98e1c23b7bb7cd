"""The lab's bucket, as far as the attendant uses it."""

from typing import Any

from botocore.exceptions import ClientError


class Bucket:
    """The part of S3 that the attendant uses."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.asked: list[dict[str, Any]] = []

    def put_object(self, *, Key: str, Body: bytes, **_: Any) -> None:
        self.objects[Key] = Body

    def get_object(self, *, Key: str, **conditions: Any) -> dict[str, Any]:
        self.asked.append(conditions)
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        etag = f'"{hash(self.objects[Key])}"'
        if conditions.get("IfNoneMatch") == etag:
            raise ClientError({"Error": {"Code": "304"}}, "GetObject")
        body = self.objects[Key]
        return {"ETag": etag, "Body": type("Body", (), {"read": lambda _self: body})()}
