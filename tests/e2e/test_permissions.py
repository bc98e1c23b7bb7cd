"""No role may do what nothing needs: the journal of the account against the statements of the templates.

What a call needs and no statement grants is refused, here as on AWS, and fails the test that makes the call.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from local_account.foundation.journal import read
from tests.e2e.one_workshop import Workshop
from tests.e2e.permissions import NEVER, SOMETIMES, Permission, granted, permissions
from tests.lab_roles import roles


def used(workshop: Workshop) -> set[Permission]:
    """Return what the account allowed, in any lab; each statement has a name of its own in its role."""
    by_name = {(one.role, one.sid, one.action.lower()): one for one in granted(roles(""))}
    found = set()
    for use in read(workshop.journal):
        role = use.role[use.role.index("mlops-") :] if "mlops-" in use.role else use.role
        if one := by_name.get((role, use.sid, use.action.lower())):
            found.add(one)
    assert found, "the account kept no journal"
    return found


def test_permissions_with_a_reason_exist_and_have_one_reason() -> None:
    listed = Counter([*permissions(NEVER), *permissions(SOMETIMES)])

    assert [one for one, times in listed.items() if times > 1] == []
    assert sorted(listed.keys() - granted(roles(""))) == []


@pytest.mark.docker
@pytest.mark.e2e
@pytest.mark.timeout(1200)
def test_a_permission_that_is_said_to_be_unused_was_not_used(workshop: Workshop) -> None:
    assert sorted(used(workshop) & set(permissions(NEVER))) == []


@pytest.mark.docker
@pytest.mark.e2e
@pytest.mark.timeout(1200)
def test_every_permission_was_used_or_has_a_reason(
    workshop: Workshop, request: pytest.FixtureRequest
) -> None:
    folder = Path(__file__).parent
    here = [item for item in request.session.items if item.path.parent == folder]
    if {item.path for item in here} != set(folder.glob("test_*.py")) or request.config.getoption("keyword"):
        pytest.skip("only the tests of this folder together use everything")

    unused = granted(roles("")) - used(workshop)
    assert sorted(unused - set(permissions(NEVER)) - set(permissions(SOMETIMES))) == []
