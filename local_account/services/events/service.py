"""The operations of the EventBridge API."""

from __future__ import annotations

import json
import logging
import math
import threading
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from local_account.foundation.errors import Params, ServiceError
from local_account.foundation.outbox import Outbox
from local_account.foundation.schedules import Schedule, ScheduleError, parse_schedule
from local_account.foundation.system_tags import limited
from local_account.gateway.pages import page
from local_account.gateway.service import Answer, Service, moment
from local_account.services.events import targets
from local_account.services.events.matcher import Matcher
from local_account.services.events.pattern import Fields, compile_pattern, loads
from local_account.services.events.records import Delivery, Event, Rule
from local_account.services.events.values import PatternError

if TYPE_CHECKING:
    from mypy_boto3_events.literals import RuleStateType
    from mypy_boto3_events.type_defs import (
        DeleteRuleRequestTypeDef,
        DescribeEventBusRequestTypeDef,
        DescribeRuleRequestTypeDef,
        DisableRuleRequestTypeDef,
        EnableRuleRequestTypeDef,
        ListEventBusesRequestTypeDef,
        ListRuleNamesByTargetRequestTypeDef,
        ListRulesRequestTypeDef,
        ListTagsForResourceRequestTypeDef,
        ListTargetsByRuleRequestTypeDef,
        PutEventsRequestEntryTypeDef,
        PutEventsRequestTypeDef,
        PutEventsResultEntryTypeDef,
        PutRuleRequestTypeDef,
        PutTargetsRequestTypeDef,
        RemoveTargetsRequestTypeDef,
        RuleTypeDef,
        TagResourceRequestTypeDef,
        TagTypeDef,
        TargetUnionTypeDef,
        TestEventPatternRequestTypeDef,
        UntagResourceRequestTypeDef,
    )

    from local_account.foundation.account import Account

log = logging.getLogger(__name__)

BUS = "default"
_RULES, _TARGETS = 300, 5  # per bus, per rule: "EventBridge quotas"
_ENTRY_LIMIT = 1_048_576
"""The entries of a request are smaller, in bytes ("less than 1MB", PutEvents)."""
_RULE_MEMBERS = ("Name", "Arn", "EventPattern", "ScheduleExpression", "State", "Description", "RoleArn")
_EVENT_FIELDS = ("id", "account", "source", "time", "region", "detail-type")
"""What TestEventPattern asks of an event. Its reference also lists `resources`, but AWS does without."""
_LONGEST_TYPE = 128
"""Characters of a DetailType (PutEventsRequestEntry)."""
_THREADS = 4
_LONGEST_WAIT = 3600.0


class Events(Service):
    """Amazon EventBridge with the default bus; its targets are in ``targets``.

    Lacks: `CreateApiDestination`, `CreateArchive`, `CreateConnection`, `CreateEndpoint`, `CreateEventBus`,
    `PutPartnerEvents`, `PutPermission`, `StartReplay`.

    Refuses: event buses other than the default one, events of CloudTrail
    (`ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS`), global endpoints.
    """

    name = "events"

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._rules = account.store.table("events.rules", Rule)
        self._bus_tags = account.store.table("events.bus_tags", dict[str, str])
        self._read: list[Rule] = []
        self._matcher: Matcher[Rule] = Matcher([])
        self._read_at = -1
        self._reading = threading.Lock()
        self._deliveries = Outbox(account, "events.deliveries", self._deliver, threads=_THREADS)
        self._schedule_changed = threading.Event()

    def start(self) -> None:
        """Deliver the events that an earlier run accepted, and fire schedules from now on."""
        self._deliveries.start()
        self.account.tasks.spawn("events-schedules", self._run_schedules)
        for service in {_service_of(target) for rule in self._rules.values() for target in rule["targets"]}:
            self.account.tasks.spawn("events-clients", self.account.client, service)

    def stop(self) -> None:
        """Begin no more deliveries; they continue after the next start."""
        self._deliveries.stop()
        self._schedule_changed.set()

    # --- events

    def publish(self, source: str, detail_type: str, detail: Params, resources: Iterable[str] = ()) -> None:
        """Put an event from an AWS service on the default bus; its deliveries are durable on return."""
        plain = json.loads(json.dumps(detail, default=_plain))
        self._route(self._event(source, detail_type, plain, resources, self.account.now()))

    def put_events(self, params: PutEventsRequestTypeDef) -> Answer:
        """See PutEvents."""
        if "EndpointId" in params:
            raise _invalid("EndpointId is not supported by the local account")
        if sum(map(_size, params["Entries"])) >= _ENTRY_LIMIT:
            raise _invalid("Total size of the entries in the request is over the limit.")
        results = [self._put_entry(entry) for entry in params["Entries"]]
        failed = sum("ErrorCode" in result for result in results)
        return {"FailedEntryCount": failed, "Entries": results}

    def test_event_pattern(self, params: TestEventPatternRequestTypeDef) -> Answer:
        """See TestEventPattern."""
        pattern = _pattern(params["EventPattern"])
        try:
            event = loads(params["Event"])
        except (ValueError, RecursionError) as error:
            raise _invalid("Parameter Event is not valid.") from error
        if not isinstance(event, dict) or any(name not in event for name in _EVENT_FIELDS):
            raise _invalid("Parameter Event is not valid.")
        return {"Result": bool(Matcher([(None, pattern)]).match(event))}

    # --- rules

    def put_rule(self, params: PutRuleRequestTypeDef) -> Answer:
        """See PutRule: what the request leaves out is removed from an existing rule."""
        self._check_bus(params)
        name = params["Name"]
        if not params.get("EventPattern") and not params.get("ScheduleExpression"):
            raise _invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
        if params.get("State") == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS":
            raise _invalid(f"The state {params['State']} is not supported by the local account")
        if params.get("EventPattern"):
            _pattern(params["EventPattern"])
        if params.get("ScheduleExpression"):
            _schedule(params["ScheduleExpression"])
        if "RoleArn" in params:
            self.account.check_role(params["RoleArn"], targets.PRINCIPAL)
        given: Mapping[str, Any] = params
        rule = cast("Rule", {member: given[member] for member in _RULE_MEMBERS if given.get(member)})
        rule |= {"Arn": self._rule_arn(name), "State": params.get("State", "ENABLED")}
        with self._rules.lock:
            old = self._rules.get(name)
            if old is None and len(self._rules.keys()) >= self._limit():
                raise _limit_exceeded()
            now = self.account.now()
            same = old is not None and old.get("ScheduleExpression") == rule.get("ScheduleExpression")
            rule["origin"] = old["origin"] if old and same else now
            rule["enabled_at"] = old["enabled_at"] if old and same and old["State"] == rule["State"] else now
            rule["targets"] = old["targets"] if old else []
            rule["tags"] = (
                old["tags"] if old else limited(_tags(params.get("Tags", [])), "ValidationException")
            )
            self._rules.put(name, rule)
        self._schedule_changed.set()
        return {"RuleArn": rule["Arn"]}

    def describe_rule(self, params: DescribeRuleRequestTypeDef) -> Answer:
        """See DescribeRule."""
        self._check_bus(params)
        rule = self._require(params["Name"])
        return {**_described(rule), "CreatedBy": self.account.config.account_id}

    def list_rules(self, params: ListRulesRequestTypeDef) -> Answer:
        """See ListRules."""
        self._check_bus(params)
        prefix = params.get("NamePrefix", "")
        found = [_described(rule) for rule in self._rules.values() if rule["Name"].startswith(prefix)]
        return _page("Rules", sorted(found, key=lambda rule: rule["Name"]), params)

    def delete_rule(self, params: DeleteRuleRequestTypeDef) -> Answer:
        """See DeleteRule; as on AWS, deleting a rule that does not exist is not an error."""
        self._check_bus(params)
        with self._rules.lock:
            rule = self._rules.get(params["Name"])
            if rule and rule["targets"]:
                raise _invalid("Rule can't be deleted since it has targets.")
            self._rules.delete(params["Name"])
        return {}

    def enable_rule(self, params: EnableRuleRequestTypeDef) -> Answer:
        """See EnableRule; a schedule fires at its next tick."""
        return self._set_state(params, "ENABLED")

    def disable_rule(self, params: DisableRuleRequestTypeDef) -> Answer:
        """See DisableRule."""
        return self._set_state(params, "DISABLED")

    # --- targets

    def put_targets(self, params: PutTargetsRequestTypeDef) -> Answer:
        """See PutTargets: Lambda functions and pipelines."""
        self._check_bus(params)
        self._require(params["Rule"])
        for target in params["Targets"]:
            targets.check(self.account, target)
        with self._rules.update(params["Rule"]) as rule:
            held = {target["Id"]: target for target in rule["targets"]}
            held |= {target["Id"]: target for target in params["Targets"]}
            if len(held) > _TARGETS:
                raise _limit_exceeded()
            rule["targets"] = list(held.values())
        for service in {_service_of(target) for target in params["Targets"]}:
            self.account.client(service)  # made now, so that the first event does not wait for it
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def remove_targets(self, params: RemoveTargetsRequestTypeDef) -> Answer:
        """See RemoveTargets."""
        self._check_bus(params)
        self._require(params["Rule"])
        with self._rules.update(params["Rule"]) as rule:
            rule["targets"] = [target for target in rule["targets"] if target["Id"] not in params["Ids"]]
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def list_targets_by_rule(self, params: ListTargetsByRuleRequestTypeDef) -> Answer:
        """See ListTargetsByRule."""
        self._check_bus(params)
        return _page("Targets", self._require(params["Rule"])["targets"], params)

    def list_rule_names_by_target(self, params: ListRuleNamesByTargetRequestTypeDef) -> Answer:
        """See ListRuleNamesByTarget."""
        self._check_bus(params)
        names = [
            rule["Name"]
            for rule in self._rules.values()
            if any(target["Arn"] == params["TargetArn"] for target in rule["targets"])
        ]
        return _page("RuleNames", names, params)

    # --- the bus, tags

    def describe_event_bus(self, params: DescribeEventBusRequestTypeDef) -> Answer:
        """See DescribeEventBus."""
        self._check_bus({"EventBusName": params.get("Name", BUS)})
        return {"Name": BUS, "Arn": self.account.arn("events", f"event-bus/{BUS}")}

    def list_event_buses(self, params: ListEventBusesRequestTypeDef) -> Answer:
        """See ListEventBuses."""
        buses = [self.describe_event_bus({})] if BUS.startswith(params.get("NamePrefix", "")) else []
        return {"EventBuses": buses}

    def tag_resource(self, params: TagResourceRequestTypeDef) -> Answer:
        """See TagResource."""
        if self._is_bus(params):
            with self._bus_tags.lock:
                tags = (self._bus_tags.get(BUS) or {}) | _tags(params["Tags"])
                self._bus_tags.put(BUS, limited(tags, "ValidationException"))
            return {}
        with self._rules.update(self._tagged(params)) as rule:
            rule["tags"] = limited(rule["tags"] | _tags(params["Tags"]), "ValidationException")
        return {}

    def untag_resource(self, params: UntagResourceRequestTypeDef) -> Answer:
        """See UntagResource."""
        if self._is_bus(params):
            with self._bus_tags.lock:
                kept = self._bus_tags.get(BUS) or {}
                self._bus_tags.put(
                    BUS, {key: tag for key, tag in kept.items() if key not in params["TagKeys"]}
                )
            return {}
        with self._rules.update(self._tagged(params)) as rule:
            rule["tags"] = {key: tag for key, tag in rule["tags"].items() if key not in params["TagKeys"]}
        return {}

    def list_tags_for_resource(self, params: ListTagsForResourceRequestTypeDef) -> Answer:
        """See ListTagsForResource."""
        if self._is_bus(params):
            tags = self._bus_tags.get(BUS) or {}
        else:
            tags = self._require(self._tagged(params))["tags"]
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    # --- from the event to its targets

    def _put_entry(self, entry: PutEventsRequestEntryTypeDef) -> PutEventsResultEntryTypeDef:
        for member in ("Source", "DetailType", "Detail"):
            if not entry.get(member):
                reason = f"Parameter {member} is not valid. Reason: {member} is a required argument."
                return {"ErrorCode": "InvalidArgument", "ErrorMessage": reason}
        if len(entry["DetailType"]) > _LONGEST_TYPE:
            reason = f"DetailType has more than {_LONGEST_TYPE} characters."
            return {
                "ErrorCode": "InvalidArgument",
                "ErrorMessage": f"Parameter DetailType is not valid. Reason: {reason}",
            }
        if entry["Source"].startswith("aws."):
            return {
                "ErrorCode": "NotAuthorizedForSourceException",
                "ErrorMessage": "Not authorized for the source.",
            }
        try:
            self._check_bus(entry)
        except ServiceError as error:
            return {"ErrorCode": error.code, "ErrorMessage": error.message}
        try:
            detail = json.loads(entry["Detail"], parse_float=_finite, parse_constant=_finite)
            if not isinstance(detail, dict):
                raise ValueError("not an object")  # noqa: TRY004, TRY301
        except (ValueError, RecursionError):
            return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
        event = self._event(
            entry["Source"],
            entry["DetailType"],
            detail,
            entry.get("Resources", ()),
            moment(entry.get("Time", self.account.now())),
        )
        self._route(event)
        return {"EventId": event["id"]}

    def _event(
        self, source: str, detail_type: str, detail: Params, resources: Iterable[str], moment: datetime
    ) -> Event:
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": detail_type,
            "source": source,
            "account": self.account.config.account_id,
            "time": moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self.account.config.region,
            "resources": list(resources),
            "detail": detail,
        }

    def _route(self, event: Event) -> None:
        self._enabled()
        for rule in self._matcher.match(event):
            self._send(rule, event)

    def _enabled(self) -> list[Rule]:
        """Return the enabled rules; they and their matcher are made again only when one has changed."""
        with self.account.store.alone(), self._reading:
            changes = self._rules.changes
            if self._read_at != changes:
                enabled = [rule for rule in self._rules.values() if rule["State"] == "ENABLED"]
                self._read = [rule for rule in enabled if _is_valid(rule)]
                self._matcher = Matcher(
                    (rule, _pattern(rule["EventPattern"])) for rule in self._read if "EventPattern" in rule
                )
                self._read_at = changes
            return self._read

    def _send(self, rule: Rule, event: Event) -> None:
        for target in rule["targets"]:
            self._deliveries.put(
                {
                    "id": str(uuid.uuid4()),
                    "rule": {"Name": rule["Name"], "Arn": rule["Arn"]},
                    "target": target,
                    "event": event,
                    "accepted": time.time(),
                    "attempts": 0,
                }
            )

    def _deliver(self, delivery: Delivery) -> float | None:
        """Try one delivery (called by the outbox)."""
        delay = None
        try:
            targets.deliver(self.account, delivery)
        except Exception as error:
            if self.account.tasks.stopping.is_set():
                return 0.0
            delivery["attempts"] += 1
            if targets.is_transient(error):
                delay = targets.retry_delay(delivery, time.time())
            elif not isinstance(error, targets.DeliveryError):
                log.exception("delivery failed")
            log.warning(
                "rule %s could not deliver event %s to target %s: %s; %s",
                delivery["rule"]["Name"],
                delivery["event"]["id"],
                delivery["target"]["Arn"],
                error,
                "giving up" if delay is None else f"next attempt in {delay:.0f} s",
            )
            if delay is None:
                self._count(delivery["rule"]["Name"], "FailedInvocations")
        else:
            self._count(delivery["rule"]["Name"], "Invocations")
        return delay

    def _count(self, rule: str, metric: str) -> None:
        """Record one of the CloudWatch metrics in "Monitoring Amazon EventBridge"."""
        datum = {
            "MetricName": metric,
            "Dimensions": [{"Name": "RuleName", "Value": rule}],
            "Value": 1.0,
            "Unit": "Count",
        }
        try:
            self.account.client("cloudwatch").put_metric_data(Namespace="AWS/Events", MetricData=[datum])
        except Exception:
            if not self.account.tasks.stopping.is_set():
                log.exception("the metric %s of rule %s was lost", metric, rule)

    # --- schedules

    def _run_schedules(self) -> None:
        last = self.account.now()
        while not self.account.tasks.stopping.is_set():
            self._schedule_changed.clear()
            ticks = [tick for _, tick in self._next_ticks(last)]
            now = self.account.now()
            wait = (min(ticks) - now).total_seconds() if ticks else _LONGEST_WAIT
            self._schedule_changed.wait(min(max(wait, 0), _LONGEST_WAIT))
            now = self.account.now()
            for rule, tick in self._next_ticks(last):
                if tick <= now and not self.account.tasks.stopping.is_set():
                    self._send(rule, self._event("aws.events", "Scheduled Event", {}, [rule["Arn"]], tick))
            last = now

    def _next_ticks(self, after: datetime) -> list[tuple[Rule, datetime]]:
        """Return the enabled rules that have a schedule, with when each fires next."""
        return [
            (rule, tick)
            for rule in self._enabled()
            if "ScheduleExpression" in rule
            for tick in [
                _schedule(rule["ScheduleExpression"]).next_after(
                    max(after, rule["enabled_at"]), rule["origin"]
                )
            ]
            if tick
        ]

    # --- helpers

    def _set_state(self, params: Mapping[str, Any], state: RuleStateType) -> Answer:
        self._check_bus(params)
        self._require(params["Name"])
        with self._rules.update(params["Name"]) as rule:
            if rule["State"] != state:
                rule |= {"State": state, "enabled_at": self.account.now()}
        self._schedule_changed.set()
        return {}

    def _limit(self) -> float:
        """Return how many rules the bus may have; the applied quota is read when the default is used up."""
        if len(self._rules.keys()) < _RULES:
            return _RULES
        return self.account.quota("events", "L-244521F2")

    def _rule_arn(self, name: str) -> str:
        return self.account.arn("events", f"rule/{name}")

    def _is_bus(self, params: Mapping[str, Any]) -> bool:
        """Return whether tags are about the default bus, and not a rule. Raises ServiceError for others."""
        _, found, bus = str(params["ResourceARN"]).partition(":event-bus/")
        if found and bus != BUS:
            raise ServiceError("ResourceNotFoundException", f"Event bus {bus} does not exist.", status=400)
        return bool(found)

    def _tagged(self, params: Mapping[str, Any]) -> str:
        prefix = self._rule_arn("")
        name = str(params["ResourceARN"]).removeprefix(prefix)
        self._require(name)
        return name

    def _require(self, name: str) -> Rule:
        rule = self._rules.get(name)
        if rule is None:
            raise ServiceError(
                "ResourceNotFoundException", f"Rule {name} does not exist on EventBus {BUS}.", status=400
            )
        return rule

    def _check_bus(self, params: Mapping[str, Any]) -> None:
        bus = params.get("EventBusName", BUS)
        if bus not in (BUS, self.account.arn("events", f"event-bus/{BUS}")):
            raise ServiceError(
                "ResourceNotFoundException",
                f"Event bus {bus} does not exist. (The local account only has the default bus.)",
                status=400,
            )


@lru_cache(maxsize=512)
def _compiled(text: str) -> list[Fields]:
    return compile_pattern(text)


def _pattern(text: str) -> list[Fields]:
    try:
        return _compiled(text)
    except PatternError as error:
        raise ServiceError(
            "InvalidEventPatternException", f"Event pattern is not valid. Reason: {error}"
        ) from error


def _is_valid(rule: Rule) -> bool:
    """Return whether a rule can be carried out: an older build may have kept what PutRule refuses by now."""
    try:
        if "EventPattern" in rule:
            _pattern(rule["EventPattern"])
        if "ScheduleExpression" in rule:
            _schedule(rule["ScheduleExpression"])
    except ServiceError as error:
        log.warning("the rule %s is not carried out: %s", rule["Name"], error.message)
        return False
    return True


def _schedule(expression: str) -> Schedule:
    try:
        return parse_schedule(expression)
    except ScheduleError as error:
        raise _invalid("Parameter ScheduleExpression is not valid.") from error


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message)


def _limit_exceeded() -> ServiceError:
    return ServiceError(
        "LimitExceededException", "The requested resource exceeds the maximum number allowed."
    )


def _described(rule: Rule) -> RuleTypeDef:
    kept: Mapping[str, Any] = rule
    described = {**{member: kept[member] for member in _RULE_MEMBERS if member in kept}, "EventBusName": BUS}
    return cast("RuleTypeDef", described)


def _service_of(target: TargetUnionTypeDef) -> str:
    return target["Arn"].split(":")[2]


def _tags(tags: Sequence[TagTypeDef]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _page(member: str, items: list[Any], params: Mapping[str, Any]) -> Params:
    found, token = page(items, params.get("NextToken"), params.get("Limit", 100), "ValidationException")
    return {member: found, "NextToken": token}


def _size(entry: PutEventsRequestEntryTypeDef) -> int:
    """Return what counts as the size of an entry ("Calculating PutEvents event entry size")."""
    texts = [entry.get("Source", ""), entry.get("DetailType", ""), entry.get("Detail", "")]
    texts += entry.get("Resources", ())
    return sum(len(text.encode()) for text in texts) + (14 if "Time" in entry else 0)


def _finite(text: str) -> float:
    """Return a number of a Detail; raise ValueError for those that JSON, or a float, does not have."""
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text} is not JSON")
    return value


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    raise TypeError(f"an event cannot hold {type(value).__name__}")
