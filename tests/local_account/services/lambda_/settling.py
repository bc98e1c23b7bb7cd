"""Waiting until a function can be invoked and changed, more often than boto3's waiters ask."""

from typing import Any

from tests.waiting import eventually


def settle(awslambda: Any, name: str) -> dict[str, Any]:
    """Wait until nothing is under way for a function; return its configuration."""

    def settled() -> dict[str, Any] | None:
        config: dict[str, Any] = awslambda.get_function_configuration(FunctionName=name)
        done = (config["State"], config.get("LastUpdateStatus")) == ("Active", "Successful")
        return config if done else None

    return eventually(settled)
