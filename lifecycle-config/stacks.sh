#!/bin/bash
# The three nested stacks, side by side: created, updated, or left alone when nothing changed.
#
# create-stack and update-stack instead of `aws cloudformation deploy`: that one looks at a stack every
# 30 seconds only.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

templates="$WORKSHOP_HOME/workshop/cfn"
tag="Key=mlops-workshop:lab,Value=${LAB_ID:-default}"

# settled STACK: its status as soon as nothing is under way, NONE when there is no such stack.
settled() {
    local answer
    while true; do
        if ! answer="$(aws cloudformation describe-stacks --stack-name "$1" \
            --query 'Stacks[0].StackStatus' --output text 2>&1)"; then
            case "$answer" in
            *"does not exist"*) answer=NONE ;;
            *) fail "stack $1: $answer" ;;
            esac
        fi
        case "$answer" in
        REVIEW_IN_PROGRESS) break ;; # an abandoned change set; nothing is under way
        *_IN_PROGRESS) sleep 1 ;;
        *) break ;;
        esac
    done
    echo "$answer"
}

# why STACK: the failures of its last operation, the first cause first.
why() {
    aws cloudformation describe-stack-events --stack-name "$1" --output text --max-items 40 --query \
        "reverse(StackEvents[?ends_with(ResourceStatus,'_FAILED')].[LogicalResourceId,ResourceStatusReason])" |
        grep -vi -e "cancelled" -e "^None" | head -n 3 | tr '\t\n' ' ;' || true
}

# deploy STACK TEMPLATE NAME=VALUE...
deploy() {
    local stack=$1 template=$2 verb=update-stack status parameters answer
    shift 2
    parameters="$(python3 -c '
import json, sys
print(json.dumps([dict(zip(("ParameterKey", "ParameterValue"), given.split("=", 1))) for given in sys.argv[1:]]))
' "$@")"
    status="$(settled "$stack")"
    case "$status" in
    ROLLBACK_COMPLETE | ROLLBACK_FAILED | CREATE_FAILED | DELETE_FAILED | REVIEW_IN_PROGRESS)
        echo "$stack is $status: making it anew"
        aws cloudformation delete-stack --stack-name "$stack"
        status="$(settled "$stack")"
        [ "$status" = NONE ] || fail "stack $stack can't be deleted ($status): $(why "$stack")"
        ;;
    esac
    [ "$status" != NONE ] || verb=create-stack
    if ! answer="$(aws cloudformation "$verb" --stack-name "$stack" --template-body "file://$template" \
        --parameters "$parameters" --tags "$tag" --output text 2>&1)"; then
        case "$answer" in
        *"No updates are to be performed"*)
            echo "$stack is up to date"
            return
            ;;
        *) fail "stack $stack: $answer" ;;
        esac
    fi
    status="$(settled "$stack")"
    case "$status" in
    CREATE_COMPLETE | UPDATE_COMPLETE) echo "$stack is $status" ;;
    *) fail "stack $stack is $status: $(why "$stack")" ;;
    esac
}

train() {
    local packaged="$STATE/train-model-pipeline.yml" answer
    answer="$(aws cloudformation package --template-file "$templates/train-model-pipeline.yml" \
        --s3-bucket "$BUCKET" --s3-prefix package/functions --output-template-file "$packaged" 2>&1)" ||
        fail "packaging the functions: $answer"
    deploy "${NAME_PREFIX}iris-train-pipeline" "$packaged" \
        "NamePrefix=$NAME_PREFIX" "BucketName=$BUCKET" \
        "PipelineRoleArn=$PIPELINE_ROLE_ARN" "DeployRoleArn=$DEPLOY_ROLE_ARN" \
        "LauncherRoleArn=$LAUNCHER_ROLE_ARN" "MonitorRoleArn=$MONITOR_ROLE_ARN" \
        "EventsRoleArn=$EVENTS_ROLE_ARN" "SageMakerRoleArn=$SAGEMAKER_ROLE_ARN"
}

# image NAME BRANCH REPOSITORY_URI [BASE_REPOSITORY_URI]
image() {
    deploy "$NAME_PREFIX$1" "$templates/build-image.yml" \
        "NamePrefix=$NAME_PREFIX" "ImageName=$1" "BranchName=$2" \
        "ImageRepositoryUri=$3" "BaseImageRepositoryUri=${4:-}" \
        "RepositoryName=$REPOSITORY" "BucketName=$BUCKET" \
        "PipelineRoleArn=$PIPELINE_ROLE_ARN" "CodeBuildRoleArn=$CODEBUILD_ROLE_ARN" \
        "EventsRoleArn=$EVENTS_ROLE_ARN"
}

train &
pids=("$!")
image scikit-base scikit_base "$BASE_IMAGE_REPOSITORY_URI" &
pids+=("$!")
image iris-model iris_model "$MODEL_IMAGE_REPOSITORY_URI" "$BASE_IMAGE_REPOSITORY_URI" &
pids+=("$!")
failed=""
for pid in "${pids[@]}"; do
    wait "$pid" || failed=yes
done
[ -z "$failed" ]
