"""Filter patterns, with the examples of the CloudWatch Logs User Guide ("Filter pattern syntax")."""

import json

import pytest

from local_account.services.logs.patterns import PatternError, compile_pattern

REQUESTS = (
    "[ERROR 400] BAD REQUEST",
    "[ERROR 401] UNAUTHORIZED REQUEST",
    "[ERROR 419] MISSING ARGUMENTS",
    "[ERROR 420] INVALID ARGUMENTS",
    "[INFO] REQUEST FAILED",
)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("", [0, 1, 2, 3, 4]),
        ('" "', [0, 1, 2, 3, 4]),
        ("ERROR", [0, 1, 2, 3]),
        ("ERROR ARGUMENTS", [2, 3]),
        ("error", []),
        ("?MISSING ?UNAUTHORIZED", [1, 2]),
        ("?MISSING ?UNAUTHORIZED REQUEST", [0, 1, 4]),
        ("ERROR -ARGUMENTS", [0, 1]),
        ('ERROR - "BAD REQUEST"', [1, 2, 3]),
        ('-"ERROR"', [4]),
        ('"INVALID ARGUMENTS"', [3]),
        (r"%4[12]\d%", [2, 3]),
        (r"%^\[INFO|MISSING%", [2, 4]),
        (r"%\x5bERROR 40.{1,2} %", [0, 1]),
    ],
)
def test_terms_are_required_optional_or_excluded(pattern: str, found: list[int]) -> None:
    compiled = compile_pattern(pattern)

    assert compiled.select(list(REQUESTS)) == found
    assert [index for index, one in enumerate(REQUESTS) if compiled.matches(one)] == found


TRAIL = json.dumps(
    {
        "eventType": "UpdateTrail",
        "sourceIPAddress": "111.111.111.111",
        "arrayKey": ["value", "another value"],
        "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
        "SomeObject": None,
        "ThisFlag": True,
        "cluster.name": "c",
        "user": {"id": 1, "email": "John.Stiles@example.com"},
        "users": [{"id": 2, "email": "John.Doe@example.com"}, {"id": 3, "email": "Jane.Doe@example.com"}],
        "actions": ["GET", "PUT", "DELETE"],
        "coordinates": [[0, 1, 2], [4, 5, 6]],
        "latency": 49.5,
        "detail-type": "x",
    }
)


@pytest.mark.parametrize(
    "pattern",
    [
        '{ $.eventType = "UpdateTrail" }',
        "{$.eventType=Update*}",
        "{ $.sourceIPAddress != 123.123.* }",
        '{ $.arrayKey[0] = "value" }',
        "{ $.eventType = %Trail% }",
        "{ $.arrayKey[*] = %val.{2}% }",
        r"{ $.* = %111\.111\.111\.1[0-9]{1,2}% }",
        "{ $.['cluster.name'] = \"c\" }",
        "{ $.SomeObject IS NULL }",
        "{ $.ThisFlag IS TRUE }",
        "{ $.SomeOtherObject NOT EXISTS }",
        "{ $.objectList[1].id = 2 }",
        "{ $.coordinates[1][2] > 5 }",
        "{ $.latency < 5e1 && $.latency >= +49.5 }",
        '{ $.latency = "*" }',
        "{ $.detail-type = x }",
        '{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }',
        '{ $.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = "no" && $.actions[2] = "no" }',
    ],
)
def test_json_patterns_that_match(pattern: str) -> None:
    assert compile_pattern(pattern).matches(TRAIL)


@pytest.mark.parametrize(
    "pattern",
    [
        '{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }',
        '{ ($.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = no) && $.actions[2] = no }',
        "{ $.users = 1 }",
        "{ $.users != 1 }",  # an array is not a value
        "{ $.missing != 1 }",
        "{ $.SomeObject NOT EXISTS }",
        "{ $.ThisFlag IS FALSE }",
        "{ $.eventType > 1 }",
        "{ $.objectList[7].id = 2 }",
    ],
)
def test_json_patterns_that_do_not_match(pattern: str) -> None:
    assert not compile_pattern(pattern).matches(TRAIL)


@pytest.mark.parametrize("message", ["", "plain", "{", "[1]", '{"a": 1} trailing', "null"])
def test_a_json_pattern_never_matches_what_is_not_an_object(message: str) -> None:
    assert not compile_pattern("{ $.a = * }").matches(message)


ACCESS = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        (
            r"[ip=%127\.0\.0\.[1-9]%, user, username, timestamp, request =*.html*, status_code = 4*, bytes]",
            True,
        ),
        ("[..., request =*.html*, status_code = 4*, bytes]", True),
        ("[ip, user, ...]", True),
        ("[ip, user, username, timestamp, request, status_code = 404 || status_code = 410, bytes]", True),
        ("[ip, user, username, timestamp, request, status_code = 4* && status_code != 404, bytes]", False),
        ("[..., status_code, bytes > 1000]", True),
        ("[..., status_code, bytes > 2000]", False),
        ("[a, b, c, d, e, f, g, h]", False),
        ('[..., (s = "404") && (s != 403), size]', True),
    ],
)
def test_fields_are_separated_by_spaces_brackets_and_quotes(pattern: str, matches: bool) -> None:
    assert compile_pattern(pattern).matches(ACCESS) is matches


def test_the_last_field_takes_the_rest_of_an_event() -> None:
    lines = (
        "INFO 09/25/2014 12:00:00 GET /service/resource/67 1200",
        "WARNING 09/25/2014 12:00:02 Invalid user request",
        "ERROR 09/25/2014 12:00:02 Failed to process request",
    )

    def found(pattern: str) -> list[int]:
        return compile_pattern(pattern).select(lines)

    assert found("[w1=ERROR, w2]") == [2]
    assert found("[w1=ERROR || w1=WARNING, w2]") == [1, 2]
    assert found("[w1!=ERROR && w1!=WARNING, w2]") == [0]
    assert found("[level, date, time, method, url=%/service/resource/[0-9]+$%, response_time]") == [0]


def test_extracted_fields_have_names_or_numbers() -> None:
    assert compile_pattern("[..., request=*.html*, status_code=4*,]").extracted(ACCESS) == {
        "$1": "127.0.0.1",
        "$2": "Prod",
        "$3": "frank",
        "$4": "10/Oct/2000:13:25:15 -0700",
        "$request": "GET /index.html HTTP/1.0",
        "$status_code": "404",
        "$7": "1534",
    }


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("Status: timeout", r"Invalid character\(s\) in term ':'"),
        ("[ERROR", "^$"),
        ("(a)", r"Invalid character\(s\) in term '\('"),
        ('"open', "^$"),
        ("%a(b)%", r"Invalid character\(s\) in term"),
        ("%something!%", r"Invalid character\(s\) in term"),
        ("%[%", "^$"),
        ('{ $."a" = 1 }', r"Invalid character\(s\) in term"),
        ("{ $.a = }", "'}'"),
        ("{ $.a = 1", "^$"),
        ("{ $.a EXISTS }", "^$"),  # "IS NOT and EXISTS currently aren't supported"
        ("{ $.a IS NOT NULL }", "^$"),
        ("{ $.a > text }", "^$"),
        ("{ $.a[*].b[*] = 1 }", "^$"),
        ("{ $.a[*]=1 || $.b[*]=1 || $.c[*]=1 || $.d[*]=1 }", "^$"),
        ("{ $.a = %1% || $.a = %2% || $.a = %3% }", "^$"),
        ("%a% %b% %c%", "^$"),
        ("%a{1001}%", "repeats its parts 1001 times"),
        ("%a*+%", "^$"),
        ("%a{200}b{1,51}%", "repeats its parts 251 times"),
        ("{ " + "(" * 500 + "$.a = 1" + ")" * 500 + " }", "nested parentheses"),
        ("[" + "(" * 500 + "a = 1" + ")" * 500 + "]", "nested parentheses"),
        ("[..., a, ...]", "^$"),
        ("[a, a]", "^$"),
        ("[a = 1 || b = 2]", "^$"),
    ],
)
def test_malformed_patterns_are_refused(pattern: str, message: str) -> None:
    with pytest.raises(PatternError, match=message):
        compile_pattern(pattern)


@pytest.mark.parametrize("pattern", ["ERROR ARGUMENTS", '[w1="ERROR", ...]', '"no space" -x'])
def test_a_matching_message_contains_every_needle(pattern: str) -> None:
    compiled = compile_pattern(pattern)

    assert compiled.needles
    for message in ("ERROR ARGUMENTS", "no space"):
        if compiled.matches(message):
            assert all(needle in message.encode() for needle in compiled.needles)


@pytest.mark.timeout(60)  # where time grows faster than the message, each takes hours
@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("%.*.*.*.*x%", "a" * 1_000_000),
        ("%[a-z]{1,100}.{1,100}[a-y]{1,50}X%", "a" * 1_000_000),
        ('{ $.a = "*a*a*a*a*b" }', json.dumps({"a": "a" * 1_000_000})),
        ("[first = x, rest]", "[ " * 500_000),
        ("[first = x, rest]", '" ' * 500_001),
    ],
)
def test_a_long_message_takes_no_longer_than_its_length(pattern: str, message: str) -> None:
    assert not compile_pattern(pattern).matches(message)


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("a*b*c", "abc", True),
        ("a*b*c", "axxbyybc", True),
        ("a*b*c", "acb", False),
        ("ab*ba", "aba", False),
        ("*b*", "abc", True),
        ("*", "", True),
        ("a**", "a\nb", True),
    ],
)
def test_wildcards_stand_for_any_characters(text: str, value: str, holds: bool) -> None:
    assert compile_pattern(f'{{ $.v = "{text}" }}').matches(json.dumps({"v": value})) is holds


@pytest.mark.parametrize(
    ("pattern", "holds"), [("{ $.n > 1 }", True), ("{ $.n = 1 }", False), ("{ $.n < 1 }", False)]
)
def test_a_number_too_large_to_compute_with_is_a_number(pattern: str, holds: bool) -> None:
    assert compile_pattern(pattern).matches(f'{{"n": {"1" * 400}}}') is holds


def test_what_follows_the_last_bracket_is_split_at_spaces() -> None:
    pattern = compile_pattern("[a, b, c, d]")

    assert list(pattern.extracted('[x y] [z "1 2" 3').values()) == ["x y", "[z", "1 2", "3"]
