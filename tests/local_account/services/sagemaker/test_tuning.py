"""Hyperparameter tuning jobs: which training jobs they launch, how they end, and what survives a restart."""

import signal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_account.services.sagemaker.sagemaker_lab import SageMakerLab
from tests.waiting import eventually

pytestmark = pytest.mark.docker


def categories(**values: list[str]) -> dict[str, Any]:
    """Return categorical ranges."""
    return {"CategoricalParameterRanges": [{"Name": name, "Values": found} for name, found in values.items()]}


def listed(lab: SageMakerLab, name: str, **options: Any) -> list[dict[str, Any]]:
    """Return the summaries of a tuning job's training jobs."""
    found: list[dict[str, Any]] = lab.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, **options
    )["TrainingJobSummaries"]
    return found


def test_a_grid_trains_every_combination_and_the_best_one_wins(image_lab: SageMakerLab) -> None:
    lab = image_lab
    lab.tune(
        "grid",
        categories(say=["score=0.5", "score=0.9", "score=0.7"], answer=["1"]),
        training={"StaticHyperParameters": {"fixed": "yes"}},
        tags=[{"Key": "team", "Value": "red"}],
    )
    job = lab.tuned("grid")

    assert job["HyperParameterTuningJobStatus"] == "Completed", job
    assert job["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 3
    assert job["TrainingJobStatusCounters"]["Completed"] == 3
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 3, "Pending": 0, "Failed": 0}
    best = job["BestTrainingJob"]
    assert best["TunedHyperParameters"] == {"say": "score=0.9", "answer": "1"}
    assert best["FinalHyperParameterTuningJobObjectiveMetric"] == {
        "Type": "Maximize",
        "MetricName": "score",
        "Value": 0.9,
    }
    summaries = listed(lab, "grid")
    names = [one["TrainingJobName"] for one in summaries]
    assert [name[:9] for name in names] == ["grid-001-", "grid-002-", "grid-003-"]
    assert all(len(name) == len("grid-001-") + 8 for name in names)
    scores = listed(lab, "grid", SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    values = [one["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for one in scores]
    assert values == [0.9, 0.7, 0.5]
    training = lab.sagemaker.describe_training_job(TrainingJobName=best["TrainingJobName"])
    assert training["TuningJobArn"] == job["HyperParameterTuningJobArn"]
    assert training["HyperParameters"] == {
        "fixed": "yes",
        "say": "score=0.9",
        "answer": "1",
        "_tuning_objective_metric": "score",
    }
    tags = lab.sagemaker.list_tags(ResourceArn=training["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "red"}]
    shown = lab.sagemaker.list_hyper_parameter_tuning_jobs(NameContains="grid")
    assert [one["Strategy"] for one in shown["HyperParameterTuningJobSummaries"]] == ["Grid"]

    lab.sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="grid")
    with pytest.raises(ClientError, match="can't find a tuning job called grid") as gone:
        lab.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="grid")
    assert gone.value.response["Error"]["Code"] == "ResourceNotFound"
    assert lab.sagemaker.describe_training_job(TrainingJobName=names[0])["TrainingJobStatus"] == "Completed"


@pytest.mark.parametrize("strategy", ["Random", "Bayesian"])
def test_points_are_chosen_within_their_ranges(image_lab: SageMakerLab, strategy: str) -> None:
    lab = image_lab
    ranges = {
        **categories(say=["score=0.25"]),
        "ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0.001", "MaxValue": "1"}],
        "IntegerParameterRanges": [{"Name": "answer", "MinValue": "3", "MaxValue": "5"}],
    }
    name = strategy.lower()
    lab.tune(
        name,
        ranges,
        Strategy=strategy,
        RandomSeed=7,
        ResourceLimits={"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 3},
    )
    job = lab.tuned(name)

    assert job["HyperParameterTuningJobStatus"] == "Completed", job
    points = [one["TunedHyperParameters"] for one in listed(lab, name)]
    assert len({tuple(point.items()) for point in points}) == 4
    for point in points:
        assert 0.001 <= float(point["rate"]) <= 1
        assert point["answer"] in {"3", "4", "5"}


def test_without_a_success_it_fails_and_says_what_to_look_at(image_lab: SageMakerLab) -> None:
    image_lab.tune("failing", categories(fail=["ValueError: a", "ValueError: b"]))
    job = image_lab.tuned("failing")

    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("No training job succeeded after 2 attempts.")
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 2
    assert "BestTrainingJob" not in job
    assert "ValueError: a" in listed(image_lab, "failing")[0]["FailureReason"]


def test_without_the_metric_in_any_log_it_fails(image_lab: SageMakerLab) -> None:
    image_lab.tune("silent", categories(answer=["1", "2"]))
    job = image_lab.tuned("silent")

    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("No objective metrics found after running 2 training jobs.")
    assert job["ObjectiveStatusCounters"]["Failed"] == 2


def test_a_goal_that_is_reached_ends_it_early(image_lab: SageMakerLab) -> None:
    image_lab.tune(
        "early",
        categories(say=["score=0.9", "score=0.1", "score=0.2", "score=0.3"]),
        ResourceLimits={"MaxParallelTrainingJobs": 1},
        TuningJobCompletionCriteria={"TargetObjectiveMetricValue": 0.8},
    )
    job = image_lab.tuned("early")

    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert len(listed(image_lab, "early")) == 1


def test_stopping_it_stops_its_training_jobs(image_lab: SageMakerLab) -> None:
    lab = image_lab
    lab.tune("stopped", categories(sleep=["60", "61", "62"]), ResourceLimits={"MaxParallelTrainingJobs": 2})
    lab.when(lambda: listed(lab, "stopped"), lambda found: len(found) == 2)
    lab.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopped")
    job = lab.tuned("stopped")

    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert job["TrainingJobStatusCounters"]["Stopped"] == 2
    with pytest.raises(ClientError, match="in status Stopped"):
        lab.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopped")


def test_more_at_a_time_than_the_account_has_instances_is_refused(image_lab: SageMakerLab) -> None:
    values = [str(number) for number in range(6)]
    with pytest.raises(ClientError, match="a request delta of 5 Instances") as refused:
        image_lab.tune("many", categories(answer=values), ResourceLimits={"MaxParallelTrainingJobs": 5})
    assert refused.value.response["Error"]["Code"] == "ResourceLimitExceeded"


def test_it_goes_on_after_the_account_was_killed(image_lab: SageMakerLab) -> None:
    """The training job that was running fails, and its point is tried once more."""
    lab = image_lab
    lab.tune(
        "killed",
        categories(say=["score=0.1", "score=0.2"]),
        ResourceLimits={"MaxParallelTrainingJobs": 1},
        training={"StaticHyperParameters": {"sleep": "3"}},
    )
    lab.when(lambda: listed(lab, "killed"), bool)
    lab.account.stop(signal.SIGKILL)
    lab.account.start()
    job = lab.tuned("killed")

    assert job["HyperParameterTuningJobStatus"] == "Completed", job
    assert job["TrainingJobStatusCounters"]["Completed"] == 2
    assert job["TrainingJobStatusCounters"]["RetryableError"] == 1
    tried = [one["TunedHyperParameters"]["say"] for one in listed(lab, "killed")]
    assert tried == ["score=0.1", "score=0.1", "score=0.2"]
    eventually(lambda: not lab.containers)
