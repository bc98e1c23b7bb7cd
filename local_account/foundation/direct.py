"""The account's own clients reach its gateway in their own thread, without a connection.

Half of the requests that the account answers are its own: CloudFormation creates a resource, a pipeline
starts a build. Over HTTP, a signature, two heads and two changes of thread would be added to each. What a
service sees is the same.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse


class Direct:
    """A way for boto3 clients to the gateway of this process.

    ``answer`` is None until the account listens and after it has stopped: clients then use HTTP.
    """

    def __init__(self) -> None:
        self.answer: Callable[[AWSPreparedRequest], AWSResponse] | None = None

    def connect(self, client: Any, access_key_id: str) -> None:
        """Have a boto3 client's requests answered here; they name their signer, but have no signature.

        Those to S3 have one, as S3 verifies it.
        """
        from botocore import UNSIGNED

        def choose_signer(signing_name: str, signature_version: object, **_: Any) -> object:
            signs = signing_name == "s3" or str(signature_version).endswith(("-query", "-presign-post"))
            return None if signs or self.answer is None else UNSIGNED

        def name_signer(
            request: AWSRequest, signature_version: object, signing_name: str, region_name: str, **_: Any
        ) -> None:
            if signature_version is UNSIGNED:
                own = request.context.get("signing", {})
                region, service = own.get("region", region_name), own.get("signing_name", signing_name)
                credential = f"{access_key_id}/20000101/{region}/{service}/aws4_request"
                request.headers["Authorization"] = (
                    f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=none"
                )

        def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
            answer = self.answer
            if answer is None:
                return None
            # As in the thread of a connection: who answers knows nothing of the role that the sender acts as.
            return contextvars.Context().run(answer, request)

        for event, handler in (
            ("choose-signer", choose_signer),
            ("before-sign", name_signer),
            ("before-send", send),
        ):
            client.meta.events.register(event, handler)
