# make demo: watch e-mail arrive.  make test: every test.  make quick: unit tests.  make check: lint, types, tests.
# make bench: table of figures.  make dist: the files of a release.

# make bench: the table of figures.  make wine: unit tests on Windows's Python, under Wine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Most tests wait for something: more of them at once than the machine has cores.
WORKERS ?= 7
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo azure test quick check lint audit bench messages dictionary licences screenshots lock sbom dist chart deb clean wine

# The packages of the wheel.
PRODUCT = $(shell $(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['tool']['hatch']['build']['targets']['wheel']['packages'])")

.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/mail-importer demo

# All tests, or with T=tests/unit/... or T=tests/unit/...::name those alone, in this process.
test: $(VENV)/.installed-dev
	sh tools/system-packages.sh
ifdef T
	$(BIN)/python -m pytest $(T) $(PYTEST_ARGS)
else
	$(BIN)/python -m pytest -n $(WORKERS) --dist load --maxschedchunk 2 $(PYTEST_ARGS)
endif

# Unit tests on SQLite, without the slow ones, in a minute: for each change while working on it.
quick: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not slow" -k "not postgresql" tests/unit $(PYTEST_ARGS)

check: lint audit test

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32 $(addprefix -p ,$(PRODUCT))
	$(BIN)/lint-imports --no-cache

# Fails with a known vulnerability; without a network it says that it did not check.
audit: $(VENV)/.installed-dev
	$(BIN)/python -m tools.audit

bench: $(VENV)/.installed-bench
	$(BIN)/python -m bench

# Tests of Windows, and unit tests, on a CPython for Windows under Wine, made in .wine first. W names others.
wine: $(VENV)/.installed-dev
	sh tools/system-packages.sh wine
	$(BIN)/python -m tools.wine .wine -m pytest -p no:cacheprovider -m "not slow" -k "not postgresql" $(or $(W),tests/windows tests/unit) $(PYTEST_ARGS)

# Brings the catalogues of console/translation/locale to what the code says; translate what it names, and run it again.
messages: $(VENV)/.installed-dev
	$(BIN)/python -m tools.messages

# Brings the data dictionary of docs/gateway-database.md to what db/tables.py and db/views.py say.
dictionary: $(VENV)/.installed-dev
	$(BIN)/python -m tools.dictionary

# Brings the lists of docs/licences.md to the lock files.
licences: $(VENV)/.installed-dev
	$(BIN)/python -m tools.licences

# Compiles deploy/azure/main.bicep into azuredeploy.json, by a compiler of the subset that it uses.
azure: $(VENV)/.installed-dev
	$(BIN)/python -m tools.bicep

# Brings the parts of deploy/helm to what settings, values.yaml and deploy/monitoring say.
chart: $(VENV)/.installed-dev
	$(BIN)/python -m tools.chart

# Takes the pictures of the web console in docs/screenshots, of a demo, with Debian's chromium.
screenshots: $(VENV)/.installed-dev
	sh tools/system-packages.sh
	$(BIN)/python -m tools.screenshots

# The time that a release names: that of its commit, so that everybody builds the same bytes.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1577836800)
VERSION = $(shell $(BIN)/python -m hatchling version)

# The bill of materials, CycloneDX 1.6.
sbom: $(VENV)/.installed-dev
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(BIN)/python -m tools.sbom --version $(VERSION) --output dist/mail-importer-$(VERSION).cdx.json

# The files of a release: source distribution, wheel, lock files, bill of materials, and their checksums.
dist: $(VENV)/.installed-dev
	rm -rf dist
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(BIN)/python -m hatchling build --directory dist
	$(MAKE) sbom
	cp requirements.lock requirements-extras.lock dist
	cd dist && sha256sum mail* requirements* >SHA256SUMS

# The Debian package, for the Python of this machine's distribution: on Debian or Ubuntu, of the release that it is for.
deb: $(VENV)/.installed-dev
	rm -rf dist/deb
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(BIN)/python -m hatchling build --target wheel --directory dist/deb
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(BIN)/python -m tools.deb --wheel dist/deb/*.whl --output dist/deb

# Needs uv (pip install uv); the lock files serve every platform and Python from 3.11.
lock:
	uv pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes --no-header --quiet --output-file requirements.lock $(LOCK_ARGS)
	uv pip compile pyproject.toml --group build --all-extras --constraint requirements.lock --universal --python-version 3.11 --generate-hashes --no-header --quiet --output-file requirements-extras.lock $(LOCK_ARGS)
	uv pip compile pyproject.toml --group build --group dev --group odbc --constraint requirements-extras.lock --universal --python-version 3.11 --generate-hashes --no-header --quiet --output-file requirements-dev.lock $(LOCK_ARGS)
	uv pip compile --group pyproject.toml:bench --constraint requirements-dev.lock --universal --python-version 3.11 --generate-hashes --no-header --quiet --output-file requirements-bench.lock $(LOCK_ARGS)
	uv pip compile --group pyproject.toml:odbc --constraint requirements-dev.lock --universal --python-version 3.11 --generate-hashes --no-header --quiet --output-file deploy/odbc/requirements.lock $(LOCK_ARGS)

clean:
	rm -rf $(VENV)

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "mail-importer needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.created requirements.lock pyproject.toml
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	PYTHON=$(PYTHON) sh tools/system-packages.sh
	$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

# What only the benchmarks use, beside what they compare with.
$(VENV)/.installed-bench: $(VENV)/.installed-dev requirements-bench.lock
	$(PIP) install --require-hashes -r requirements-bench.lock
	@touch $@
