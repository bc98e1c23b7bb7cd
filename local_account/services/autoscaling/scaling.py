"""Scaling activities: changes that alarms and bounds require, made to the endpoint and recorded.

Contract: DescribeScalingActivities, and "Scaling activities" in the Application Auto Scaling User Guide.

Differs from AWS: **cooldowns are real seconds**, while a minute of the policy's alarms may be shorter (see
cloudwatch). Reasons not to scale are recorded once a minute.
"""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from local_account.foundation.errors import Params
from local_account.services.autoscaling import tracking
from local_account.services.autoscaling.policies import alarm_name
from local_account.services.autoscaling.records import ScalingActivity
from local_account.services.autoscaling.resources import KEY, key_of, variant_of

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling.type_defs import NotScaledReasonTypeDef

    from local_account.foundation.account import Account
    from local_account.foundation.store import Table
    from local_account.services.autoscaling.records import ScalableTarget, ScalingPolicy
    from local_account.services.autoscaling.tracking import Datapoint

log = logging.getLogger(__name__)

KEPT = timedelta(weeks=6)
_LOOK_SECONDS = 0.2
_REPEAT = timedelta(seconds=60)
_UNSCALABLE: NotScaledReasonTypeDef = {"Code": "TargetServicePutResourceAsUnscalable"}


class Scaling:
    """The activities of all scalable targets."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.activities.index("ResourceId")

    @property
    def activities(self) -> Table[ScalingActivity]:
        """The activities by id."""
        return self._account.store.table("autoscaling-activities", ScalingActivity)

    def recover(self) -> None:
        """Resume following the activities that were in progress when the account ended."""
        for activity in self.activities.values():
            if activity["StatusCode"] == "InProgress":
                self._spawn_follow(activity)

    def on_alarm(
        self,
        target: ScalableTarget,
        policies: list[ScalingPolicy],
        policy: ScalingPolicy,
        alarm: str,
        points: tuple[Datapoint, ...],
    ) -> None:
        """Do what an alarm in ALARM requires, if anything.

        ``policies`` are all those of the target; ``points`` are the alarm's datapoints with values, newest
        last.
        """
        past = self._of(target)
        variant = self._variant(target)
        if variant is None or (past and past[-1]["StatusCode"] == "InProgress"):
            return
        cause = f"monitor alarm {alarm} in state ALARM triggered policy {policy['PolicyName']}"
        if variant["EndpointStatus"] != "InService":
            self._not_scaled(target, past, cause, _UNSCALABLE)
            return
        out = alarm == alarm_name(policy, "High")
        # A datapoint from before the last change counts invocations per instance for another instance count.
        changes = [one for one in past if "after" in one]
        metrics = [
            point.value
            for point in points
            if point.value is not None and not (changes and point.time < changes[-1]["EndTime"])
        ]
        if not metrics or (not out and not self._may_scale_in(policies, policy, points)):
            return
        decide = tracking.scale_out if out else tracking.scale_in
        decision = decide(
            variant["DesiredInstanceCount"],
            metrics[-1] if out else max(metrics),
            target=target,
            policy=policy["TargetTrackingScalingPolicyConfiguration"],
            last=_last_change(changes, policy),
            now=self._account.now(),
        )
        if decision.capacity is not None:
            self._set(target, variant["DesiredInstanceCount"], decision.capacity, cause, policy["PolicyName"])
        elif decision.not_scaled:
            self._not_scaled(target, past, cause, decision.not_scaled)

    def correct(self, target: ScalableTarget) -> bool:
        """Correct a capacity outside the target's bounds; return False if that has to wait."""
        variant = self._variant(target)
        if variant is None:
            return True
        past = self._of(target)
        if variant["EndpointStatus"] != "InService" or (past and past[-1]["StatusCode"] == "InProgress"):
            return False
        current = variant["DesiredInstanceCount"]
        correction = tracking.within_bounds(current, target)
        if correction:
            self._set(target, current, *correction)
        return True

    def _may_scale_in(
        self, policies: list[ScalingPolicy], policy: ScalingPolicy, points: tuple[Datapoint, ...]
    ) -> bool:
        """Return whether there is enough data, and every policy that may scale in is ready to.

        "It doesn't interpret insufficient data as low utilization": half of the datapoints must be there.
        """
        alarms = [name for one in policies if (name := alarm_name(one, "Low"))]
        found = self._account.client("cloudwatch").describe_alarms(AlarmNames=alarms)["MetricAlarms"]
        periods = {alarm["AlarmName"]: alarm["EvaluationPeriods"] for alarm in found}
        own = periods.get(alarm_name(policy, "Low"), 0)
        return 2 * len(points) > own and all(alarm["StateValue"] == "ALARM" for alarm in found)

    def _set(
        self, target: ScalableTarget, current: int, capacity: int, cause: str, policy: str | None = None
    ) -> None:
        members = {
            **self._activity(target, cause),
            "Description": f"Setting desired instance count to {capacity}.",
            "StatusCode": "InProgress",
            "StatusMessage": f"Successfully set desired instance count to {capacity}. Waiting for change "
            "to be fulfilled by sagemaker.",
            "policy": policy,
            "before": current,
            "after": capacity,
        }
        activity = cast("ScalingActivity", members)
        with self.activities.lock:
            past = self._of(target)
            if past and past[-1]["StatusCode"] == "InProgress":
                return
            self.activities.put(activity["ActivityId"], activity)
        endpoint, variant = variant_of(target["ResourceId"])
        try:
            self._account.client("sagemaker").update_endpoint_weights_and_capacities(
                EndpointName=endpoint,
                DesiredWeightsAndCapacities=[{"VariantName": variant, "DesiredInstanceCount": capacity}],
            )
        except ClientError as error:
            self._end(activity, error.response["Error"]["Message"])
        else:
            self._spawn_follow(activity)

    def _spawn_follow(self, activity: ScalingActivity) -> None:
        self._account.tasks.spawn(f"scaling-{activity['ActivityId']}", self._follow, activity)

    def _follow(self, activity: ScalingActivity) -> None:
        """Wait until the endpoint has the capacity, or fails to get it."""
        while not self._account.tasks.stopping.is_set():
            variant = self._variant(activity)
            if variant is None:
                self._end(activity, "The endpoint no longer exists")
                return
            if variant["EndpointStatus"] in ("InService", "Failed", "OutOfService"):
                done = (
                    variant["EndpointStatus"] == "InService"
                    and variant["DesiredInstanceCount"] == activity["after"]
                )
                self._end(
                    activity,
                    None if done else variant["FailureReason"] or "The endpoint was changed in the meantime",
                )
                return
            self._account.tasks.stopping.wait(_LOOK_SECONDS)

    def _end(self, activity: ScalingActivity, failure: str | None) -> None:
        count = f"set desired instance count to {activity['after']}."
        message = (
            f"Failed to {count} Reason: {failure}"
            if failure
            else f"Successfully {count} Change successfully fulfilled by sagemaker."
        )
        with self.activities.update(activity["ActivityId"]) as stored:
            stored |= {
                "EndTime": self._account.now(),
                "StatusCode": "Failed" if failure else "Successful",
                "StatusMessage": message,
            }
            if failure:
                stored["Details"] = failure
        log.info("%s: %s", activity["ResourceId"], message)

    def _not_scaled(
        self, target: ScalableTarget, past: list[ScalingActivity], cause: str, reason: NotScaledReasonTypeDef
    ) -> None:
        """Record why an alarm changed nothing, once a minute while the reason stays the same."""
        now = self._account.now()
        if past and past[-1].get("NotScaledReasons") == [reason] and past[-1]["StartTime"] + _REPEAT > now:
            return
        members = {
            **self._activity(target, cause),
            "Description": "Attempting to scale due to alarm triggered",
            "StatusCode": "Failed",
            "NotScaledReasons": [reason],
        }
        activity = cast("ScalingActivity", members)
        self.activities.put(activity["ActivityId"], activity)

    def _activity(self, target: ScalableTarget, cause: str) -> Params:
        now = self._account.now()
        for key, one in self.activities.items():
            if one["StartTime"] + KEPT < now:
                self.activities.delete(key)
        return {
            "ActivityId": str(uuid.uuid4()),
            **{name: target[name] for name in KEY},
            "Cause": cause,
            "StartTime": now,
        }

    def _of(self, target: ScalableTarget) -> list[ScalingActivity]:
        """Return the activities of a target, newest last."""
        listed = self.activities.where("ResourceId", target["ResourceId"])
        return [one for one in listed if key_of(one) == key_of(target)]

    def _variant(self, target: ScalableTarget | ScalingActivity) -> dict[str, Any] | None:
        """Return what DescribeEndpoint says about a variant and its endpoint; None if there is none."""
        endpoint, name = variant_of(target["ResourceId"])
        try:
            found = self._account.client("sagemaker").describe_endpoint(EndpointName=endpoint)
        except ClientError:
            return None
        variants = [one for one in found.get("ProductionVariants", []) if one["VariantName"] == name]
        if not variants:
            return None
        return {
            **variants[0],
            "EndpointStatus": found["EndpointStatus"],
            "FailureReason": found.get("FailureReason"),
        }


def _last_change(changes: list[ScalingActivity], policy: ScalingPolicy) -> tracking.Change | None:
    for one in reversed(changes):
        if one["policy"] == policy["PolicyName"]:
            return tracking.Change(
                one["before"], one["after"], one["EndTime"], one["StatusCode"] == "Successful"
            )
    return None
