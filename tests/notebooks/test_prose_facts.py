"""Every number in the prose of the lessons is a fact that is checked, or says whose it is.

Sizes of images are measured in test_workshop_images.py; the times in the heads are written by `times`.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from lab_helpers import comparisons, metrics, retraining, scaling, usual
from lab_helpers.declarations import Declared
from lab_helpers.examples import Examples, read
from lab_helpers.exercises import cells
from lab_helpers.templates import read_template
from tests.checkout import ROOT
from tests.notebooks import sources

WORDS = (
    "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|hundreds?|thousands?|"
    "millions?|third|quarter|tenth|hundredth"
)
NUMBER = re.compile(rf"(?<![\w.,/-])\d[\d.,]*\d|(?<![\w.,/-])\d|\b(?i:{WORDS})\b")
NAVIGATION = (
    r"!\[[^\]]*\]\([^)]*\)",  # pictures, checked with their texts
    r"\]\([^)]*\)",
    r"<!--.*?-->[^\n]*",
    r"```.*?```",
    r"`[^`\n]*`",  # code, which is run or shown elsewhere
    r"^#+ (\d\da? ·|\d\.) ?",
    r"^\*\*Time\.\*\*.*?$",
    r"\*\*\d\d, ",
    r"[Nn]otebooks? \d\da?( (to|and) \d\d)?",
    r"[Ss]ections?\s\d( and \d)?",
    r"\[\d\d\w? · ",
    r"\*\*Exercise \d\. ",
    r"(?<=\| )0\d and 0\d(?=,)",
)


def prose(notebook: Path) -> str:
    """Return the text of a lesson in one line, without what leads elsewhere and without code."""
    text = "\n\n".join(cell["source"] for cell in cells(notebook, "markdown"))
    for pattern in NAVIGATION:
        text = re.sub(
            pattern, " ", text, flags=re.MULTILINE | re.DOTALL if "```" in pattern else re.MULTILINE
        )
    return re.sub(r" (?=[.,:;?!)])", "", re.sub(r"[\s*]+", " ", text))


# --- where facts come from


@cache
def code(number: str) -> str:
    return sources.python(lesson(number))


def lesson(number: str) -> Path:
    """Return the lesson with this number, such as `03` or `03a`."""
    [found] = [path for path in sources.LESSONS if path.name.startswith(f"{number}_")]
    return found


def cell(name: str, kind: str = "code") -> str:
    [found] = [one["source"] for one in cells(lesson(name.partition("-")[0]), kind) if one["id"] == name]
    return found


def program(name: str) -> str:
    return (sources.PROGRAMS / name).read_text()


def constant(name: str, of: str) -> Any:
    """Return the value of a constant in one of the programs that a learner is given."""
    for node in ast.parse(program(of)).body:
        if isinstance(node, ast.Assign):
            targets = node.targets[0]
            names = targets.elts if isinstance(targets, ast.Tuple) else [targets]
            values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            for target, value in zip(names, values, strict=False):
                if ast.unparse(target) == name:
                    return ast.literal_eval(value)
    raise LookupError(f"{of} has no {name}")


def written(name: str) -> str:
    return sources.all_written()[name]


@cache
def model() -> Declared:
    return Declared.of(written("model_image/model.py"))


@cache
def flowers() -> Examples:
    evaluation: Any = {"classes": ["setosa", "versicolor", "virginica"], "algorithms": {}}
    return read(ROOT / "notebooks/data/iris.csv", evaluation)


def petal_widths() -> list[float]:
    return [float(row[3] or 0) for row in flowers().rows]


def right(low: float, high: float) -> int:
    """Return for how many flowers the rule of notebook 00 is right, with these two numbers."""
    names = flowers().evaluation["classes"]
    widths = petal_widths()
    guesses = [names[(width >= low) + (width >= high)] for width in widths]
    return sum(guess == answer for guess, answer in zip(guesses, flowers().answers, strict=True))


def best() -> int:
    widths = sorted(set(petal_widths()))
    return max(right(low, high) for low, high in itertools.combinations(widths, 2))


def page(name: str) -> str:
    return " ".join((ROOT / "docs" / name).read_text().split())


def resources(template: str, kind: str) -> int:
    found = read_template(ROOT / "cfn" / f"{template}.yml")["Resources"].values()
    return sum(one["Type"] == kind for one in found)


def held_out() -> int:
    share: float = constant("TEST_SHARE", "training.py")
    return round(share * len(flowers().rows))


EXAMPLE = True
"""Nothing is claimed: the number is part of a question, an example or the task itself."""


MEASURED = True
"""test_workshop_images.py measures it in the image."""


def documented(_source: str) -> bool:
    """The number is AWS's own; the source says where it is published."""
    return True


Fact = Callable[[], object]
FACTS: dict[str, dict[str, Fact]] = {
    "00": {
        "you add a model with two algorithms": lambda: len(model().algorithms) == 2,
        "Three programs do the work": lambda: (
            len(re.findall(r'^            "\w+": "', cell("00-tools"), re.MULTILINE)) == 3
        ),
        "describes 150 iris flowers of three species": lambda: (
            len(flowers().rows) == 150 and len(set(flowers().answers)) == 3
        ),
        "as measured in the 1930s": lambda: documented("Anderson 1935, Fisher 1936"),
        "Plot two of the four measurements": lambda: (
            len(flowers().rows[0]) == 4 and len(re.findall(r'group\["', cell("00-plot"))) == 2
        ),
        "Here is a rule with two numbers": lambda: "[0, 0.8, 1.5, 10]" in cell("00-rule"),
        "How many of the 150 flowers can it get right at best": lambda: right(0.8, 1.5) < best(),
        "let two loops try every pair": lambda: EXAMPLE,
        "Two people push an image with the tag. Which of the two": lambda: EXAMPLE,
        "right for 94% of the flowers. Is that good?": lambda: EXAMPLE,
        "a rule with two numbers can do better here": lambda: best() / 150 > 0.94,
    },
    "01": {
        "it checks the two things that this notebook needs": lambda: (
            cell("01-check").count("checkpoint(") == 2
        ),
        "You write four of its files": lambda: (
            sum(name.startswith("base_image/") for name in sources.all_written()) == 4
        ),
        "Six more programs": lambda: len(sources.given("base_image")) == 6,
        "Two of the libraries need an explanation": lambda: (
            {"skl2onnx", "onnxruntime"}
            < set(re.findall(r"^\w+", written("base_image/requirements.txt"), re.M))
        ),
        "loads in a tenth of a second, and scikit-learn in more than a second": lambda: (
            "It loads in 0.1 s (scikit-learn: 1.2 s)" in page("model-server.md")
        ),
        "takes a hundredth of a millisecond, and scikit-learn several milliseconds": lambda: (
            "forest in 0.01 ms (scikit-learn: 3 ms or more)" in page("model-server.md")
        ),
        "about 270 MB, including 190 for SciPy, NumPy and scikit-learn (50 of that is OpenBLAS": lambda: (
            EXAMPLE
        ),
        "each bundle), 50 for ONNX and its runtime, and 15 for the server": lambda: MEASURED,
        "then sends three kinds of requests to port 8080": lambda: (
            '"SAGEMAKER_BIND_TO_PORT", 8080' in written("base_image/app.py") and len(routes()) == 3
        ),
        "200 once the models are loaded": lambda: "status: int = 200" in program("server.py"),
        "200 and predictions, or 4xx": lambda: "status: int = 200" in program("server.py"),
        "has two ways to read a body": lambda: "def explain" in program("rows.py"),
        "gave scikit-learn five threads": lambda: documented("the source workshop's server"),
        "juggles hundreds of connections": lambda: constant("MAX_CONNECTIONS", "server.py") >= 200,
        "body (413), headers (431), time for a request (10 seconds, 408), connections and queued work (503": (
            lambda: (
                {"413", "431", "408"} <= set(re.findall(r"RefusedError\((\d+)", program("server.py")))
                and "__init__(503" in program("server.py")
                and constant("REQUEST_SECONDS", "server.py") == 10
            )
        ),
        "the others take at least three times as much processor time": lambda: (
            "ours 44 µs, bjoern 48, granian (RSGI) 150" in page("model-server.md") and 150 > 3 * 44
        ),
        "probabilities within 0.00001": lambda: constant("TOLERANCE", "proof.py") == 0.00001,
        "The image gets two tags": lambda: (
            len(re.findall(r"--tag ", written("base_image/buildspec.yml"))) == 2
        ),
        "Two lines look after the image's manifest": lambda: (
            len(re.findall("BUILDX_NO_DEFAULT_ATT|FORMAT=--output", written("base_image/buildspec.yml"))) == 2
        ),
        "The third asks for CSV": lambda: cell("01-try-serve").count("server.invoke(") == 3,
        "an unknown format, seven megabytes. Each of these gets a 4xx answer": lambda: (
            '" " * 7_000_000' in cell("01-try-broken")
            and "[400, 400, 400, 415, 413]" in cell("01-try-broken")
        ),
        "Copy the ten files": lambda: len(re.findall(r'^    ".*",$', cell("01-push"), re.MULTILINE)) == 10,
        "two words on the command line, a directory, and two URLs (a third for batch transform)": lambda: (
            len(re.findall(r'command [!=]= "\w+"', written("base_image/app.py"))) == 2 and len(routes()) == 3
        ),
        "to bad requests (4xx, with the reason) and to too many of them (503, at once)": lambda: (
            "__init__(503" in program("server.py")
        ),
        "run that cell and the two cells of": lambda: (
            [
                one["id"]
                for one in cells(sources.NOTEBOOKS[1], "code")
                if one["id"] in ("01-push", "01-follow")
            ]
            == ["01-push", "01-follow"]
        ),
        "more than 1,000 rows, with status 413": lambda: (
            "MOST_ROWS = 1_000" in repr(sources.changes(solution("01")))
        ),
        "try it with 1,001 rows": lambda: EXAMPLE,
        "1, so that the tree may ask only one question": lambda: EXAMPLE,
        "has two leaves, and so at most two answers": lambda: EXAMPLE,
        "A client sends 7 MB of spaces. Why is status 413": lambda: (
            constant("MAX_BODY", "server.py") < 7_000_000
        ),
    },
    "02": {
        "two algorithms that tell three species of iris apart": lambda: (
            len(model().algorithms) == 2 and len(set(flowers().answers)) == 3
        ),
        "How do two images share": lambda: EXAMPLE,
        "answer with two algorithms?": lambda: len(model().algorithms) == 2,
        "The other two are hyperparameters": lambda: cell("02-parameters").count("=") - 1 == 2,
        "has only three instructions": lambda: (
            len(re.findall(r"^[A-Z]+ ", written("model_image/Dockerfile"), re.MULTILINE)) == 3
        ),
        "Of the 150 flowers, 120 are for training. The other 30 are held out": lambda: (
            len(flowers().rows) == 150 and held_out() == 30
        ),
        "right in 95 of 100 cases": lambda: EXAMPLE,
        "exit code 1 and writes": lambda: "return 1" in program("training.py"),
        "One server, two algorithms.": lambda: len(model().algorithms) == 2,
        "A third algorithm. Add a third algorithm": lambda: len(model().algorithms) == 2,
        "a release with three algorithms": lambda: len(model().algorithms) + 1 == 3,
        "an integer from 1 on": lambda: EXAMPLE,
        "1, then with 0, which has to be refused": lambda: EXAMPLE,
        "right for 95 of 100 patients, and 95 of 100 patients": lambda: EXAMPLE,
    },
    "03": {
        "two people upload at the same time?": lambda: EXAMPLE,
        "two CloudFormation templates": lambda: cell("03-check").count("deploy-model-") == 2,
        "checks that all three are there": lambda: cell("03-check").count("checkpoint(") == 2,
        "the two templates that the pipeline will use": lambda: cell("03-check").count("deploy-model-") == 2,
        "even when two people upload at the same time": lambda: (
            "ExecutionMode: QUEUED" in (ROOT / "cfn/train-model-pipeline.yml").read_text()
        ),
        "Two people upload a zip file": lambda: EXAMPLE,
        "AWS Lambda ends it after 15 minutes": lambda: documented("Lambda quotas: function timeout, 900 s"),
    },
    "03a": {
        "you see the three ways": lambda: len(ways()) == 3,
        "about 300 MB with everything it needs": lambda: (
            "`requirements-sdk.txt` (300 MB, and five seconds of" in page("decisions.md")
        ),
        "that takes about three minutes": lambda: "a training job three" in readme(),
        "it needs no 300 MB": lambda: "boto3" in ways()[1],
        "With 30 flowers held out, a single flower is worth 0.0333": lambda: (
            held_out() == 30 and f"{1 / held_out():.4f}" == "0.0333"
        ),
        "CloudFormation makes three resources": lambda: (
            sum(
                resources("deploy-model-dev", f"AWS::SageMaker::{kind}")
                for kind in ("Model", "EndpointConfig", "Endpoint")
            )
            == 3
        ),
        "All three are called": lambda: cell("03a-serve").count(".create(") == 3,
        "it takes five minutes to start": lambda: "an endpoint five to eight" in readme(),
        "Nobody waits for these thirty answers": lambda: held_out() == 30,
        "shows the model the first four columns only": lambda: "$[0,1,2,3]" in cell("03a-batch"),
        "this takes about five minutes": lambda: documented("a machine starts, as for a training job"),
        "The first four columns are what went in": lambda: len(flowers().rows[0]) == 4,
        "Two checks: in batch": lambda: cell("03a-batch-result").count("checkpoint(") == 2,
        "the only one of the three that costs money": lambda: documented("SageMaker AI Pricing"),
        "Three ways lead to the same": lambda: len(ways()) == 3,
        "| 300 MB, and seconds to import": lambda: "(300 MB, and five seconds of" in page("decisions.md"),
        "choose between 0.001 and 100 itself, with six training jobs": lambda: (
            "ContinuousParameter(0.001, 100" in repr(sources.python(solution("03a")))
            and "max_jobs=6" in sources.python(solution("03a"))
        ),
        "Count its columns from 0": lambda: EXAMPLE,
        "measured on the same 30 flowers": lambda: held_out() == 30,
        "from 30 rows to 30 million": lambda: EXAMPLE,
    },
    "04": {
        "takes five to eight minutes": lambda: usual.PUBLISHED["DeployDev", "DeployDev"] == "5 to 8 min",
        "does it recognize three flowers": lambda: len(flowers().typical()) == 3,
        "only the same rows tell which of two models is better": lambda: EXAMPLE,
        "One request in twenty takes longer than the 95th percentile": lambda: 100 / (100 - 95) == 20,
        "two executions may be in progress": lambda: (
            "ExecutionMode: QUEUED" in (ROOT / "cfn/train-model-pipeline.yml").read_text()
        ),
    },
    "05": {
        "you let 10, 100 and then 150 users": lambda: list(levels()) == [10, 100, 150],
        "which sends 1,000, 10,000 and 100,000 requests": lambda: (
            list(levels().values()) == [10**3, 10**4, 10**5]
        ),
        "between two steps up, or two steps down": lambda: EXAMPLE,
        "the low alarm alone takes a quarter of an hour": lambda: low_alarm_periods() * 60 == 15 * 60,
        "Three things keep this measurement honest": lambda: (
            honest().count(". ") and all(one in honest() for one in ("clock starts", "retried", "refused"))
        ),
        "nine in ten were faster than the p90, and one in a hundred was slower than the p99": lambda: EXAMPLE,
        "a page that makes 100 requests meets the p99 on most visits": lambda: 1 - 0.99**100 > 0.5,
        "the p99 of 100 requests is a single request": lambda: "requests=100" in cell("05-quiet"),
        "a few thousand": lambda: EXAMPLE,
        "10, 100, 150 users The full test": lambda: list(levels()) == [10, 100, 150],
        "sends 1,000 requests from 10 users, 10,000 from 100, and 100,000 from 150": lambda: (
            levels() == {10: 1_000, 100: 10_000, 150: 100_000}
        ),
        "at least five per user": lambda: "5 * users" in cell("05-levels"),
        "If one request in five fails": lambda: "error_budget: float = 0.2" in helper("load"),
        "model error 5xx": lambda: '"model error 5xx"' in helper("load"),
        "Two checks: - Little's law": lambda: EXAMPLE,
        "Near 100%": lambda: EXAMPLE,
        "run the test from two machines": lambda: EXAMPLE,
        "below ten times the p50 of the quiet user": lambda: (
            "< 10 * (quiet.percentile(50)" in cell("05-target")
        ),
        "AWS creates two CloudWatch alarms": lambda: documented("Application Auto Scaling, target tracking"),
        "allow about four minutes for the alarm": lambda: documented(
            "3 periods of a minute, and a late metric"
        ),
        "that is the 0.5 in": lambda: scaling.SAFETY_FACTOR == 0.5,
        "1.8 times the target": lambda: "rate = 1.8 * target" in cell("05-scale-out"),
        "all below 90% of the target": lambda: documented("Application Auto Scaling, target tracking"),
        "a trickle of two requests per second": lambda: "rate=2)" in cell("05-scale-in"),
        "Two more alarms guard the releases of PRD": lambda: (
            (ROOT / "cfn/deploy-model-prd.yml").read_text().count("- AlarmName: !Ref") == 2
        ),
        "lags by a minute or two": lambda: metrics.PERIOD == 60,
        "With 150 users on a small machine": lambda: max(levels()) == 150,
        "What do a million requests cost?": lambda: "* 1e6" in cell("05-cost"),
        "one request in a hundred is slower": lambda: EXAMPLE,
        "what one instance handles well × 0.5 × 60": lambda: (
            scaling.suggested_target(7.0) == 7.0 * scaling.SAFETY_FACTOR * 60
        ),
        "Ten times as many requests take about ten times as long": lambda: EXAMPLE,
        "send 2,000 requests from 20 users": lambda: "requests = 2_000" in solution("05").read_text(),
        "three times the throughput that you've just measured": lambda: (
            "rate=3 * closed.throughput" in solution("05").read_text()
        ),
        "Which of the two would you show": lambda: EXAMPLE,
        "The average latency is 20 ms": lambda: EXAMPLE,
        "A page that makes 100 requests is as slow": lambda: EXAMPLE,
        "If one request in a hundred takes a second, most visits meet it": lambda: 1 - 0.99**100 > 0.5,
        "PRD has two instances": lambda: EXAMPLE,
        "Why are there still two?": lambda: EXAMPLE,
    },
    "06": {
        "a canary needs at least two": lambda: "whole(2, 10, instances=instances)" in cell("06-check"),
        "that takes five to eight minutes": lambda: usual.PUBLISHED["DeployDev", "DeployDev"] == "5 to 8 min",
        "the 90th percentile in a minute": lambda: '"p90"' in helper("safe_releases"),
        "use 300 seconds or more": lambda: (
            "use 300 or more" in (ROOT / "cfn/deploy-model-prd.yml").read_text()
        ),
        "the challenger gets a tenth": lambda: (
            '("Champion", "retrained", 9), ("Challenger", "small", 1)' in cell("06-split")
        ),
        "in 19 of 20 such tests": lambda: comparisons.CONFIDENCE == 19 / 20,
        "If it contains 0, what you saw could be chance": lambda: (
            "self.low > 0 or self.high < 0" in helper("comparisons")
        ),
        "from -0.4 to +2.9 points": lambda: EXAMPLE,
        "a loss of 0.4 points": lambda: EXAMPLE,
    },
    "07": {
        "Which of the two fails to reach its limit": lambda: all(
            f'one["{name}"]' in check_program() for name in ("adjusted", "psi")
        ),
    },
    "08": {
        "Two more rules have been there": lambda: (
            (ROOT / "cfn/train-model-pipeline.yml").read_text().count("State: !Ref RetrainOn") == 2
        ),
        "PRD stays as it is (exercise 1)": lambda: (
            "**Exercise 1. A challenger that does not win" in cell("08-exercises", "markdown")
        ),
        "with its 95 % interval": lambda: retraining.Z == 1.96,
        "in another in batch makes two models out of one": lambda: EXAMPLE,
        "Which of the two has changed?": lambda: (
            "objects' keys and ETags" in (ROOT / "cfn/functions/launcher/launch.py").read_text()
        ),
        "comes and goes five times in a night": lambda: EXAMPLE,
    },
    "09": {
        "a lost event costs a minute at most": lambda: (
            read_template(ROOT / "cfn/train-model-pipeline.yml")["Resources"]["MonitorRule"]["Properties"][
                "ScheduleExpression"
            ]
            == "rate(1 minute)"
        ),
    },
    "99": {
        "The third cell below prints what to enter": lambda: (
            [one["id"] for one in cells(sources.NOTEBOOKS[-1])].index("99-ready") == 1 + 3
            and "to delete this lab" in cell("99-ready")
        ),
        "On AWS, this takes about five minutes": lambda: documented("deleting an endpoint's stack on AWS"),
        "from Friday evening to Monday morning, 62 hours": lambda: (24 - 18) + 2 * 24 + 8 == 62,
    },
}


def routes() -> dict[str, str]:
    found = re.search(r"^ROUTES = (\{.*\})$", written("base_image/app.py"), re.MULTILINE)
    assert found
    read: dict[str, str] = ast.literal_eval(found[1])
    return read


def ways() -> list[str]:
    """Return the columns of the table of ways to a training job."""
    [head] = [line for line in cell("03a-built", "markdown").splitlines() if line.startswith("| | SDK")]
    return [column for column in map(str.strip, head.split("|")) if column]


def readme() -> str:
    return " ".join((ROOT / "README.md").read_text().split())


def levels() -> dict[int, int]:
    found = re.search(r"levels = (\{.*\})", cell("05-levels"))
    assert found
    read: dict[int, int] = ast.literal_eval(found[1])
    return read


def honest() -> str:
    [found] = [c["source"] for c in cells(lesson("05"), "markdown") if c["id"] == "05-about-questions"]
    return found


def low_alarm_periods() -> int:
    text = (ROOT / "local_account/services/autoscaling/policies.py").read_text()
    return 15 if "fifteen minutes below" in text else 0


def helper(name: str) -> str:
    return (ROOT / "lab_helpers" / f"{name}.py").read_text()


def check_program() -> str:
    return (ROOT / "notebooks/monitoring/check.py").read_text()


def solution(number: str) -> Path:
    return next(path for path in sources.SOLUTIONS if path.name.startswith(f"{number}_"))


def every_fact() -> Iterator[Any]:
    for number, facts in FACTS.items():
        for fragment, check in facts.items():
            yield pytest.param(number, fragment, check, id=f"{number}-{fragment[:40]}")


@pytest.mark.parametrize(("number", "fragment", "check"), list(every_fact()))
def test_what_a_lesson_says_is_true(number: str, fragment: str, check: Fact) -> None:
    assert fragment in prose(lesson(number)), "the prose has changed: change the fact, too"
    assert check()


@pytest.mark.parametrize("notebook", sources.LESSONS, ids=lambda path: path.stem)
def test_each_number_belongs_to_a_fact(notebook: Path) -> None:
    text = prose(notebook)
    for fragment in FACTS[notebook.name.partition("_")[0]]:
        text = text.replace(fragment, " … ")
    left = [text[max(0, m.start() - 50) : m.end() + 30] for m in NUMBER.finditer(text)]
    assert left == [], "say which fact proves each of these numbers"
