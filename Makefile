# Sleight: `make help` lists the targets. Everything is installed into ./.venv; nothing outside it but apt packages.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test test-all lint bench clean distclean

VENV := .venv/bin
# More extras for `make setup`, for instance EXTRAS=train
EXTRAS ?=
# More options for `make demo`, for instance DEMO_ARGS="--episodes 5 --object mug.obj"
DEMO_ARGS ?=
# Where `make bench` puts its figures, and which it measures
BENCH_OUT ?= results/bench
BENCH ?= sim policy ros

# Rendering without a display; a GPU driver or Mesa's software renderer, whichever is there.
export MUJOCO_GL ?= egl

help: ## List the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 20

setup: ## Install what the demo needs (system packages, .venv, ROS wheels, messages); quick when nothing changed
	@scripts/setup "$(EXTRAS)"

setup-dev: ## setup, and what training, tests and linting need
	@scripts/setup "train,arm,dev"

demo: setup ## Grasp objects through the ROS 2 graph and write results/demo/index.html
	@$(VENV)/sleight demo grasp --headless $(DEMO_ARGS)

test: setup-dev ## Run the tests, without the slow ones
	@scripts/test

test-all: ## Run all tests; the GPU engine's as well, on its CPU device
	@scripts/setup "train,arm,dev,gpu"
	@scripts/test --all

lint: setup-dev ## Check style, formatting and types
	@scripts/lint

bench: setup-dev ## Measure, as JSON files under results/bench
	@mkdir -p $(BENCH_OUT)
	@status=0; for what in $(BENCH); do \
	  $(VENV)/sleight bench $$what --json $(BENCH_OUT)/$$what.json || status=1; \
	done; exit $$status

clean: ## Remove caches and build products, not the environment and not results
	@rm -rf build install log .pytest_cache .ruff_cache .hypothesis *.egg-info
	@find . -path ./.venv -prune -o -path ./.git -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf

distclean: clean ## clean, and remove the environment
	@rm -rf .venv .setup.lock
