"""What the account's process loads: libraries that nobody needs cost memory for as long as it runs."""

import json
import subprocess
import sys

import pytest

_DOCKER = """
import sys
from local_account.foundation.libraries import leave_out
leave_out(sys.argv[1])
import docker
print("paramiko.client" in sys.modules)
"""
_SERVER = """
import json, sys
from local_account.foundation.libraries import leave_out
leave_out("")
import local_account.server, local_account.warm_up
import boto3, docker
from moto.iam.models import x509
from local_account.foundation.json_schemas import jsonschema
from local_account.services.s3.wire.checksums import _crc

def loaded():
    names = ("awscrt.checksums", "cryptography.x509.base", "OpenSSL.SSL", "arrow", "webcolors")
    return [name for name in names if name in sys.modules]

jsonschema()
boto3.session.Session().client("s3", region_name="us-east-1")
before = loaded()
assert callable(x509.load_pem_x509_certificate)
assert _crc("CRC64NVME")(b"123456789", 0) == 0xAE8B14860A799888
print(json.dumps([before, loaded()]))
"""


@pytest.mark.parametrize(("docker_host", "loaded"), [("unix:///nowhere.sock", False), ("ssh://there", True)])
def test_paramiko_is_loaded_only_for_an_engine_behind_ssh(docker_host: str, loaded: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _DOCKER, docker_host], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(loaded)


def test_what_few_requests_need_is_loaded_by_the_first_of_them() -> None:
    done = subprocess.run([sys.executable, "-c", _SERVER], capture_output=True, text=True, check=True)

    at_start, later = json.loads(done.stdout)

    assert at_start == []
    assert later == ["awscrt.checksums", "cryptography.x509.base"]
