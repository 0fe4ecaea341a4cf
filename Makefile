# What people and the CI start. The logic lives in xtask.

XTASK := cargo run -q -p xtask --
PYTHON_TOOLS := target/tools/venv/bin
PACKAGE := crates/meshmemo-python
PACKAGE_TOOLS := $(CURDIR)/target/tools/package/bin
export MYPY_CACHE_DIR := $(CURDIR)/target/tools/mypy-cache
export RUFF_CACHE_DIR := $(CURDIR)/target/tools/ruff-cache

.PHONY: run test test-rust test-shuttle test-python crash fuzz lint lint-rust lint-house lint-python fmt bench tools

run:
	cargo run --release -p meshmemo-server --bin meshmemo -- serve $(ARGS)

test: test-rust test-shuttle test-python

test-rust: tools
	cargo test --workspace --all-features

# All interleavings of the threads that a scheduler of its own can think of.
test-shuttle:
	CARGO_TARGET_DIR=target/shuttle RUSTFLAGS="--cfg shuttle" cargo test -p meshmemo --test shuttle --release

# From a wheel that is built and installed, not from the sources.
test-python: tools
	$(XTASK) package

# Kills a process that writes to the disk tier, 2,000 times.
crash:
	MESHMEMO_CRASH_ROUNDS=2000 cargo test --release -p meshmemo-tiers --test crash

# Feeds the reader of stored entries with garbage, for a minute; needs a nightly toolchain.
fuzz:
	$(XTASK) fuzz

lint: lint-rust lint-house lint-python

lint-rust:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings

lint-house:
	$(XTASK) tidy
	$(XTASK) deny

lint-python: tools
	$(PYTHON_TOOLS)/ruff check tests/tools && $(PYTHON_TOOLS)/ruff format --check tests/tools
	$(PYTHON_TOOLS)/mypy --strict tests/tools && $(PYTHON_TOOLS)/pyright --pythonpath $(PYTHON_TOOLS)/python tests/tools
	$(PYTHON_TOOLS)/ruff check $(PACKAGE) && $(PYTHON_TOOLS)/ruff format --check $(PACKAGE)
	$(PYTHON_TOOLS)/ruff check --config $(PACKAGE)/pyproject.toml examples/python examples/cluster
	$(PYTHON_TOOLS)/ruff format --config $(PACKAGE)/pyproject.toml --check examples/python examples/cluster
	cd $(PACKAGE) && MYPYPATH=python $(PACKAGE_TOOLS)/mypy python/meshmemo && $(PACKAGE_TOOLS)/pyright --pythonpath $(PACKAGE_TOOLS)/python --project .

fmt:
	cargo fmt --all

bench:
	$(XTASK) tools --bench
	cargo bench --workspace
	$(XTASK) package --bench

# Installs into target/tools what the tests and the lints start.
tools:
	$(XTASK) tools
