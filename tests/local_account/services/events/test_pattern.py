"""Event patterns match what the EventBridge User Guide says they match."""

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_account.services.events.matcher import Matcher
from local_account.services.events.pattern import compile_pattern, loads
from local_account.services.events.values import PatternError


def matches(pattern: Any, event: Any) -> bool:
    return bool(Matcher([(None, compile_pattern(json.dumps(pattern)))]).match(loads(json.dumps(event))))


@pytest.mark.parametrize(
    ("pattern", "event", "expected"),
    [
        ({"a": ["x"]}, {"a": "x", "more": 1}, True),
        ({"a": ["x"]}, {"a": "X"}, False),
        ({"a": ["x", "y"]}, {"a": "y"}, True),
        ({"a": ["x"], "b": ["y"]}, {"a": "x"}, False),
        ({"a": {"b": ["x"]}}, {"a": {"b": "x"}}, True),
        ({"a": {"b": ["x"]}}, {"a": "x"}, False),
        # arrays intersect; an array of objects matches if one element matches as a whole
        ({"a": ["x", "y"]}, {"a": ["z", "y"]}, True),
        ({"a": ["x"]}, {"a": []}, False),
        ({"a": ["x"]}, {"a": [["x"]]}, True),
        ({"a": {"b": [1], "c": [2]}}, {"a": [{"b": 1, "c": 2}, {"b": 3}]}, True),
        ({"a": {"b": [1], "c": [2]}}, {"a": [{"b": 1}, {"c": 2}]}, False),
        # scalars keep their type
        ({"a": [None]}, {"a": None}, True),
        ({"a": [None]}, {}, False),
        ({"a": [""]}, {"a": ""}, True),
        ({"a": [True]}, {"a": True}, True),
        ({"a": [True]}, {"a": 1}, False),
        ({"a": [1]}, {"a": True}, False),
        ({"a": [300]}, {"a": 300}, True),
        ({"a": [300]}, {"a": "300"}, False),
        ({"a": [300]}, {"a": 300.0}, True),
        # operators
        ({"a": [{"prefix": "us-"}]}, {"a": "us-east-1"}, True),
        ({"a": [{"prefix": "us-"}]}, {"a": "eu-us-1"}, False),
        ({"a": [{"prefix": {"equals-ignore-case": "EventB"}}]}, {"a": "eventBridge"}, True),
        ({"a": [{"suffix": ".png"}]}, {"a": "x.png"}, True),
        ({"a": [{"suffix": {"equals-ignore-case": ".PNG"}}]}, {"a": "x.png"}, True),
        ({"a": [{"suffix": ".png"}]}, {"a": 3}, False),
        ({"a": [{"equals-ignore-case": "ALICE"}]}, {"a": "alice"}, True),
        ({"a": [{"wildcard": "dir/*.png"}]}, {"a": "dir/sub/x.png"}, True),
        ({"a": [{"wildcard": "dir/*.png"}]}, {"a": "dir/x.jpg"}, False),
        ({"a": [{"wildcard": "a\\*b"}]}, {"a": "a*b"}, True),
        ({"a": [{"wildcard": "a\\*b"}]}, {"a": "axb"}, False),
        ({"a": [{"wildcard": "a.b"}]}, {"a": "axb"}, False),
        ({"a": [{"exists": True}]}, {"a": None}, True),
        ({"a": [{"exists": True}]}, {"b": 1}, False),
        ({"a": [{"exists": True}]}, {"a": {"b": 1}}, False),
        ({"a": [{"exists": False}]}, {"b": 1}, True),
        ({"a": [{"exists": False}]}, {"a": 1}, False),
        ({"a": {"b": [{"exists": False}]}}, {}, True),
        ({"a": [{"exists": False}, "x"]}, {"a": "x"}, True),
        ({"a": [{"numeric": [">", 0, "<=", 5]}]}, {"a": 5}, True),
        ({"a": [{"numeric": [">", 0, "<=", 5]}]}, {"a": 0}, False),
        ({"a": [{"numeric": ["=", 3.018e2]}]}, {"a": 301.8}, True),
        ({"a": [{"numeric": ["<", 10]}]}, {"a": "5"}, False),
        ({"a": [{"numeric": ["<", 10]}]}, {"a": True}, False),
        ({"a": [{"cidr": "10.0.0.0/24"}]}, {"a": "10.0.0.255"}, True),
        ({"a": [{"cidr": "10.0.0.0/24"}]}, {"a": "10.0.1.0"}, False),
        ({"a": [{"cidr": "2001:db8::/32"}]}, {"a": "2001:db8::1"}, True),
        ({"a": [{"cidr": "10.0.0.0/24"}]}, {"a": "no address"}, False),
        # anything-but, in all its forms; a missing field never matches
        ({"a": [{"anything-but": "x"}]}, {"a": "y"}, True),
        ({"a": [{"anything-but": "x"}]}, {"a": "x"}, False),
        ({"a": [{"anything-but": "x"}]}, {}, False),
        ({"a": [{"anything-but": "x"}]}, {"a": None}, True),
        ({"a": [{"anything-but": ["x", "y"]}]}, {"a": "y"}, False),
        ({"a": [{"anything-but": 1}]}, {"a": 2}, True),
        ({"a": [{"anything-but": [1, 2]}]}, {"a": 2}, False),
        ({"a": [{"anything-but": {"prefix": "us-"}}]}, {"a": "us-east-1"}, False),
        ({"a": [{"anything-but": {"prefix": ["us-", "eu-"]}}]}, {"a": "ap-east-1"}, True),
        ({"a": [{"anything-but": {"prefix": "us-"}}]}, {"a": 123}, True),
        ({"a": [{"anything-but": {"suffix": ".png"}}]}, {"a": "x.png"}, False),
        ({"a": [{"anything-but": {"equals-ignore-case": ["INIT"]}}]}, {"a": "init"}, False),
        ({"a": [{"anything-but": {"wildcard": "*/lib/*"}}]}, {"a": "a/lib/b"}, False),
        ({"a": [{"anything-but": {"wildcard": ["*/lib/*", "*/bin/*"]}}]}, {"a": "a/src/b"}, True),
        # $or
        ({"$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"b": "y"}, True),
        ({"$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"b": "x"}, False),
        ({"c": [1], "$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"a": "x"}, False),
        ({"d": {"$or": [{"a": ["x"]}, {"b": {"c": ["y"]}}]}}, {"d": {"b": {"c": "y"}}}, True),
    ],
)
def test_documented_matches(pattern: Any, event: Any, expected: bool) -> None:
    assert matches(pattern, event) is expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{no json", "not valid JSON"),
        ("[]", "Filter is not an object"),
        ("{}", "Empty objects are not allowed"),
        ('{"a": "x"}', '"a" must be an object or an array'),
        ('{"a": []}', "Empty arrays are not allowed"),
        ('{"a": {}}', "Empty objects are not allowed"),
        ('{"a": [["x"]]}', "Match value must be String, number, true, false, or null"),
        ('{"a": [{"like": "x"}]}', "Unrecognized match type like"),
        ('{"a": [{"prefix": 1}]}', "prefix match pattern must be a string"),
        ('{"a": [{"prefix": "a", "suffix": "b"}]}', "Only one key allowed in match expression"),
        ('{"a": [{"exists": "yes"}]}', "exists match pattern must be either true or false"),
        ('{"a": [{"numeric": ["~", 1]}]}', "Unrecognized numeric range operator"),
        ('{"a": [{"numeric": [">", "1"]}]}', "Value of > must be numeric"),
        ('{"a": [{"numeric": [">", 5, "<", 1]}]}', "Bottom must be less than top"),
        ('{"a": [{"anything-but": [1, "x"]}]}', "mixed type is not supported"),
        ('{"a": [{"anything-but": {"prefix": ""}}]}', "Null prefix/suffix not allowed"),
        ('{"a": [{"anything-but": {"numeric": 1}}]}', "Unsupported anything-but pattern"),
        ('{"a": [{"wildcard": "a**b"}]}', "Consecutive wildcard characters"),
        ('{"a": [{"wildcard": "a\\\\b"}]}', "Invalid escape character"),
        ('{"a": [{"cidr": "10.0.0.1"}]}', "Malformed CIDR"),
        ('{"$or": [{"a": ["x"]}]}', "at least 2 Objects"),
        ('{"$or": {"a": ["x"]}}', "must be an Array"),
        ('{"$or": [{"prefix": ["x"]}, {"a": ["y"]}]}', "reserved fieldName"),
    ],
)
def test_invalid_patterns_say_why(text: str, reason: str) -> None:
    with pytest.raises(PatternError, match=reason.replace("$", r"\$")):
        compile_pattern(text)


names = st.text(string.ascii_lowercase, min_size=1, max_size=3)
scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
objects = st.recursive(
    st.dictionaries(names, scalars, min_size=1, max_size=3),
    lambda children: st.dictionaries(names, scalars | children, min_size=1, max_size=3),
    max_leaves=8,
)


def exactly(event: Any) -> Any:
    """The pattern that asks for every leaf of an event."""
    return {name: exactly(value) if isinstance(value, dict) else [value] for name, value in event.items()}


@given(objects)
def test_an_event_matches_its_own_leaves(event: dict[str, Any]) -> None:
    assert matches(exactly(event), event)


@given(objects, names, scalars)
def test_more_in_the_event_changes_nothing(event: dict[str, Any], name: str, value: Any) -> None:
    assert matches(exactly(event), {f"{name}-more": value, **event})


@given(st.lists(scalars, min_size=1), st.lists(scalars, min_size=1))
def test_arrays_match_when_they_intersect(wanted: list[Any], given_: list[Any]) -> None:
    kinds = {(type(value), value) for value in wanted} & {(type(value), value) for value in given_}
    assert matches({"a": wanted}, {"a": given_}) is bool(kinds)


@given(st.text(), st.text(min_size=1))
def test_anything_but_is_the_opposite(value: str, refused: str) -> None:
    for operator in ("prefix", "suffix", "equals-ignore-case"):
        plain = matches({"a": [{operator: refused}]}, {"a": value})
        assert matches({"a": [{"anything-but": {operator: refused}}]}, {"a": value}) is not plain


@given(st.text(), st.text(), st.text())
def test_a_wildcard_stands_for_any_text(start: str, middle: str, end: str) -> None:
    def literal(text: str) -> str:
        return text.replace("\\", "\\\\").replace("*", "\\*")

    pattern = {"a": [{"wildcard": f"{literal(start)}*{literal(end)}"}]}
    assert matches(pattern, {"a": start + middle + end})


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 50))
def test_numeric_ranges(value: int, low: int, width: int) -> None:
    pattern = {"a": [{"numeric": [">=", low, "<", low + width]}]}
    assert matches(pattern, {"a": value}) is (low <= value < low + width)
