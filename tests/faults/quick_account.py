"""A local account whose retries and polls come soon (`--state DIR`)."""

import sys

from local_account.__main__ import main
from local_account.foundation import outbox
from local_account.services.codepipeline import CodePipeline
from local_account.services.lambda_ import service as lambda_service

if __name__ == "__main__":
    CodePipeline.poll_seconds = 0.25
    lambda_service._RETRY_SECONDS = (2.0, 5.0)  # longer than a disk is full
    outbox._AFTER_A_FAULT = 0.5
    sys.exit(main())
