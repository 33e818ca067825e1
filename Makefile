# Every target sets up what it needs in .venv; a second call finds it there.
# PYTHON=python3.12 picks an interpreter; by default the first one found that is 3.11 or newer.

SHELL := /bin/bash
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$p" && break; done)

# compiled code is kept: tests start a dozen interpreters, and a second run starts sooner
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
CORE := $(VENV)/.core-installed
FULL := $(VENV)/.full-installed
DOCS := $(VENV)/.docs-installed
RELEASE := $(VENV)/.release-installed
WEB := $(VENV)/.web-installed
SCENES ?= benchmarks/scenes.json
MINUTES ?= 5
SEED ?= 0

PAGE := src/allfocus/studio/assets/page.js

.PHONY: demo test test-fast check format studio wheel sdist docs man fuzz bench evaluate pictures train-smoke clean

demo: $(CORE)  ## fuse the focal stack that ships with the package
	$(BIN)/allfocus demo

test: $(FULL) page-if-possible  ## every test that needs no accelerator
	$(BIN)/python -m pytest -n 2

test-fast: $(FULL)  ## a first answer within a minute: all but the slow tests and those of training
	$(BIN)/python -m pytest -n 2 -m "not slow and not gpu" --ignore=tests/train

check: $(FULL)  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict src
	$(BIN)/lint-imports

format: $(FULL)  ## put the code into the form that check asks for
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

fuzz: $(FULL)  ## changed copies of small files of every format: make fuzz MINUTES=5 SEED=0
	PYTHONPATH=tests $(BIN)/python -m fuzz --minutes $(MINUTES) --seed $(SEED)
studio: $(PAGE)  ## build the page, which needs Node.js; in a terminal open it too: make studio STACK=folder/
	@if [ -t 0 ] && [ -t 1 ]; then $(MAKE) --silent --no-print-directory $(WEB) && $(BIN)/allfocus studio $(STACK); \
	else echo "the page is built; allfocus studio opens it"; fi

wheel sdist: $(RELEASE) $(PAGE)  ## a wheel that holds the page, and works without Node.js; the sources: twice the same bytes
	$(BIN)/python release/sbom.py build/sbom
	export SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || echo 1577836800) ALLFOCUS_RELEASE=1; \
	$(BIN)/python -m hatchling build -d dist -t $@
	$(BIN)/twine check --strict dist/allfocus-$$($(BIN)/python -m hatchling version)*.$(if $(filter wheel,$@),whl,tar.gz)

docs: $(DOCS)  ## the site, in build/site: no warning, no dead link, no figure that was not measured
	$(BIN)/python docs/make_figures.py --check
	$(BIN)/python docs/make_site.py
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/zensical build --strict --clean

man: $(CORE)  ## the man page, build/allfocus.1
	$(BIN)/python docs/make_commands.py --man

.PHONY: page-if-possible
page-if-possible:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(PAGE); \
	else echo "npm is not installed: the page is not built, and its tests are skipped" >&2; fi

web/node_modules/.installed: web/package.json web/package-lock.json
	@command -v npm >/dev/null || { echo "npm is not installed: the page needs Node.js to be built" >&2; exit 1; }
	cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(PAGE): web/node_modules/.installed web/build.mjs web/tsconfig.json $(wildcard web/src/*)
	cd web && npm run --silent check && npm run --silent build

bench: $(FULL)  ## how fast, how much memory, and how both grow: some minutes
	$(BIN)/python benchmarks/speed -o benchmarks/results
	$(BIN)/python benchmarks/speed/page.py -o benchmarks/results

evaluate: $(CORE)  ## quality on the demo's scene, or on yours: make evaluate SCENES=path/to/scenes.json
	$(BIN)/allfocus evaluate $(SCENES) -o report

pictures: $(CORE)  ## what the demo shows, as the pictures in README and docs
	$(BIN)/allfocus demo -o build/demo
	for name in before_after index_map; do $(BIN)/python -c "import sys; from PIL import Image; \
		Image.open(f'build/demo/{sys.argv[1]}.png').save(f'docs/images/{sys.argv[1]}.webp', quality=88, method=6)" \
		$$name || exit 1; done

train-smoke: $(FULL)  ## a one-minute training on the CPU, on photos that scikit-image ships
	mkdir -p runs
	data=$$($(BIN)/python -c 'import pathlib, skimage; print(pathlib.Path(skimage.__file__).parent / "data")') && \
	$(BIN)/allfocus train "$$data"/{astronaut,chelsea,coffee}.png \
		-o runs/smoke.onnx --recipe recipes/smoke.toml --device cpu

clean:
	rm -rf $(VENV) web/node_modules src/allfocus/studio/assets build dist allfocus-demo report runs .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "allfocus needs Python 3.11 or newer: install it, or name it with make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(CORE): $(BIN)/python pyproject.toml constraints.txt
	$(PIP) -e .
	@touch $@

$(FULL): $(BIN)/python pyproject.toml constraints.txt
	$(PIP) -e ".[train,microscopy,dev]"
	@touch $(CORE) $@

$(DOCS) $(RELEASE) $(WEB): $(VENV)/.%-installed: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) -e ".[$*]"
	@touch $(CORE) $@
