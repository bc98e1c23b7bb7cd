"""Variables are replaced by what earlier actions have produced, or the error names the missing one."""

import pytest

from local_account.services.codepipeline.variables import UnresolvedVariableError, references, resolve

NAMESPACES = {
    "Source": {"CommitId": "abc"},
    "codepipeline": {"PipelineExecutionId": "0-1"},
    "variables": {"WHO": "me"},
}


def test_every_reference_is_replaced() -> None:
    given = {"A": "#{Source.CommitId}-#{codepipeline.PipelineExecutionId}", "B": '{"x": "#{variables.WHO}"}'}
    assert resolve(given, NAMESPACES) == {"A": "abc-0-1", "B": '{"x": "me"}'}


@pytest.mark.parametrize("text", ["#{Source}", "${Source.CommitId}", "# {Source.CommitId}", "#{Source.a b}"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert resolve({"A": text}, NAMESPACES) == {"A": text}
    assert not list(references(text))


def test_a_missing_variable_is_named_with_those_that_exist() -> None:
    with pytest.raises(
        UnresolvedVariableError, match=r"#\{Source\.Tag\}.*namespace Source has: #\{Source\.CommitId\}"
    ):
        resolve({"A": "#{Source.Tag}"}, NAMESPACES)
