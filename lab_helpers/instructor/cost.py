"""What an event costs, item by item, from the price table and stated assumptions."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from decimal import Decimal

from lab_helpers.instructor import defaults
from lab_helpers.prices import HOURS_PER_MONTH, Prices

FREE_GIT_USERS = 5
"""Identities a month that CodeCommit does not bill."""

SDK_JOBS = 7
"""Jobs of notebook 03a: two train, four search, one transforms, at the price of training."""

SDK_ENDPOINT_HOURS = 0.5
"""For how long notebook 03a serves, on an instance like that of the DEV endpoint."""

RELEASE_INSTANCE_HOURS = 4.0
"""Hours of an instance like PRD's that notebook 06 takes: over an hour, with two to five at a time."""

CHECK_JOBS = 4
"""Jobs of notebook 07 that check captured data; each waits for a machine as a training job does."""

RETRAINING_JOBS, RETRAINING_CHECKS = 2, 3
"""Jobs of notebook 08: one trains, one transforms at the same price, and three check captured data."""

DRILL_JOBS, DRILL_RELEASES = 4, 1
"""Drills of notebook 09 unless others are chosen: each trains, and one goes on to DEV and back."""

_HINTS = {
    "SageMaker endpoints": "endpoints are billed for as long as they exist: delete the labs (`clean`), or "
    "only their endpoints (`reset --to 03`)",
    "SageMaker notebook": "notebook instances stop when idle: lower the labs' parameter IdleMinutes",
    "CodeCommit": "CodeCommit bills each role once a month: share labs between the events of a month, "
    "or deploy them with SourceProvider=S3 to do without it (`--assume git-roles=0`)",
}


@dataclass(frozen=True)
class Assumptions:
    """What is not known before the event; the defaults fit a typical workshop."""

    participants: int = field(default=10, metadata={"help": "participants"})
    hours: float = field(default=4.0, metadata={"help": "hours that a lab exists"})
    endpoint_hours: float = field(default=2.0, metadata={"help": "hours that both endpoints serve"})
    builds: int = field(default=4, metadata={"help": "image builds per participant"})
    build_minutes: float = field(default=2.0, metadata={"help": "minutes per build"})
    trainings: int = field(default=2, metadata={"help": "training jobs per participant"})
    training_minutes: float = field(
        default=3.0, metadata={"help": "billed minutes per training or check job"}
    )
    releases: int = field(default=2, metadata={"help": "executions of the training pipeline"})
    sdk_lessons: float = field(default=0.0, metadata={"help": "runs of notebook 03a per participant"})
    release_lessons: float = field(default=0.0, metadata={"help": "runs of notebook 06 per participant"})
    monitoring_lessons: float = field(default=0.0, metadata={"help": "runs of notebook 07 per participant"})
    retraining_lessons: float = field(default=0.0, metadata={"help": "runs of notebook 08 per participant"})
    drill_lessons: float = field(default=0.0, metadata={"help": "runs of notebook 09 per participant"})
    prd_instances: float = field(default=1.5, metadata={"help": "average number of PRD instances"})
    images_gigabytes: float = field(default=1.0, metadata={"help": "GB of images in ECR"})
    storage_gigabytes: float = field(default=0.5, metadata={"help": "GB in S3"})
    volume_gigabytes: int = field(
        default=defaults.NOTEBOOK_GIGABYTES, metadata={"help": "GB of the notebook instance's volume"}
    )
    log_megabytes: float = field(default=20.0, metadata={"help": "MB of logs"})
    git_roles: int = field(
        default=2, metadata={"help": "roles per lab that use CodeCommit (0 with SourceProvider=S3)"}
    )
    keep_days: float = field(default=0.0, metadata={"help": "days until the labs are deleted"})
    notebook_type: str = field(
        default=defaults.NOTEBOOK_TYPE, metadata={"help": "instance type of notebooks"}
    )
    training_type: str = field(
        default=defaults.TRAINING_TYPE, metadata={"help": "instance type of training jobs"}
    )
    check_type: str = field(
        default=defaults.CHECK_TYPE, metadata={"help": "instance type of checks of captured data"}
    )
    dev_type: str = field(default=defaults.DEV_TYPE, metadata={"help": "instance type of the DEV endpoint"})
    prd_type: str = field(default=defaults.PRD_TYPE, metadata={"help": "instance type of the PRD endpoint"})

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if not isinstance(value, str) and value < 0:
                raise ValueError(f"{one.name.replace('_', '-')} can't be negative: give 0 or more")
        if self.participants < 1:
            raise ValueError("participants: give at least one")


@dataclass(frozen=True)
class Item:
    """One line of the bill, for all participants together."""

    service: str
    what: str
    quantity: Decimal
    unit: str
    price: Decimal
    """USD per unit."""

    @property
    def total(self) -> Decimal:
        """USD."""
        return self.quantity * self.price


@dataclass(frozen=True)
class Estimate:
    """The bill of an event, most expensive item first."""

    assumptions: Assumptions
    prices: Prices
    items: tuple[Item, ...]

    @property
    def total(self) -> Decimal:
        """USD for the whole event."""
        return sum((item.total for item in self.items), Decimal(0))

    @property
    def each(self) -> Decimal:
        """USD per participant."""
        return self.total / self.assumptions.participants

    @property
    def each_hour(self) -> Decimal:
        """USD per participant and hour; `hours` must not be 0."""
        return self.each / Decimal(str(self.assumptions.hours or 1))

    @property
    def forgotten_day(self) -> Decimal:
        """USD for each day that everyone's notebook instances and endpoints keep running."""
        a, hourly = self.assumptions, self.prices.hourly
        lab = hourly(f"notebook:{a.notebook_type}") + hourly(f"endpoint:{a.dev_type}")
        lab += hourly(f"endpoint:{a.prd_type}")
        return lab * 24 * a.participants

    @property
    def hints(self) -> list[str]:
        """What saves the most in this estimate."""
        found = [_HINTS[one.service] for one in self.items[:3] if one.service in _HINTS]
        found.append(
            f"forgotten labs cost {self.forgotten_day:.2f} USD a day: "
            "`clean --expired` removes those that have expired"
        )
        return list(dict.fromkeys(found))


def estimate(prices: Prices, a: Assumptions) -> Estimate:
    """Return the bill of an event. Raises PriceError for an instance type without a price."""
    n, days = Decimal(a.participants), Decimal(str(a.keep_days))
    months = (Decimal(str(a.hours)) + days * 24) / HOURS_PER_MONTH

    def item(service: str, what: str, key: str, quantity: float | Decimal) -> Item:
        number = quantity if isinstance(quantity, Decimal) else Decimal(str(quantity))
        return Item(service, what, number, prices.unit(key), prices.price(key))

    def each(quantity: float) -> Decimal:
        return n * Decimal(str(quantity))

    git_users = max(a.participants * a.git_roles - FREE_GIT_USERS, 0)
    endpoint = "SageMaker endpoints"
    # Pipeline actions are billed by the started minute: one per short action; approvals are free.
    releases = a.releases + a.retraining_lessons + a.drill_lessons * DRILL_RELEASES
    action_minutes = a.builds * (1 + -(-a.build_minutes // 1)) + releases * (3 + 2 * 6)
    checks = a.monitoring_lessons * CHECK_JOBS + a.retraining_lessons * RETRAINING_CHECKS
    jobs = a.trainings + a.sdk_lessons * SDK_JOBS + a.retraining_lessons * RETRAINING_JOBS
    jobs += a.drill_lessons * DRILL_JOBS
    items = [
        item("SageMaker notebook", a.notebook_type, f"notebook:{a.notebook_type}", each(a.hours)),
        item("SageMaker notebook", "volume", "ml-storage:gb-month", each(a.volume_gigabytes) * months),
        item(
            endpoint,
            f"DEV, {a.dev_type}",
            f"endpoint:{a.dev_type}",
            each(a.endpoint_hours + a.sdk_lessons * SDK_ENDPOINT_HOURS),
        ),
        item(
            endpoint,
            f"PRD, {a.prd_type}",
            f"endpoint:{a.prd_type}",
            each(a.endpoint_hours * a.prd_instances + a.release_lessons * RELEASE_INSTANCE_HOURS),
        ),
        item(
            "SageMaker training",
            a.training_type,
            f"training:{a.training_type}",
            each(jobs * a.training_minutes / 60),
        ),
        item(
            "SageMaker processing",
            f"checks, {a.check_type}",
            f"processing:{a.check_type}",
            each(checks * a.training_minutes / 60),
        ),
        item("CodeBuild", "builds, small", "codebuild:small:minute", each(a.builds * a.build_minutes)),
        item("CodePipeline", "actions", "codepipeline:action-minute", each(action_minutes)),
        item("CodeCommit", f"roles beyond the {FREE_GIT_USERS} free", "codecommit:user-month", git_users),
        item("ECR", "images", "ecr:gb-month", each(a.images_gigabytes) * months),
        item("S3", "objects", "s3:gb-month", each(a.storage_gigabytes) * months),
        item("CloudWatch", "logs", "logs:gb", each(a.log_megabytes / 1024)),
        item("CloudWatch", "alarms", "cloudwatch:alarm-month", each(4) * months),
    ]
    return Estimate(a, prices, tuple(sorted(items, key=lambda one: -one.total)))
