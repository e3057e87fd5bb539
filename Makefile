# The same targets for a person, a pre-commit hook and .ci/run. Each sets itself up; a second call re-uses it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

DIST_VENV := $(VENV)-dist

.PHONY: setup fix check test demo docs dist bench clean
setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "pennyweight needs Python 3.11 or newer: try make PYTHON=python3.12 …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,dev]'
	touch $@

fix: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(READY)
	$(BIN)/pytest $(if $(ALL),,-m 'not slow')

# The best reader of handwritten digits for a chip of ten cents, 16 KiB of flash, 2 KiB of RAM; then in int8, as C, on a
# virtual micro:bit. Its compiler and emulator (the extra `boards`) are among what the tests need, so setup brings them.
demo: $(READY)
	$(BIN)/pennyweight search digits --board ch32v003 --minutes 2 --emulate microbit-v1

# The site, in site/. A link that leads nowhere fails.
docs: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	$(BIN)/mkdocs build --quiet

# The source distribution and the wheel, in dist/; the wheel is installed in an empty environment and does the demo's job.
dist: $(READY)
	rm -rf dist $(DIST_VENV)
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m venv $(DIST_VENV)
	$(DIST_VENV)/bin/python -m pip install --quiet --constraint constraints.txt dist/*.whl
	cd dist && ../$(DIST_VENV)/bin/pennyweight search digits --board ch32v003 --minutes 0.3
	rm -rf $(DIST_VENV)

# Long: trains on real data against peers, and needs the extra `bench`. The originals' tables: bench/originals.py.
bench: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	for claim in costing training_speed mnist cifar10 diagnosis report; do $(BIN)/python bench/$$claim.py || exit 1; done

clean:
	rm -rf $(VENV) $(DIST_VENV) dist site .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
