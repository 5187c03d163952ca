# Every target does all of its own set-up; nothing else is needed but Python 3.11+ and make.
PYTHON ?= python3
BIN := .venv/bin
TRAIN_BIN := .venv-train/bin
CONFIG ?= training/configs/ferplus_backbone.toml
BACKEND ?= embedded
# nvidia-pytriton has a wheel for Linux on x86-64, and wants numpy 1, which ends with Python 3.12; elsewhere its tests skip
TRITON_PYTHON ?= $(PYTHON)
TRITON_HERE = $(shell $(TRITON_PYTHON) -c 'import platform, sys; print(".venv-triton/ready" * (sys.version_info < (3, 13) and (sys.platform, platform.machine()) == ("linux", "x86_64")))')
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help run triton cluster test test-serving test-training e2e lint proto bench lock sbom licences audit train clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 18

run: .venv/serving $(if $(filter triton,$(BACKEND)),.venv-triton/ready) ## start everything in one process; BACKEND=triton: with Triton behind it
	@exec $(BIN)/$(if $(filter triton,$(BACKEND)),python deploy/triton/together.py,mien serve all)

triton: .venv-triton/ready ## start NVIDIA's Triton alone, on model_repository/ (ports 8000-8002)
	@exec .venv-triton/bin/python deploy/triton/serve.py

cluster: .venv/serving ## start the four services as processes of their own: make cluster WITH='--triton --prometheus'
	@exec $(BIN)/python -m deploy.local $(WITH)

test: lint test-serving test-training ## install what the tests need and run them all

test-serving: .venv/dev $(TRITON_HERE) ## tests of everything but training, where torch cannot be imported
	$(BIN)/python -m pytest tests --ignore tests/training

test-training: .venv-train/dev ## tests of training (torch)
	$(TRAIN_BIN)/python -m pytest tests/training

e2e: .venv/dev .venv-triton/ready ## the end-to-end tests against four processes, Triton and Prometheus
	MIEN_TEST_CLUSTER=1 $(BIN)/python -m pytest tests/e2e

lint: .venv/dev ## format, lint, types, import rules, proto lint, drift of the generated code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd proto && ../$(BIN)/buf lint
	$(BIN)/python -m tests.proto_drift

proto: .venv/dev ## generate mien/v1 from proto/
	$(BIN)/python -m grpc_tools.protoc -Iproto --python_out=. --pyi_out=. --grpc_python_out=. proto/mien/v1/mien.proto

bench: .venv/dev ## measure the gateway against the in-process pipeline; writes the README's figures
	$(BIN)/python -m tests.load.bench --write README.md

# The images' packages, to the byte: the newest that pyproject.toml allows, for the images' Python.
LOCK := $(BIN)/uv pip compile --quiet --no-config --index-url https://pypi.org/simple --generate-hashes --upgrade \
	--python-version 3.11 --python-platform x86_64-manylinux_2_28 --custom-compile-command 'make lock'
LOCKS := deploy/requirements
lock: .venv/dev ## write deploy/requirements/*.txt, the images' packages with their hashes
	$(LOCK) pyproject.toml --extra cpu --extra tracing -o $(LOCKS)/serve.txt
	$(LOCK) pyproject.toml $(LOCKS)/serve-gpu.in --extra gpu --extra tracing -o $(LOCKS)/serve-gpu.txt
	$(LOCK) pyproject.toml --extra train -o $(LOCKS)/train.txt
	$(LOCK) $(LOCKS)/build.in -o $(LOCKS)/build.txt

# What is in the image `serve`, from an environment of exactly its packages.
sbom: .venv/dev .venv-lock/ready ## write deploy/requirements/serve.cdx.json, the bill of materials (CycloneDX)
	$(BIN)/uvx --quiet --from 'cyclonedx-bom>=7.2,<8' cyclonedx-py environment --output-reproducible --of JSON \
		-o $(LOCKS)/serve.cdx.json .venv-lock

licences: .venv/dev .venv-lock/ready ## write deploy/requirements/licences.md, and fail where a package is under a GPL
	$(BIN)/uvx --quiet --from 'pip-licenses>=5,<6' pip-licenses --python .venv-lock/bin/python --from mixed --with-urls \
		--format markdown --order license --partial-match --fail-on GPL --output-file $(LOCKS)/licences.md

audit: .venv/dev ## ask PyPI for known weaknesses of the images' packages
	$(BIN)/python -m deploy.audit

train: .venv-train/dev ## train one configuration: make train CONFIG=training/configs/ferplus_backbone.toml
	$(TRAIN_BIN)/mien train $(CONFIG)

clean: ## remove the virtual environments and caches (never runs/ or model_repository/)
	rm -rf .venv .venv-lock .venv-train .venv-triton .triton .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Mien needs Python 3.11 or newer; set PYTHON=python3.12, say")'
	$(PYTHON) -m venv .venv

.venv-train/bin/python:
	$(PYTHON) -m venv .venv-train

# Stamps: an environment is made again when its description changes.
.venv/serving: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable '.[cpu]'
	@touch $@

.venv/dev: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable '.[cpu,ray,dev]'
	@touch $@ .venv/serving

.venv-train/dev: pyproject.toml | .venv-train/bin/python
	$(TRAIN_BIN)/pip install --quiet --editable '.[train,dev]'
	@touch $@

.venv-lock/ready: $(LOCKS)/serve.txt
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --require-hashes --requirement $<
	@touch $@

.venv-triton/ready: deploy/triton/requirements.txt
	@test -n '$(TRITON_HERE)' || { echo 'Triton without a container needs Linux on x86-64 and Python 3.11 or 3.12: set TRITON_PYTHON.'; exit 1; }
	test -x .venv-triton/bin/python || $(TRITON_PYTHON) -m venv .venv-triton
	.venv-triton/bin/python -m pip install --quiet --requirement $<
	.venv-triton/bin/python -m pip install --quiet --no-deps 'nvidia-pytriton>=0.7,<0.8'
	@touch $@
