# Everything a person, or the gate, runs. `make demo` and `make test` install what they need first.

SONG ?=
DATA ?=
EVAL ?=
OUT ?= demo-out
ROUNDS ?= 100
SEED ?= 1
JOBS ?= 10000
PLOT ?= soak.png
CARGO := cargo

.PHONY: demo test lint fmt bench eval build setup man deb reference torture powercut diskfull soak

demo: setup ## Separate a song (SONG=path) through a daemon in a private folder; stems and a picture land in demo-out/
	$(CARGO) build --release --workspace --bins
	tests/with-daemon.sh tests/demo.sh "$(OUT)" "$(SONG)"

test: setup ## Every test: units, then the real programs end to end
	$(CARGO) build --workspace --bins
	$(CARGO) test --workspace --no-fail-fast

lint: setup ## Formatting and lints, warnings refused
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

fmt: ## Format the code
	$(CARGO) fmt --all

bench: setup ## Speed, memory and latency of the real programs, as a table
	$(CARGO) build --release --workspace --bins
	$(CARGO) build --release -p harmonix-htdemucs --example against_reference
	target/release/harmonix-bench

eval: setup ## Separation quality over a folder of songs: make eval DATA=folder
	$(CARGO) build --release --workspace --bins
	@test -n "$(DATA)" || { echo "usage: make eval DATA=folder-of-songs" >&2; exit 2; }
	HARMONIX_LOG=error tests/with-daemon.sh harmonix-eval "$(DATA)" $(EVAL)

build: setup ## Release build of the three programs
	$(CARGO) build --release -p harmonixd -p harmonixctl -p harmonix-worker

setup: ## Install what the machine lacks (as root, on Debian), or say what that is
	tests/setup.sh

man: build ## Man pages, shell completions and the example configuration in target/release/share
	systemd/share.sh target/release

deb: ## The Debian package, in target/debian
	HARMONIX_PACKAGE=1 $(MAKE) man
	mkdir -p target/debian
	systemd/package.py target/release target/debian

reference: setup ## The reference implementation in Python, for `make bench` (5 GB; HARMONIX_REFERENCE=~/.cache/harmonix/reference/bin/python)
	test -x "$${XDG_CACHE_HOME:-$$HOME/.cache}/harmonix/reference/bin/python" || python3 -m venv "$${XDG_CACHE_HOME:-$$HOME/.cache}/harmonix/reference"
	"$${XDG_CACHE_HOME:-$$HOME/.cache}/harmonix/reference/bin/pip" install --quiet torch==2.13.0 demucs==4.1.0 soundfile

torture: setup ## kill -9 at random under clients that do everything at random: make torture ROUNDS=1000 SEED=1
	$(CARGO) build --workspace --bins
	$${CARGO_TARGET_DIR:-target}/debug/harmonix-torture kill --rounds $(ROUNDS) --seed $(SEED)

powercut: setup ## The same with power cuts (needs root): make powercut ROUNDS=100
	$(CARGO) build --workspace --bins
	$${CARGO_TARGET_DIR:-target}/debug/harmonix-torture power --rounds $(ROUNDS) --seed $(SEED)

diskfull: setup ## A full disk in every stage and at every page (needs root)
	$(CARGO) build --workspace --bins
	$${CARGO_TARGET_DIR:-target}/debug/harmonix-torture full

soak: setup ## Thousands of small jobs through one daemon, with a picture: make soak JOBS=10000 PLOT=soak.png
	$(CARGO) build --release --workspace --bins
	$${CARGO_TARGET_DIR:-target}/release/harmonix-torture soak --jobs $(JOBS) --plot $(PLOT)
