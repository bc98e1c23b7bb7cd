"""A local account whose retries and polls come soon (`--state DIR`)."""

import faulthandler
import signal
import sys

from local_account.__main__ import main
from local_account.foundation import outbox
from local_account.services.codepipeline import CodePipeline
from local_account.services.lambda_ import service as lambda_service
from local_account.services.sagemaker import SageMaker, SageMakerRuntime

if __name__ == "__main__":
    faulthandler.register(signal.SIGUSR2)  # writes to the log where each thread is
    CodePipeline.poll_seconds = 0.25
    lambda_service._RETRY_SECONDS = (2.0, 20.0)  # longer than disks are full that are filled again and again
    outbox._AFTER_A_FAULT = 0.5
    SageMaker.stop_grace_seconds = SageMaker.health_seconds = 1
    SageMaker.startup_seconds = 60
    SageMakerRuntime.timeout_seconds = 5
    sys.exit(main())
