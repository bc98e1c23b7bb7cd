"""Names, keys, variables and parameters are the same in the documentation and in the code."""

import ast
import inspect
import json
import re

import pytest

from lab_helpers import keys, storage
from lab_helpers.names import EXECUTION_ID_LENGTH, ROLES, Names
from tests.docs.pages import ROOT, page, rows, section, spans

CONTRACTS = page("docs/names-and-contracts.md")
EXECUTION = "e" * EXECUTION_ID_LENGTH
NOT_NAMES = {"prefix", "tag", "lab_id"}
POLICIES = ("work", "operate", "stacks", "deploy", "sdk", "monitor", "reset", "registry", "releases")
# How each method of `Names` is called for every name that it gives.
CALLS: dict[str, list[tuple[str, ...]]] = {
    "all_stacks": [()],
    "role": [(purpose,) for purpose in ROLES],
    "policy": [
        (purpose,)
        for purpose in (
            "work",
            "operate",
            "stacks",
            "deploy",
            "sdk",
            "monitor",
            "reset",
            "registry",
            "releases",
        )
    ],
    "bucket": [("region", "account")],
    "assets_bucket": [("region", "account")],
    "training_job": [(EXECUTION,)],
    "sdk_job": [("{number}",)],
    "safe": [("{release}",)],
    "check_job": [("{time}",)],
    "model": [("dev", EXECUTION), ("prd", EXECUTION)],
    "endpoint_config": [("dev", EXECUTION), ("prd", EXECUTION)],
}


def filled(text: str, prefix: str = "ana-") -> str:
    given = {"P": prefix, "region": "region", "account": "account", "execution": EXECUTION}
    return re.sub(r"{(\w+)}", lambda found: given.get(found[1], found[0]), text)


def names_of(lab_id: str) -> set[str]:
    names, found = Names(lab_id), set[str]()
    for name, member in inspect.getmembers(Names):
        if name.startswith("_") or name in NOT_NAMES:
            continue
        if isinstance(member, property):
            found.add(getattr(names, name))
            continue
        for arguments in CALLS[name]:  # a KeyError here: say above how the new method is called
            value = getattr(names, name)(*arguments)
            found |= {value} if isinstance(value, str) else set(value)
    return found


@pytest.mark.parametrize("lab_id", ["", "ana"])
def test_names(lab_id: str) -> None:
    prefix = Names(lab_id).prefix
    table = list(rows(section(CONTRACTS, "Names")))
    documented = {
        filled(span, prefix) for thing, name in table for span in spans(name) if thing[:6] != "alarms"
    }

    assert documented - {"main"} == names_of(lab_id)


def test_alarms() -> None:
    table = dict(rows(section(CONTRACTS, "Names")))
    (documented,) = [spans(name) for thing, name in table.items() if thing.startswith("alarms")]
    template = (ROOT / "cfn/deploy-model-prd.yml").read_text()
    made = re.findall(r'AlarmName: !Sub "?([^"\n]+)"?', template)
    names = [name.replace("${NamePrefix}", "{P}").replace("${ModelName}", "iris-model") for name in made]

    assert sorted(documented) == sorted(names)


def documented_keys() -> list[str]:
    cells = [cells[0] for cells in rows(section(CONTRACTS, "Keys in the bucket"))]
    return [filled(span) for cell in cells for span in spans(cell) if "/" in span and span != "/…"]


def test_keys_are_known_to_the_tree_of_notebook_04() -> None:
    for key in documented_keys():
        assert storage.owners(Names("ana"), key) != storage.UNKNOWN, key


def test_every_prefix_of_the_tree_is_documented() -> None:
    for prefix, suffix, *_ in storage.OWNERS:
        if prefix != "pipelines/":  # stands for the pipelines' own folders
            assert any(key.startswith(prefix) and key.endswith(suffix) for key in documented_keys()), prefix


def test_keys_of_requests() -> None:
    assert {keys.RESET_REQUEST, keys.RESET_ANSWER, keys.TRIAL} <= set(documented_keys())


def test_keys_of_the_readme() -> None:
    table = section(page("README.md"), "Frequently asked questions")
    for cells in rows(table):
        for key in map(filled, spans(cells[0])):
            if "/" in key and not key.endswith("/"):
                assert key in documented_keys(), key


def test_lab_env() -> None:
    hook = re.search(r"cat > lab\.env <<'LAB'\n(.*?)\n\s*LAB\n", (ROOT / "cfn/m.yml").read_text(), re.DOTALL)
    assert hook
    written = re.findall(r"^\s*(\w+)=", hook[1], re.MULTILINE)
    text = section(CONTRACTS, "The notebook instance")
    documented = [span for variable, _ in rows(text) for span in spans(variable)]

    assert sorted(documented) == sorted(written)


def test_parameters_of_the_notebooks() -> None:
    table = {
        spans(name)[0]: spans(parameters) for name, parameters, _ in rows(section(CONTRACTS, "The notebooks"))
    }
    found = {}
    for path in sorted((ROOT / "notebooks").glob("0*.ipynb")):
        (source,) = [
            "".join(cell["source"])
            for cell in json.loads(path.read_text())["cells"]
            if "parameters" in cell["metadata"].get("tags", [])
        ]
        targets = [one.targets[0] for one in ast.parse(source).body if isinstance(one, ast.Assign)]
        found[path.stem] = [target.id for target in targets if isinstance(target, ast.Name)]

    values = {"approve", "reject"}
    assert {name: [one for one in told if one not in values] for name, told in table.items()} == found
