#!/bin/bash
# Sets up git for the repository (CodeCommit, or git-remote-s3 in the bucket), creates its first commit and its
# branches, and clones a working copy of each branch.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
export GIT_TERMINAL_PROMPT=0

branches=(scikit_base iris_model)
url="$REPOSITORY_CLONE_URL"

# The home directory is new at every start.
if [ -z "$REPOSITORY" ]; then
    # git finds its helper for s3+zip:// here. In a terminal, /etc/skel puts this directory on the PATH of bash, but
    # Jupyter starts sh as a login shell where SHELL is not set, as on notebook instances.
    helper="$("$STATE/tools/bin/python" -c "import git_remote_s3; print(git_remote_s3.__file__)")"
    mkdir -p ~/.local/bin
    ln -sfn "${helper%/lib/*}"/bin/git-remote-s3{,+zip} ~/.local/bin/
    export PATH="$HOME/.local/bin:$PATH"
    # shellcheck disable=SC2016 # the shell of the terminal expands it
    grep -qsF '.local/bin' ~/.profile || echo 'export PATH="$HOME/.local/bin:$PATH"' >>~/.profile
else
    # CodeCommit user guide, "Set up the credential helper".
    host="${url#https://}"
    host="${host%%/*}"
    # shellcheck disable=SC2016 # git expands it
    git config --global "credential.https://$host.helper" '!aws codecommit credential-helper $@'
    git config --global "credential.https://$host.UseHttpPath" true
fi
git config --global user.name >/dev/null || git config --global user.name "MLOps workshop"
git config --global user.email >/dev/null || git config --global user.email "lab@mlops-workshop.invalid"

heads="$(git ls-remote --heads "$url")"
has() {
    grep -q "refs/heads/$1\$" <<<"$heads"
}

missing=()
for branch in "${branches[@]}"; do
    has "$branch" || missing+=("HEAD:refs/heads/$branch")
done
if ! has main || [ "${#missing[@]}" -gt 0 ]; then
    seed="$(mktemp -d)"
    trap 'rm -rf "$seed"' EXIT
    git init --quiet --initial-branch=main "$seed"
    if has main; then
        git -C "$seed" fetch --quiet "$url" refs/heads/main
        git -C "$seed" reset --quiet --hard FETCH_HEAD
    else
        cp "$(dirname "${BASH_SOURCE[0]}")/repository-readme.md" "$seed/README.md"
        git -C "$seed" add README.md
        git -C "$seed" commit --quiet --message "Describe the branches"
        missing+=("HEAD:refs/heads/main")
    fi
    # Without the zip file of a branch, for there is nothing to build yet.
    git -C "$seed" push --quiet "${url/#s3+zip:/s3:}" "${missing[@]}"
    echo "seeded ${missing[*]#HEAD:refs/heads/}"
fi

for branch in "${branches[@]}"; do
    copy="$WORKSHOP_HOME/$branch"
    if [ -d "$copy/.git" ]; then
        git -C "$copy" remote set-url origin "$url"
    elif [ -d "$copy" ] && [ -n "$(ls -A "$copy")" ]; then
        fail "$copy is not a git working copy but contains files: move it away, then stop and start the instance"
    else
        git clone --quiet --branch "$branch" "$url" "$copy"
        echo "cloned branch $branch to $copy"
    fi
    if [ -z "$REPOSITORY" ]; then # puts the commit id into the zip file that the pipeline gets
        mkdir -p "$copy/.git/info"
        echo "buildspec.yml export-subst" >"$copy/.git/info/attributes"
    fi
done
