"""A buildspec means what the reference says, and an invalid one is rejected with the reason."""

import pytest

from local_account.services.codebuild.buildspec import BuildspecError, is_inline, parse


def test_phases_keep_their_commands_and_finally_blocks() -> None:
    spec = parse(
        """
version: 0.2
env:
  shell: bash
  variables: {COUNT: 1, FLAG: yes, NONE: '', NULL_TEXT: "null"}
  exported-variables: [TAG]
phases:
  build:
    on-failure: CONTINUE
    commands:
      - docker build .
      - |
        if true; then
          echo yes
        fi
    finally: [echo done]
artifacts:
  files: ['**/*']
  base-directory: out
  discard-paths: yes
  secondary-artifacts:
    second: {files: [b.txt]}
"""
    )
    assert spec.shell == "bash"
    assert spec.variables == {"COUNT": "1", "FLAG": "yes", "NONE": "", "NULL_TEXT": "null"}
    assert spec.exported == ("TAG",)
    build = spec.phases["build"]
    assert build.commands == ("docker build .", "if true; then\n  echo yes\nfi\n")
    assert build.final == ("echo done",)
    assert build.on_failure and build.on_failure.action == "CONTINUE"
    assert spec.artifacts and spec.artifacts.discard_paths and spec.artifacts.base_directory == "out"
    assert spec.secondary_artifacts and spec.secondary_artifacts["second"].files == ("b.txt",)


def test_retry_takes_a_count_and_a_regular_expression() -> None:
    text = "version: 0.2\nphases: {build: {on-failure: RETRY-5-no space, commands: [ls]}}"
    on_failure = parse(text).phases["build"].on_failure
    assert on_failure and (on_failure.retries, on_failure.pattern) == (5, "no space")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("version: 0.1\nphases: {build: {commands: [ls]}}", "version must be 0.2"),
        ("phases: {build: {commands: [ls]}}", "version must be 0.2"),
        ("version: 0.2", "phases is missing"),
        ("version: 0.2\nphases: {test: {commands: [ls]}}", "unknown phase 'test'"),
        ("version: 0.2\nphases: {build: {commands: []}}", "phases/build/commands is missing"),
        ("version: 0.2\nphases: {build: {commands: [a: b]}}", r"Expected phases/build/commands\[0\]"),
        ("version: 0.2\nphases: {build: {commands: [ls], on-failure: PANIC}}", "on-failure 'PANIC'"),
        ("version: 0.2\nphases: {build: {command: [ls]}}", "phases/build/commands is missing"),
        (
            "version: 0.2\nenv: {parameter-store: {A: b}}\nphases: {build: {commands: [ls]}}",
            "parameter-store",
        ),
        (
            "version: 0.2\nenv: {secrets-manager: {A: b}}\nphases: {build: {commands: [ls]}}",
            "secrets-manager",
        ),
        ("version: 0.2\nreports: {a: {}}\nphases: {build: {commands: [ls]}}", "reports is not supported"),
        ("version: 0.2\nenv: {shell: powershell.exe}\nphases: {build: {commands: [ls]}}", "powershell.exe"),
        ("version: 0.2\nphases: {build: [", "while parsing"),
        (
            "version: 0.2\nenv: {variables: {A: }}\nphases: {build: {commands: [ls]}}",
            "env/variables/A is null",
        ),
        (
            "version: 0.2\nenv: {variables: {A: ~}}\nphases: {build: {commands: [ls]}}",
            "env/variables/A is null",
        ),
        ("version: 0.2\nphases: {build: {commands: [ls, null]}}", r"commands\[1\] is null"),
        ("just text", "must be a mapping"),
    ],
)
def test_an_invalid_buildspec_is_rejected_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(BuildspecError, match=reason):
        parse(text)


def test_keys_that_codebuild_does_not_know_are_named_in_the_log_and_nothing_else() -> None:
    # as CodeBuild's logs have it: https://github.com/aws-amplify/amplify-cli/pull/13110,
    # https://github.com/aws/aws-toolkit-vscode/pull/4008
    spec = parse(
        "version: 0.2\n"
        "env: {compute-type: BUILD_GENERAL1_LARGE, variables: {A: b}}\n"
        "phases: {build: {env: {B: c}, commands: [ls]}}\n"
        "artifacts: {type: zip, files: [a.txt]}\n"
    )
    assert spec.notes == (
        "Found possible syntax errors in buildspec: ",
        "In the section env",
        "    The following keys cannot be identified:",
        "        compute-type",
        "In the section BUILD",
        "    The following keys cannot be identified:",
        "        env",
        "In the section artifacts",
        "    The following keys cannot be identified:",
        "        type",
    )
    assert spec.phases["build"].commands == ("ls",)
    assert spec.artifacts and spec.artifacts.files == ("a.txt",)


def test_a_path_is_distinguished_from_an_inline_buildspec() -> None:
    assert is_inline("version: 0.2\nphases: {}")
    assert not is_inline("ci/buildspec.yml")
    assert not is_inline("arn:aws:s3:::bucket/buildspec.yml")
