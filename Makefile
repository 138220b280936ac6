# `make demo` on a fresh clone is all that a newcomer needs; `make help` lists the rest.
# PYTHON=python3.12 chooses the interpreter; ARGS='...' adds options to the program that is run.

VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo loop test slow faults bench lint format clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

setup: ## the environment .venv with everything in it
	@scripts/setup.sh

demo: setup ## 5 Push-T episodes through ROS 2; results in out/demo/ (POLICY=state: no cameras)
	@$(BIN)/dp-ros demo $(if $(POLICY),--policy $(POLICY)) $(ARGS)

loop: setup ## teleoperate, record, build, audit, train, replay, run: in the cell, out/loop/
	@sh scripts/loop.sh

lint: setup ## style, types, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint ## lint, then the tests
	$(BIN)/pytest -m 'not slow and not faults' $(ARGS)

slow: setup ## the tests that take minutes, one of them on a local Ray
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt ray
	$(BIN)/pytest -m slow $(ARGS)

faults: setup ## every fault in a running rollout, about 20 minutes; writes docs/faults.md
	$(BIN)/pytest -n0 -m faults tests/faults $(ARGS)

bench: setup ## all benchmarks, about 25 minutes (ARGS=--quick: a few); writes docs/benchmarks.md
	@$(BIN)/python -m benchmarks $(ARGS)

format: setup ## rewrites the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## removes the environment, results, builds and caches
	rm -rf $(VENV) out build install log *.egg-info .mypy_cache .pytest_cache .ruff_cache
	rm -rf .hypothesis .import_linter_cache
	find dp_ros tests -name __pycache__ -prune -exec rm -rf {} +
