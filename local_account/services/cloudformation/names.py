"""Names that CloudFormation generates: ids of stacks and change sets, physical ids of unnamed resources.

Contract: *Name type* in the CloudFormation User Guide (``<stack>-<logical id>-<random>``, shortened to what
the service accepts).
"""

from __future__ import annotations

import secrets
import string

SUFFIX_LENGTH = 12


def physical_name(stack_name: str, logical_id: str, limit: int, lower: bool = False) -> str:
    """Return a new name of at most ``limit`` characters for a resource without one in the template.

    A few types have names that begin with the logical id: they are asked for without the stack's name.
    """
    suffix = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(SUFFIX_LENGTH))
    if not stack_name:
        return f"{logical_id[: limit - SUFFIX_LENGTH - 1]}-{suffix}"
    room = limit - SUFFIX_LENGTH - 2
    logical_part = logical_id[: max(room - len(stack_name), room // 2)]
    stack_part = stack_name[: room - len(logical_part)]
    name = f"{stack_part.rstrip('-')}-{logical_part}-{suffix}"
    return name.lower() if lower else name
