"""Uploads from browsers: ``POST`` of a form to a bucket.

Contract: Amazon S3 API Reference, "POST Object".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from local_account.services.s3 import attributes, documents, tags
from local_account.services.s3.call import Call, Reply
from local_account.services.s3.errors import S3Error
from local_account.services.s3.facilities import Facilities, check_key, quoted, written_header
from local_account.services.s3.storage import Attributes
from local_account.services.s3.wire import checksums, post_policy

if TYPE_CHECKING:
    from local_account.services.s3.objects import Objects
    from local_account.services.s3.storage import Bucket, ObjectVersion

_PIECE = 256 * 1024


class Forms:
    """The operation that a browser's form makes."""

    def __init__(self, facilities: Facilities, objects: Objects) -> None:
        self._with = facilities
        self._storage = facilities.storage
        self._objects = objects

    def post_object(self, call: Call) -> Reply:
        """POST Object: who may do it is in the form."""
        gate = self._with.gate
        form = post_policy.read_form(call.stream, call.headers.get("content-type", ""))
        signer = post_policy.check(form, call.bucket, gate.credentials, self._with.now())
        headers = post_policy.headers_of(form)
        if tagging := form.fields.get("tagging"):
            given = tags.of_object(documents.read("PutObjectTagging", tagging.encode()))
            headers["x-amz-tagging"] = urlencode(given)
        caller = gate.caller(signer, headers) if signer else None
        made = replace(call, key=form.fields["key"], headers=headers, caller=caller, anonymous=not signer)
        bucket = gate.admit(made)
        if bucket is None:
            raise S3Error("NoSuchBucket", BucketName=call.bucket)
        check_key(made.key)
        said = attributes.of_request(headers, bucket)
        verifier = checksums.Verifier(headers)
        with self._storage.receive() as receiver:
            while piece := form.file.read(_PIECE):
                verifier.update(piece)
                receiver.write(piece)
            digest = verifier.finish()
            stored = Attributes(said.headers, said.user, said.tags, digest.checksums, checksums.FULL_OBJECT)
            version = self._storage.put(
                call.bucket, made.key, [receiver.finish()], digest.etag, stored, now=self._with.now()
            )
        self._with.events.created(made, bucket, version, "POST Object")
        return _answer(form, call, bucket, version)


def _answer(form: post_policy.Form, call: Call, bucket: Bucket, version: ObjectVersion) -> Reply:
    location = f"http://{call.headers.get('host', 's3.amazonaws.com')}/{bucket.name}/{quote(version.key)}"
    headers = {
        "ETag": quoted(version.etag),
        "Location": location,
        **attributes.ENCRYPTION,
        **written_header(version, bucket.versioning),
    }
    redirect = form.fields.get("success_action_redirect") or form.fields.get("redirect")
    if redirect:
        parts = urlsplit(redirect)
        if parts.scheme in ("http", "https"):
            known = urlencode({"bucket": bucket.name, "key": version.key, "etag": quoted(version.etag)})
            query = f"{parts.query}&{known}" if parts.query else known
            return Reply(303, {**headers, "Location": urlunsplit(parts._replace(query=query))})
    status = form.fields.get("success_action_status", "204")
    if status == "201":
        escape = documents.escape
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse><Location>{escape(location)}</Location>'
            f"<Bucket>{bucket.name}</Bucket><Key>{escape(version.key)}</Key>"
            f"<ETag>{escape(quoted(version.etag))}</ETag></PostResponse>"
        )
        return Reply(201, {**headers, "Content-Type": "application/xml"}, body.encode())
    return Reply(200 if status == "200" else 204, headers)
