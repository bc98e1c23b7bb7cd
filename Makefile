# Every command for authors and participants; `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
VENV := .venv
PYTHON := $(VENV)/bin/python
.DEFAULT_GOAL := help
# Often set on machines that build images; here, each of many processes would compile everything again.
unexport PYTHONDONTWRITEBYTECODE
# Tests run side by side, four of these sides at a time, a process for each: tests wait more than they compute,
# and what one process has imported weighs on no other. `browser` has its labs in an account of its own. `programs` and `moto` import the most (scikit-learn,
# ONNX; moto's EC2) and are short; the others take about equally long. `rest` is whatever the others leave.
SIDES := e2e browser labs models rest storage moto programs
browser := tests/browser
e2e := tests/e2e tests/lifecycle_config tests/docs tests/benchmarks
labs := tests/lab_helpers/instructor/reset tests/lab_helpers/cli tests/lab_helpers/instance tests/lab_helpers/runner \
  $(sort $(wildcard tests/lab_helpers/test_*.py)) tests/cfn
programs := tests/notebooks/test_serving_program.py tests/notebooks/test_training_program.py
models := tests/notebooks $(addprefix --ignore=,$(programs)) tests/local_account/services/sagemaker
storage := tests/local_account/services/s3 tests/local_account/services/logs \
  $(sort $(wildcard tests/local_account/test_*.py))
moto := tests/local_account/moto_backend
rest := tests $(addprefix --ignore=,$(filter-out --ignore=%,$(e2e) $(browser) $(labs) $(models) $(storage) $(moto)))
# What is quick is mostly in `rest`, so `make check` divides it once more.
QUICK_SIDES := services others storage labs models moto programs e2e
services := tests/local_account/services \
  $(addprefix --ignore=,$(filter tests/local_account/services/%,$(models) $(storage)))
others := $(rest) --ignore=tests/local_account/services
QUICK := not docker and not e2e and not slow
# Each line begins with its side; sed passes on whole lines only, so that the sides' progress does not mix.
SIDE = | sed --unbuffered 's/^/$*	/'
.PHONY: help lab run html test record check lowest fuzz lint security format bench up down reset status clean pr bootstrap

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

lab:  ## open a lab of your own in JupyterLab; again, it takes up where it was
	@.ci/bootstrap --engine
	@$(PYTHON) -m lab_helpers local lab $(ARGS)

run:  ## run the whole workshop on this machine: engine, local account, stacks, all notebooks
	@.ci/bootstrap --engine
	@$(PYTHON) -m lab_helpers local run $(ARGS)

html: bootstrap  ## write the notebooks as pages for reading along: .local/html (ARGS=runs/…: with the outputs of this run)
	@$(PYTHON) -m lab_helpers pages $(ARGS)

up: bootstrap  ## start the local account in the background
	@$(PYTHON) -m lab_helpers local up $(ARGS)

status: bootstrap  ## show what is running in the local account
	@$(PYTHON) -m lab_helpers local status $(ARGS) || [ $$? = 1 ]  # 1: nothing is running, which it says

down: bootstrap  ## stop the local account and everything that it started; its state is kept
	@$(PYTHON) -m lab_helpers local down $(ARGS)

reset: bootstrap  ## stop the local account and delete its state; the engine keeps its layer cache
	@$(PYTHON) -m lab_helpers local reset --yes $(ARGS)

test: $(if $(ARGS),bootstrap,browser)  ## run every test, including the notebooks end to end (ARGS=tests/cfn: only these, in one process)
ifdef ARGS
	@$(PYTHON) -m pytest $(ARGS)
else
	@$(MAKE) --no-print-directory --keep-going --jobs=4 $(SIDES:%=test-%) || { \
	  echo 'make test failed: look for FAILED and ERROR above; each line begins with the part of the tests that printed it'; \
	  exit 1; }
endif

.PHONY: browser
browser:
	@.ci/bootstrap --browser

# Otherwise make finds the folder of this name, and has nothing to do.
.PHONY: tests
tests:
	@echo 'there is no target "tests": `make test` runs them (ARGS=tests/cfn: only these)' >&2; exit 2

record: bootstrap  ## run all notebooks and take what they answer as the record (ARGS=runs/…: of a run that was)
ifdef ARGS
	@$(PYTHON) -m tests.e2e.recorded $(ARGS)
else
	@RECORD=1 $(PYTHON) -m pytest tests/e2e
endif

test-%:
	@$(PYTHON) -m pytest $(or $($*),$(error there is no side $*)) 2>&1 $(SIDE)

.PHONY: screenshots
screenshots: browser  ## take the README's screenshots again (docs/screenshots), with the browser tests that show the same
	@$(PYTHON) -m pytest tests/browser -m screenshot --screenshots $(ARGS)

check: bootstrap  ## lint, types, and the quick tests that don't need Docker; run it after each change
	@$(MAKE) --no-print-directory --keep-going --jobs=3 --output-sync=target lint $(QUICK_SIDES:%=check-%) || { \
	  echo 'make check failed: the lines above with *** say where, lint or tests (`make format` fixes layout)'; \
	  exit 1; }

# `+` exempts the tests from --output-sync: they show their progress, while lint appears in one piece.
check-%:
	+@$(PYTHON) -m pytest -m "$(QUICK)" $(or $($*),$(error there is no side $*)) 2>&1 $(SIDE)

lowest: bootstrap  ## `make check` with the lowest versions that the requirements allow
	@echo 'installing the lowest versions into .local/lowest'
	@$(PYTHON) -m venv --clear .local/lowest
	@eval "$$($(PYTHON) -m local_account.engine.package_index)"; .venv/bin/uv pip install --quiet \
	  --python .local/lowest/bin/python --resolution lowest-direct -r requirements-dev.txt
	@$(MAKE) --no-print-directory VENV=.local/lowest check

fuzz: bootstrap  ## send 100,000 hostile requests to the model container (FUZZ_SEED=7 for others, FUZZ_REQUESTS=… for fewer)
	@FUZZ_REQUESTS=$${FUZZ_REQUESTS:-100000} $(PYTHON) -m pytest tests/notebooks/base_image/test_fuzz.py $(ARGS)

lint: bootstrap  ## run ruff, mypy --strict, import-linter, codespell, cfn-lint, shellcheck
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy --strict
	$(VENV)/bin/lint-imports --no-cache
	$(VENV)/bin/codespell
	$(VENV)/bin/cfn-lint -c I -- cfn/*.yml
	$(VENV)/bin/shellcheck .ci/bootstrap .ci/run lifecycle-config/*.sh findings/*.sh

security: bootstrap  ## look at the templates with checkov, which gets an environment of its own (200 MB)
	$(VENV)/bin/uv tool run --python $(PYTHON) --from checkov==3.3.30 checkov --config-file .checkov.yaml

format: bootstrap  ## format Python and notebooks, and strip the notebooks' outputs
	$(PYTHON) -m ruff check --fix-only --quiet .
	$(PYTHON) -m ruff format .
	.venv/bin/nbstripout --keep-id notebooks/*.ipynb

bench: bootstrap  ## run the benchmarks: prints a table, writes every figure to bench.json (ARGS="--only account,api")
	@$(PYTHON) -m benchmarks $(ARGS)

pr: lint test  ## everything that a change must pass

clean: bootstrap  ## stop the local account and remove everything created here: state, runs, caches, the environment
	@$(PYTHON) -m lab_helpers local reset --yes
	rm -rf .local runs bench.json bench-*.svg bench-*.md builds.json .mypy_cache .ruff_cache .pytest_cache .hypothesis .venv

bootstrap:
	@.ci/bootstrap
