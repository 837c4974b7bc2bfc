# Everything that needs a virtual environment makes it: nothing has to be set up before.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# A Python from 3.10 to 3.13; the newest that is found, unless given.
PYTHON ?=
# A range: the newest release in it that pip can install.
SALT ?= salt>=3006,<3009
VENV ?= .venv
ARGS ?=

# Of `make demo` and the benchmarks.
APACHE ?=
KEEP ?=
KILL ?=
POLL ?=
SERVICE ?=
N ?= 10

export PYTHON APACHE KEEP KILL POLL SERVICE N

BIN = $(VENV)/bin
# With workers; `-n 0` in ARGS is without.
PYTEST = $(BIN)/python -m pytest -n auto
# What pytest and Salt have compiled once is kept.
unexport PYTHONDONTWRITEBYTECODE
SLS = $(shell find reactor salt tests -name '*.sls' -o -name '*.jinja')
YAML = $(shell find master.d salt docs/monitoring -name '*.yaml' -o -name '*.conf' -o -name '*.yml') .pre-commit-config.yaml

.PHONY: help
help:  ## Show this.
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

.PHONY: venv
venv:  ## Make the virtual environment; quick when it is up to date.
	@.ci/venv $(VENV) '$(SALT)' 'tests lint'

.PHONY: lint
lint: venv  ## ruff, mypy, salt-lint, yamllint.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy _engines/_dynatrace
	$(BIN)/salt-lint $(SLS)
	$(BIN)/yamllint --strict $(YAML)

.PHONY: test
test: tools venv  ## All checks and tests with the newest Salt; ARGS='-k name' chooses.
	@nice $(MAKE) --no-print-directory lint & lint=$$!; \
	status=0; $(PYTEST) $(ARGS) </dev/null || status=$$?; \
	wait $$lint || { echo "make lint failed: see above." >&2; exit 1; }; \
	exit $$status

.PHONY: unit
unit: venv  ## The tests that need nothing but Python; ARGS='-k name' chooses.
	@APART=0 $(PYTEST) -n logical -p no:schemathesis -p no:anyio tests/unit $(ARGS) </dev/null

.PHONY: functional
functional: tools venv  ## The tests with a simulated tenant, an apache2, a systemd.
	@$(PYTEST) tests/functional tests/fuzz tests/harness $(ARGS) </dev/null

.PHONY: integration
integration: tools venv  ## The tests with Salt's own daemons.
	@$(PYTEST) tests/integration $(ARGS) </dev/null

.PHONY: test-full
test-full: tools lint  ## All tests at full length, with Salt 3006, 3007 and 3008 each.
	@.ci/test-full $(ARGS)

.PHONY: demo
demo: tools venv  ## Watch a real apache2 fail and be healed. SERVICE=nginx, TENANT=platform, POLL=1, KILL=1, KEEP=1, APACHE=mine.
	@$(BIN)/python -m tests.demo

.PHONY: pictures
pictures: root tools venv  ## Draw the pictures: of the tutorial from a run of the demo, and of the status page.
	@rm -f docs/images/demo.txt
	@TRANSCRIPT=docs/images/demo.txt $(BIN)/python -m tests.demo
	@$(BIN)/python -m tests.demo.draw docs/images
	@PYTHONPATH=_engines $(BIN)/python -m tests.functional.page.picture docs/images/status.webp

.PHONY: bench-heal
bench-heal: root tools venv  ## Time from notification to serving, against the bare hook. N=10, KILL=1.
	@$(BIN)/python -m tests.bench.bench_heal

.PHONY: bench-webhook
bench-webhook: venv  ## Notifications a second, and that none is lost.
	@$(BIN)/python -m tests.bench.bench_webhook $(ARGS)

.PHONY: bench-page
bench-page: venv  ## What the status page costs, with 1,000 problems and ten pages that are open.
	@$(BIN)/python -m tests.bench.bench_page $(ARGS)

.PHONY: bench-crowd
bench-crowd: venv  ## Thousands of problems, slow tenants, 10,000 minions. ARGS='--only b --problems 1000'.
	@$(BIN)/python -m tests.bench.bench_crowd $(ARGS)

.PHONY: bench-bus
bench-bus: venv  ## What an event costs that is fired or heard, beside Salt's own way. ARGS='--count 3000'.
	@$(BIN)/python -m tests.bench.bench_bus $(ARGS)

.PHONY: bench-metrics
bench-metrics: venv  ## What a scrape costs with 10,000 open problems. ARGS='--remedies 100'.
	@$(BIN)/python -m tests.bench.bench_metrics $(ARGS)

# What tests and demo call; Salt's grains and services need it too. What cannot be had is named, and left out.
TOOLS = procps iproute2
# A repository for gitfs; what the tests break, and the machines with systemd that they break it in.
test functional integration test-full: TOOLS += git apache2 systemd dbus util-linux openssl
# The services that are healed by a remedy of two lines, or by the catalogue's.
SERVICES = nginx-light redis-server memcached php-fpm postgresql default-jdk-headless haproxy tomcat10 rabbitmq-server
# Their containers need no registry: the image is busybox.
SERVICES += docker.io podman busybox-static
test functional test-full: TOOLS += $(SERVICES)
test-full: TOOLS += mariadb-server
# What reads the metrics, and what shows the page.
test functional test-full: TOOLS += prometheus
test functional test-full pictures: TOOLS += chromium chromium-driver

.PHONY: tools
tools:
	@.ci/packages --wanted $(TOOLS)

# Said before anything is set up.
.PHONY: root
root:
	@[ "$$(id -u)" = 0 ] || { echo "This installs and restarts apache2, so it needs root. Run: sudo make $(MAKECMDGOALS) $(MAKEOVERRIDES)"; exit 1; }

.PHONY: fuzz
fuzz: venv  ## Fuzz the parsers of notifications and answers, five minutes each.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris
	@$(BIN)/python -m tests.fuzz --seconds 300

.PHONY: clean
clean:  ## Remove the environments and what tools left.
	rm -rf .venv .venv-3006 .venv-3007 .venv-3008 build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
