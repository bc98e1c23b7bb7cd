#!/usr/bin/env bash
# The runtime client of AWS Lambda writes a handler's answer with simplejson, which takes what the standard
# library's json refuses, or writes otherwise: bytes within an answer are text, a named tuple is an object, and
# anything with a method `_asdict` is what that returns. So a handler that works on AWS fails, or answers
# otherwise, where answers are written with json, and the other way round: awslambdaric's encoder, made to keep
# the digits of a decimal, refuses one as a key, which simplejson alone accepts.
#
# Seen with awslambdaric 4.2.2 and simplejson 4.3.0 on Python 3.11:
#   {"b": b"x", "p": Point(1, 2)} is {"b": "x", "p": {"x": 1, "y": 2}}
#   json: Object of type bytes is not JSON serializable
#   {Decimal("1.5"): 1}: simplejson {"1.5": 1}, awslambdaric keys must be str, int, float, bool or None
set -euo pipefail

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install --quiet awslambdaric==4.2.2 simplejson==4.3.0

cat >"$directory/answers.py" <<'PYTHON'
import json
from collections import namedtuple
from decimal import Decimal

import simplejson
from awslambdaric.lambda_runtime_marshaller import to_json

Point = namedtuple("Point", "x y")


def refusal(encode, value):
    try:
        return f"accepted: {encode(value)}"
    except TypeError as error:
        return str(error)


answer = {"b": b"x", "p": Point(1, 2)}
print("awslambdaric:", to_json(answer))
print("json:", refusal(json.dumps, answer))
print("key, simplejson:", refusal(simplejson.dumps, {Decimal("1.5"): 1}))
print("key, awslambdaric:", refusal(to_json, {Decimal("1.5"): 1}))
assert to_json(answer) == '{"b": "x", "p": {"x": 1, "y": 2}}'
assert refusal(json.dumps, answer) == "Object of type bytes is not JSON serializable"
assert refusal(simplejson.dumps, {Decimal("1.5"): 1}) == 'accepted: {"1.5": 1}'
assert refusal(to_json, {Decimal("1.5"): 1}).startswith("keys must be str")
PYTHON
"$directory/venv/bin/python" "$directory/answers.py"
echo "as described"
