# `make train` and `make test` need nothing but Python 3.11 or newer, pip and make.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder
SLOW = $(shell grep -rlE 'mark\.slow|import kinds' tests --include='test_*.py')

.PHONY: train test soak lint type format clean

train: $(READY)  ## a trained GAN on real handwritten digits, in about two minutes
	$(BIN)/gan-train $(ARGS)

test: $(READY)  ## the whole suite
	$(PYTEST) $(ARGS)

soak: $(READY)  ## the long half of it: a thousand kills, every field of every option, SLURM's clock; about an hour
	$(PYTEST) --slow --kills 1000 $(ARGS) $(SLOW)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(READY)
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Built once from the lock; rebuilt when the lock or the package's metadata change.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; choose one with: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --requirement requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf .venv build dist
