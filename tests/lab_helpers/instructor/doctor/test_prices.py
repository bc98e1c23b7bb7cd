"""The price table: dated, complete for the templates, and clear about what it lacks."""

import json
from datetime import date
from decimal import Decimal

import pytest
from awscli.customizations.cloudformation.yamlhelper import yaml_parse

from lab_helpers import instance_types
from lab_helpers.prices import TABLE, PriceError, Prices
from tests.checkout import ROOT

CFN = ROOT / "cfn"
REGIONS = sorted(json.loads(TABLE.read_text())["regions"])


def test_a_price_is_exact_and_dated() -> None:
    prices = Prices.load()

    assert prices.hourly("endpoint:ml.m5.large") == Decimal("0.115")
    assert prices.hourly("ecr:gb-month") == Decimal("0.10") / 730
    assert date(2026, 1, 1) <= prices.as_of <= date(2026, 12, 31)


def test_every_region_has_every_price() -> None:
    tables = {region: set(Prices.load(region).table) for region in REGIONS}

    assert {"us-east-1", "ap-northeast-1"} <= set(tables)
    assert len(set(map(frozenset, tables.values()))) == 1
    assert all(price > 0 for region in REGIONS for price in Prices.load(region).table.values())


def test_every_key_has_a_unit() -> None:
    prices = Prices.load()

    assert all(prices.unit(key) for key in prices.table)
    assert set(prices.units) <= set(prices.table)


@pytest.mark.parametrize(
    ("template", "parameter", "use"),
    [
        ("m", "NotebookInstanceType", "notebook"),
        ("deploy-model-dev", "InstanceType", "endpoint"),
        ("deploy-model-prd", "InstanceType", "endpoint"),
    ],
)
def test_every_instance_type_that_a_template_allows_has_a_price(
    template: str, parameter: str, use: str
) -> None:
    allowed = yaml_parse((CFN / f"{template}.yml").read_text())["Parameters"][parameter]["AllowedValues"]

    assert [Prices.load(region).hourly(f"{use}:{kind}") for region in REGIONS for kind in allowed]


@pytest.mark.parametrize("region", REGIONS)
def test_the_jobs_of_the_workshop_have_a_price(region: str) -> None:
    assert Prices.load(region).hourly(f"training:{instance_types.training(region)}")
    assert Prices.load(region).hourly(f"processing:{instance_types.processing(region)}")


def test_a_missing_price_is_named_with_the_existing_ones() -> None:
    with pytest.raises(
        PriceError, match=r"'endpoint:ml\.p5\.48xlarge' in us-east-1: the table has .*ml\.m5\.large"
    ):
        Prices.load().hourly("endpoint:ml.p5.48xlarge")
    with pytest.raises(PriceError, match="the table has the kinds"):
        Prices.load().price("rocket:falcon")
    with pytest.raises(PriceError, match=r"region mars-1: the table has ap-northeast-1"):
        Prices.load("mars-1")


def test_what_is_billed_by_use_has_no_hourly_price() -> None:
    with pytest.raises(PriceError, match="billed by use"):
        Prices.load().hourly("codebuild:small:minute")
