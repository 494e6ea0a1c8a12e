# Two commands do all their own set-up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# torch first and by exact pin: a loose range may pull several GB of CUDA wheels.
TORCH ?= torch==2.13.0
# Spinning OpenMP threads are ten times slower when two processes share two cores.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test check bench clean

$(VENV)/.core: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(TORCH) -c constraints.txt
	$(BIN)/python -m pip install --quiet --editable . -c constraints.txt
	touch $@

$(VENV)/.dev: $(VENV)/.core
	$(BIN)/python -m pip install --quiet --editable ".[dev]" -c constraints.txt
	touch $@

demo: $(VENV)/.core  ## predict on the bundled photographs: JSON, CSV, npz and pictures under out/
	$(BIN)/metricpose predict src/metricpose/photos --out out/demo
	@echo "pictures and results: out/demo"

test: $(VENV)/.dev  ## the whole suite
	$(BIN)/python -m pytest -n 2

check: $(VENV)/.dev  ## style, types, fast tests
	$(BIN)/ruff check src tests bench examples
	$(BIN)/ruff format --check src tests bench examples
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 -m "not slow"

bench: $(VENV)/.dev  ## speed figures as JSON under out/bench
	mkdir -p out/bench
	for name in renderer backbone heads shards; do $(BIN)/python bench/$$name.py --out out/bench/$$name.json || exit 1; done
	@echo "bench/training.py needs shards: metricpose synth render, then --shards"

clean:
	rm -rf $(VENV) out build
