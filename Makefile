# Everything a person, or the gate, runs. `make demo` and `make test` install what they need first.

SONG ?=
DATA ?=
EVAL ?=
OUT ?= demo-out
CARGO := cargo

.PHONY: demo test lint fmt bench eval build setup man reference

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
	target/release/harmonix-bench

eval: setup ## Separation quality over a folder of songs: make eval DATA=folder
	$(CARGO) build --release --workspace --bins
	@test -n "$(DATA)" || { echo "usage: make eval DATA=folder-of-songs" >&2; exit 2; }
	HARMONIX_LOG=error tests/with-daemon.sh harmonix-eval "$(DATA)" $(EVAL)

build: setup ## Release build of the three programs
	$(CARGO) build --release -p harmonixd -p harmonixctl -p harmonix-worker

setup: ## Install what the machine lacks (as root, on Debian), or say what that is
	tests/setup.sh

man: build ## Man pages and shell completions in target/man and target/completions
	mkdir -p target/man target/completions
	target/release/harmonixctl man target/man
	target/release/harmonixd --man target/man
	for shell in bash zsh fish; do target/release/harmonixctl completions $$shell > target/completions/harmonixctl.$$shell; done

reference: setup ## The reference implementation in Python, for `make bench` (5 GB; HARMONIX_REFERENCE=~/.cache/harmonix/reference/bin/python)
	test -x "$${XDG_CACHE_HOME:-$$HOME/.cache}/harmonix/reference/bin/python" || python3 -m venv "$${XDG_CACHE_HOME:-$$HOME/.cache}/harmonix/reference"
	"$${XDG_CACHE_HOME:-$$HOME/.cache}/harmonix/reference/bin/pip" install --quiet torch==2.13.0 demucs==4.1.0 soundfile
