# Every target sets itself up: the environment is built when it is missing or older than what it is built from.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
PEERS := .venv-peers
PEERS_STAMP := $(PEERS)/.stamp
export PATH := $(CURDIR)/$(BIN):$(PATH)
PROTOS := $(wildcard proto/waypost/v1/*.proto)
SERVICES := $(wildcard proto/waypost/v1/*_service.proto)

.PHONY: demo test lint types contracts proto proto-check docs bench bench-short bench-country peers setup clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("error: Waypost needs Python 3.11 or newer; name one with: make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/waypost-hub demo

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist loadscope tests

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports

proto: $(STAMP)
	$(BIN)/python -m grpc_tools.protoc -I proto --python_out=proto --mypy_out=proto $(PROTOS)
	$(BIN)/python -m grpc_tools.protoc -I proto --grpc_python_out=proto --mypy_grpc_out=proto $(SERVICES)

proto-check: proto
	npx --yes @bufbuild/buf lint proto
	git diff --exit-code -- proto
	test -z "$$(git ls-files --others --exclude-standard -- proto)"

docs: $(STAMP)
	$(BIN)/python docs/generate.py

bench: $(STAMP) $(PEERS_STAMP)
	$(BIN)/python bench/run.py

bench-short: $(STAMP)
	$(BIN)/python bench/run.py --short

bench-country: $(STAMP)
	$(BIN)/python bench/country.py

peers: $(STAMP) $(PEERS_STAMP)
	$(BIN)/python bench/run.py psi rounds linkage

# What Waypost is compared with: into its own environment what fits there, Flower into one beside it.
$(PEERS_STAMP): $(STAMP) constraints-flower.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[peers]'
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --upgrade pip
	$(PEERS)/bin/python -m pip install --quiet -c constraints-flower.txt --group flower
	touch $(PEERS_STAMP)

clean:
	rm -rf $(VENV) $(PEERS) .mypy_cache .ruff_cache .pytest_cache .hypothesis
