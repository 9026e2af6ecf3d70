# `make help` explains the targets. Builds go to the user's cache folder (scripts/env.sh), so that
# clones share them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
ENV := . scripts/env.sh;
GENERATED := -p chatcluster-protocol --test generated

.PHONY: help test lint generate audit

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## Run the tests (installs what is missing into the cache)
	@scripts/need rust
	$(ENV) cargo test --workspace --locked

lint: ## Check format, lints, licenses, scripts and generated files
	@scripts/need rust cargo-deny shellcheck
	$(ENV) cargo fmt --all --check
	$(ENV) cargo clippy --workspace --all-targets --locked -- -D warnings
	$(ENV) cargo deny --offline --locked check bans licenses sources
	$(ENV) shellcheck -x $$(grep -lE '^#!/usr/bin/env bash|shellcheck shell' scripts/* .ci/run)
	$(ENV) cargo test --locked $(GENERATED) --quiet

generate: ## Write the generated files anew (schemas, AsyncAPI)
	$(ENV) UPDATE_EXPECT=1 cargo test $(GENERATED) --quiet

audit: ## Check dependencies for security advisories (needs a network)
	@scripts/need rust cargo-deny
	$(ENV) cargo deny check advisories
