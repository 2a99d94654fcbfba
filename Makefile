# Each target does all of its own set-up: on a fresh machine, Python 3.11 or newer is enough.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-gpu test-oldest test-ray test-wheel release site bench check format clean

demo: .venv/.ready
	$(BIN)/datastill demo

test: .venv/.ready
	$(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test-oldest: .oldest/.ready
	.oldest/bin/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test-gpu: .venv/.ready
	DATASTILL_TEST_GPU=1 $(BIN)/pytest -m gpu tests/test_on_a_gpu.py

test-ray: .venv/.ready
	$(BIN)/pytest -m ray tests/test_ray.py tests/test_ray_away.py tests/test_ray_joined.py

test-wheel: .venv/.release
	$(BIN)/pytest -m wheel tests/test_wheel.py

release: .venv/.release
	scripts/release

# Into site/, of docs/ and of what the program says of itself.
site: .venv/.site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	$(BIN)/pytest -m site tests/test_site.py

bench: .venv/.ready
	$(BIN)/python benchmarks/time_to_quality.py

check: .venv/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright

format: .venv/.ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.venv/.ready: constraints.txt
.oldest/.ready: constraints-oldest.txt
.oldest/.ready: PYTHON := python3.11

%/.ready: pyproject.toml
	$(PYTHON) -m venv $*
	$*/bin/pip install --quiet --disable-pip-version-check --constraint $(filter constraints%,$^) --editable '.[dev]'
	touch $@

.venv/.release: .venv/.ready
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,release]'
	touch $@

# What only the site needs.
.venv/.site: .venv/.ready
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf .venv .oldest demo dist site
