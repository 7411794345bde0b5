# `make help` lists the targets. Each sets up its virtual environment on a fresh machine and is quick the second time.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
READY := $(VENV)/.ready
PYTEST := $(BIN)/pytest -n $(WORKERS)
# The tests of a file run in one process, so that what they share is made once. Long ones share little.
FAST := $(PYTEST) --dist loadfile -m "not long and not site and not wheel"

.DEFAULT_GOAL := help
.NOTPARALLEL: # the tests fill the machine by themselves
.PHONY: help venv demo test test-long check lint types coverage wheel release docs links bench fuzz reference reference-hourly format documents lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(READY) ## set up the virtual environment

# A new environment, or one whose pyproject.toml or lock has changed since. hatchling comes first, so that the package itself is
# built with the locked version instead of the newest one.
$(INSTALLED): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "gridtoll needs Python 3.11 or newer, got $$($(PYTHON) --version): run make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint requirements.lock hatchling
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --no-build-isolation --editable .
	@touch $@

# What developing takes beside that: tests, types, and other solvers to check against, half a gigabyte.
$(READY): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --no-build-isolation --editable ".[dev]"
	@touch $@

demo: $(INSTALLED) ## train on simbench-rural, evaluate on unseen days, print a table and draw a picture
	$(BIN)/gridtoll demo

test: $(READY) ## run the fast tests
	$(FAST)

test-long: $(READY) ## run the long tests
	$(PYTEST) -m long || [ $$? -eq 5 ] # pytest's exit status where no test is marked so

check: lint types coverage wheel docs ## everything CI wants of a commit: format, lint, types, tests, coverage, documents, wheel, site

lint: $(READY) ## check format and style
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: $(READY) ## check types
	$(BIN)/mypy

# The two folders that hold the economics must stay above 95% of their lines; the command line is run by its tests in processes of
# their own, which coverage does not see.
coverage: $(READY) ## run the fast tests and check what they cover
	$(FAST) --cov --cov-report=
	$(BIN)/coverage report --include="envs/*,agents/*" --fail-under=95.01

wheel: $(READY) ## build the wheel, install it elsewhere and run tests against it
	$(BIN)/pytest -m wheel

# The newest versions that the lock allows go into an environment that has nothing else, as they would for a user.
release: $(READY) ## build wheel and source archive into dist/, check them, and install the wheel into a bare environment
	rm -rf dist $(VENV)-bare
	$(BIN)/python -m build --no-isolation --outdir dist
	$(BIN)/twine check --strict dist/*
	$(PYTHON) -m venv $(VENV)-bare
	$(VENV)-bare/bin/python -m pip install --quiet --constraint requirements.lock dist/*.whl
	cd dist && $(abspath $(VENV))-bare/bin/gridtoll clear --community two-prosumers --day 0 --charge 0.05
	rm -rf $(VENV)-bare

docs: $(READY) ## build the site into build/docs, where every warning is an error, and open it in a browser
	$(BIN)/sphinx-build -b html --fail-on-warning --keep-going --quiet -d build/doctrees docs build/docs
	$(BIN)/pytest -m site

# Links within the site are checked whenever it is built. These need the internet, so neither tests nor CI wait for other people's servers.
links: $(READY) ## visit every link that leaves the site, and name those that lead nowhere; needs the internet
	$(BIN)/sphinx-build -b linkcheck --keep-going --quiet -D nb_execution_mode=off -d build/linktrees docs build/links

bench: $(READY) ## measure clearings, the environment and optima on this machine, each briefly
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/environment.py --num-envs 1 64 --turns 3
	$(BIN)/python benchmarks/optima.py --days 5

fuzz: $(READY) ## contradict random clearings and optima for about ten minutes; goes on where it was
	$(BIN)/python benchmarks/fuzz.py --jobs $(WORKERS)

# Both go on from the cells that ship; without --packed all of them are run, hours long.
reference: $(READY) ## go on with the reference comparison, resumable, and write the results that the package ships
	$(BIN)/gridtoll compare reference --packed train/reports/reference --out runs/reference --score-again
	$(BIN)/gridtoll report runs/reference --out docs/reference --pack train/reports/reference

reference-hourly: $(READY) ## the same for the game from hour to hour, gone on with from the cells that ship
	$(BIN)/gridtoll compare reference-hourly --packed train/reports/reference/hourly --out runs/reference-hourly --score-again
	$(BIN)/gridtoll report runs/reference-hourly --out docs/reference-hourly --pack train/reports/reference/hourly

format: $(READY) ## rewrite the files in the project's format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

documents: $(READY) ## draw the picture of the imports, list the learners' settings, and write what the code in README.md and docs/ prints below it
	$(BIN)/python tests/support/architecture.py
	$(BIN)/python tests/support/learner_settings.py
	$(BIN)/python tests/test_documents.py

lock: ## write requirements.lock anew from the newest versions that pyproject.toml allows
	rm -rf $(VENV)-lock
	$(PYTHON) -m venv $(VENV)-lock
	grep '^torch==' requirements.lock > $(VENV)-lock/torch.txt
	$(VENV)-lock/bin/python -m pip install --quiet --constraint $(VENV)-lock/torch.txt --editable ".[dev]"
	sed -n '/^#/p' requirements.lock > $(VENV)-lock/requirements.lock
	$(VENV)-lock/bin/python -m pip freeze --all --exclude pip --exclude gridtoll | sed 's/+cpu$$//' >> $(VENV)-lock/requirements.lock
	mv $(VENV)-lock/requirements.lock requirements.lock
	rm -rf $(VENV)-lock

clean: ## remove the environments and everything that tools left behind
	rm -rf .venv .venv-* build dist htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find envs agents train tests -name __pycache__ -type d -prune -exec rm -rf {} +
