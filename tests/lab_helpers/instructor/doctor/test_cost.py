"""What an event costs: sums that add up, changeable assumptions, the largest item first."""

from decimal import Decimal

import pytest

from lab_helpers import exercises
from lab_helpers.instructor.cost import CHECK_JOBS, DRILL_JOBS, Assumptions, Estimate, estimate
from lab_helpers.prices import PriceError, Prices
from tests.checkout import ROOT

PRICES = Prices.load()


def cost(**changes: object) -> Estimate:
    return estimate(PRICES, Assumptions(**changes))  # type: ignore[arg-type]


def by_what(found: Estimate, what: str) -> Decimal:
    return next(item.total for item in found.items if item.what.startswith(what))


def test_instance_hours_are_multiplied_and_added() -> None:
    found = cost(participants=30, hours=4, endpoint_hours=2, prd_instances=1)

    assert by_what(found, "ml.t3.medium") == 30 * 4 * Decimal("0.05")
    assert by_what(found, "DEV") == 30 * 2 * Decimal("0.056")
    assert by_what(found, "PRD") == 30 * 2 * Decimal("0.115")
    assert found.total == sum(item.total for item in found.items)
    assert round(found.each * 30, 9) == round(found.total, 9)
    assert round(found.each_hour * 4, 9) == round(found.each, 9)


def test_the_largest_item_comes_first() -> None:
    found = cost(participants=30)

    assert [item.total for item in found.items] == sorted((i.total for i in found.items), reverse=True)
    assert found.items[0].service == "CodeCommit", "two roles each, and five per account are free"
    assert cost(participants=2).items[0].service == "SageMaker endpoints"
    assert by_what(cost(participants=2), "roles") == 0
    assert by_what(cost(participants=30, git_roles=0), "roles") == 0, "labs that keep their source in S3"


def test_every_assumption_except_instance_types_changes_the_bill() -> None:
    base = cost(keep_days=1).total
    for name in ("participants", "hours", "endpoint_hours", "builds", "build_minutes", "trainings",
                 "training_minutes", "releases", "sdk_lessons", "release_lessons",
                 "monitoring_lessons", "retraining_lessons", "drill_lessons", "prd_instances",
                 "images_gigabytes",
                 "storage_gigabytes", "volume_gigabytes", "log_megabytes", "git_roles",
                 "keep_days"):  # fmt: skip
        more = getattr(Assumptions(keep_days=1), name) + 3
        assert cost(**{"keep_days": 1, name: more}).total > base, name


def test_the_checks_of_notebook_07_are_processing_jobs() -> None:
    found = cost(participants=30, monitoring_lessons=1, training_minutes=3)

    assert by_what(found, "checks, ml.t3.medium") == 30 * 4 * 3 * Decimal("0.05") / 60
    assert by_what(cost(), "checks") == 0, "it runs on request"
    lesson = "".join(
        cell["source"] for cell in exercises.cells(exercises.find(ROOT / "notebooks", "07"), "code")
    )
    for once in ("= check(calm)", "= check(shifted)", "check(one, labels=labels)"):
        assert lesson.count(once) == 1
    assert 'for name, one in (("calm", calm), ("shifted", shifted))' in lesson
    assert CHECK_JOBS == 1 + 1 + 2


def test_the_daily_cost_of_forgotten_labs_is_shown() -> None:
    found = cost(participants=10)

    assert found.forgotten_day == 240 * (Decimal("0.05") + Decimal("0.056") + Decimal("0.115"))
    assert f"{found.forgotten_day:.2f} USD a day" in found.hints[-1]


def test_invalid_assumptions_are_rejected() -> None:
    with pytest.raises(ValueError, match="hours can't be negative"):
        cost(hours=-1)
    with pytest.raises(ValueError, match="at least"):
        cost(participants=0)
    with pytest.raises(PriceError, match=r"ml\.p5\.48xlarge"):
        cost(prd_type="ml.p5.48xlarge")
    assert cost(hours=0).each_hour >= 0


def test_drills_cost_what_they_train() -> None:
    without, found = cost(participants=30), cost(participants=30, drill_lessons=1, training_minutes=3)
    trained = {one.service: one.quantity for one in found.items}["SageMaker training"]
    assert trained == {one.service: one.quantity for one in without.items}["SageMaker training"] + 6
    code = exercises.cells(exercises.find(ROOT / "notebooks", "09"), "code")
    chosen = next(one["source"] for one in code if "drills = " in one["source"]).partition('drills = "')[2]
    assert len(chosen.split(",")) == DRILL_JOBS
