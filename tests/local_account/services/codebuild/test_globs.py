"""A path of a buildspec names the same files wherever it stands: in ``files`` and in ``exclude-paths``."""

from pathlib import Path

import pytest

from local_account.services.codebuild import artifacts, globs
from local_account.services.codebuild.buildspec import ArtifactSpec

FILES = [
    ".env", ".hidden/x.txt", "README.md", "a.txt", "b.txt", "pages/a.md", "pages/keep/b.txt", "sub/.env",
    "sub/c.md",
]  # fmt: skip
BELOW_PAGES = {"pages/a.md", "pages/keep/b.txt"}
CASES = [
    ("**/*", set(FILES)),
    ("**", set(FILES)),
    ("*", {".env", "README.md", "a.txt", "b.txt"}),
    ("**/.*", {".env", "sub/.env"}),
    ("*.md", {"README.md"}),
    ("**/*.md", {"README.md", "pages/a.md", "sub/c.md"}),
    ("pages/*", {"pages/a.md"}),
    ("pages/**/*", BELOW_PAGES),
    ("pages/**", BELOW_PAGES),
    ("**/pages/**/*", BELOW_PAGES),
    ("**/.*/**/*", {".hidden/x.txt"}),
    ("./a.txt", {"a.txt"}),
    ("pages//a.md", {"pages/a.md"}),
    ("[!a]*", {".env", "README.md", "b.txt"}),
    ("?.txt", {"a.txt", "b.txt"}),
    ("**.md", {"README.md"}),
    ("pages", set()),
    ("absent/*", set()),
    ("/etc/passwd", set()),
    ("../outside.txt", set()),
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    base = tmp_path / "src"
    for name in [*FILES, ".git/config"]:
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "outside.txt").write_text("")
    (base / "link.txt").symlink_to(tmp_path / "outside.txt")
    return base


@pytest.mark.parametrize(("pattern", "named"), CASES)
def test_a_pattern_names_the_same_files_to_include_and_to_exclude(
    tree: Path, pattern: str, named: set[str]
) -> None:
    assert {path.relative_to(tree).as_posix() for path in globs.files(tree, pattern)} == named
    spec = ArtifactSpec(files=("**/*", "a.txt"), exclude=(pattern,))
    if named == set(FILES):
        with pytest.raises(artifacts.ArtifactError, match="no matching artifact paths"):
            artifacts.collect(spec, [tree], lambda _: None)
    else:
        kept = artifacts.collect(spec, [tree], lambda _: None)
        assert {name for name, _ in kept} == set(FILES) - named


def test_paths_of_the_artifact_and_its_exclusions_are_relative_to_the_base_directory(tree: Path) -> None:
    spec = ArtifactSpec(files=("**/*",), base_directory="page*", exclude=("a.md",))
    assert [name for name, _ in artifacts.collect(spec, [tree], lambda _: None)] == ["keep/b.txt"]


def test_an_absolute_path_counts_below_the_source_only(tree: Path) -> None:
    assert globs.files(tree, f"{tree}/pages/*.md") == [tree / "pages/a.md"]
    assert globs.files(tree, f"{tree.parent}/*") == []
