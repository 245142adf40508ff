# Everything a person or a machine runs. Needs only Python 3.11+ (with venv), git and make.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv, ensurepip; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Many tests wait for a fleet most of their time: one more of them than there are cores.
JOBS ?= $(shell expr $$(nproc) + 1)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test check lint bench faults observe parts docs dist clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

$(STAMP): setup.cfg pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv was not found; install it (Debian: apt install python3-venv) or run make PYTHON=/path/to/python3"; exit 3; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@

demo: $(STAMP)  ## database, simulator and fleet, live; ends by itself without a terminal
	@$(BIN)/noggin-mp demo $(ARGS)

test: $(STAMP) parts  ## the whole suite on real parts; NOGGIN_TEST_DSN points it at another server
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

lint: $(STAMP)  ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/lint-imports --config setup.cfg

check: lint test  ## lint, then the whole suite

$(VENV)/.bench: $(STAMP)
	@$(BIN)/python -m pip install --quiet -e '.[bench]'
	@touch $@

bench: $(VENV)/.bench  ## the promises of speed and behaviour, measured; ARGS=--quick for three minutes
	@$(BIN)/python -m tests.benchmarks $(ARGS)

faults: $(STAMP)  ## kills, freezes and crashes at length, with figures; ARGS="rounds --rounds 100", ARGS=supervision
	@$(BIN)/python -m tests.faults $(ARGS)

observe: $(VENV)/.bench parts  ## dashboards and alerts against a real Prometheus and a fleet in trouble; ARGS=--short
	@$(BIN)/python -m tests.observability $(ARGS)

parts: $(STAMP)  ## fetch what tests need of Debian (Prometheus, Alertmanager, PgBouncer) into .venv/parts
	@$(BIN)/python -m tests.support.parts || true

docs: $(STAMP)  ## write the generated pages again: command line, configuration, schema, dashboards
	@$(BIN)/python -m tests.support.cli_reference > docs/reference/cli.md.new
	@mv docs/reference/cli.md.new docs/reference/cli.md
	@$(BIN)/noggin-mp config schema --markdown > docs/reference/configuration.md.new
	@mv docs/reference/configuration.md.new docs/reference/configuration.md
	@$(BIN)/python -m tests.support.schema_dump
	@$(BIN)/python -m grafana.generator

dist: $(STAMP)  ## the wheel and the source archive, in dist/
	@rm -rf build dist
	@$(BIN)/python -m build --outdir dist . >/dev/null

clean:  ## remove the environment, builds and a demo's data (stops its database first)
	@if [ -x $(BIN)/noggin-mp ] && [ -e var/state/demo.json ]; then $(BIN)/noggin-mp db stop -q && rm -rf var; fi
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache
