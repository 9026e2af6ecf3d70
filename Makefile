# `make help` explains the targets. Builds go to the user's cache folder (scripts/env.sh), so that
# clones share them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
ENV := . scripts/env.sh;
GENERATED := -p chatcluster-protocol -p chatcluster-crds -p chatcluster-messages -p chatcluster-gateway --test generated

.PHONY: help demo test conformance images e2e e2e-full sim crash fuzz bench footprint lint generate audit

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Start a ChatCluster on this machine and watch a conversation
	@scripts/need rust redis
	@$(ENV) say "building (the first time takes some minutes)"; cargo build --workspace --bins --locked --quiet
	@scripts/demo

test: ## Run the tests (installs what is missing, says so)
	@scripts/need rust node python redis erlang chromium kubernetes
	$(ENV) cargo test --workspace --locked
	$(ENV) scripts/schemathesis
	$(ENV) scripts/conformance
	scripts/test-javascript

conformance: ## Run the Autobahn cases against the gateway's WebSocket (part of `make test`)
	@scripts/need rust python
	$(ENV) scripts/conformance

images: ## Write the container images as OCI archives, without Docker (scripts/images has settings)
	@scripts/need rust
	@scripts/images

e2e: ## Try ChatCluster on a Kubernetes of three nodes on this machine (needs root), or on that of E2E_KUBECONFIG
	@scripts/e2e

e2e-full: ## The same with dying nodes and mistakes that people make
	@scripts/e2e full

sim: ## Play whole fleets from seeds, in one thread each (SEEDS=n; SEED=x tells what happened; BUGS=1 looks for planted bugs)
	@scripts/need rust
	$(ENV) cargo run --locked --quiet -p chatcluster-simulation $(if $(BUGS),--features planted) -- $(if $(BUGS),--bugs,$(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),300)))

crash: ## Kill database nodes in every way while services write to them (ROUNDS=n, 60; BUGS=1: with services to which one replica is enough, which has to go wrong)
	@scripts/need rust erlang
	$(ENV) cargo run --locked --quiet -p chatcluster-crash $(if $(BUGS),--features planted) -- --rounds $(or $(ROUNDS),$(if $(BUGS),3,60)) $(if $(BUGS),--one-replica --fault empty-disk --patience 20)

fuzz: ## Feed the decoders and a session with whatever breaks them (SECONDS=n for each target, 60)
	@scripts/need rust cargo-fuzz
	@scripts/fuzz $(or $(SECONDS),60) $(TARGET)

bench: ## Measure the shipped programs against floors of the same run, and beside other servers
	@scripts/need rust redis erlang peers
	$(ENV) cargo build --workspace --bins --locked --release
	$(ENV) $$CARGO_TARGET_DIR/release/chatcluster-bench

footprint: ## Measure the operator beside 500 ChatClusters and 20,000 objects of others (20 minutes)
	@scripts/need rust redis kubernetes
	$(ENV) cargo build --locked --release -p chatcluster-operator -p chatcluster-bench
	$(ENV) $$CARGO_TARGET_DIR/release/chatcluster-bench footprint

lint: ## Check format, lints, licenses, scripts and generated files
	@scripts/need rust cargo-deny shellcheck
	$(ENV) cargo fmt --all --check
	$(ENV) cargo clippy --workspace --all-targets --locked -- -D warnings
	@# cargo-deny reads the manifests of all platforms' crates, so all have to be here.
	$(ENV) cargo fetch --locked --quiet
	$(ENV) cargo deny --offline --locked check bans licenses sources
	$(ENV) shellcheck -x $$(grep -lE '^#!/usr/bin/env bash|shellcheck shell' scripts/* .ci/run)
	$(ENV) cargo test --locked $(GENERATED) --quiet

generate: ## Write the generated files anew (schemas, AsyncAPI, OpenAPI, CRD and its reference, README of the chart)
	$(ENV) UPDATE_EXPECT=1 cargo test $(GENERATED) --quiet

audit: ## Check dependencies for security advisories (needs a network)
	@scripts/need rust cargo-deny
	$(ENV) cargo deny check advisories
