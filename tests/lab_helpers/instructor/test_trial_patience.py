"""How long a trial waits, and how long its notebook instance may look idle."""

from awscli.customizations.cloudformation.yamlhelper import yaml_parse

from lab_helpers.instructor import trial
from lab_helpers.runner.plan import find_notebooks, plan
from tests.checkout import ROOT


def test_an_instance_does_not_stop_while_a_trial_may_still_run_on_it() -> None:
    limits = yaml_parse((ROOT / "cfn" / "m.yml").read_text())["Parameters"]["IdleMinutes"]
    notebooks = ROOT / "notebooks"
    all_on_request = len(find_notebooks(notebooks)) - len(plan(notebooks))

    assert limits["MaxValue"] == trial.LONGEST_IDLE
    for count in range(all_on_request + 1):
        assert 60 * trial.hours(count) < int(trial.idle_minutes(count)) <= limits["MaxValue"], count
