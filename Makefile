# What people and the CI start. The logic lives in xtask.

XTASK := cargo run -q -p xtask --
PYTHON_TOOLS := target/tools/venv/bin
export MYPY_CACHE_DIR := target/tools/mypy-cache
export RUFF_CACHE_DIR := target/tools/ruff-cache

.PHONY: run test test-rust test-shuttle crash fuzz lint lint-rust lint-house lint-python fmt bench tools

run:
	cargo run --release -p meshmemo-server --bin meshmemo -- serve $(ARGS)

test: test-rust test-shuttle

test-rust: tools
	cargo test --workspace --all-features

# All interleavings of the threads that a scheduler of its own can think of.
test-shuttle:
	CARGO_TARGET_DIR=target/shuttle RUSTFLAGS="--cfg shuttle" cargo test -p meshmemo --test shuttle --release

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

fmt:
	cargo fmt --all

bench:
	$(XTASK) tools --bench
	cargo bench --workspace

# Installs into target/tools what the tests and the lints start.
tools:
	$(XTASK) tools
