# Everything a contributor runs. `make` alone lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
.SILENT:
.PHONY: help demo test soak simulation generate lint deny reproducible assets clean tools tools-keycloak

# $(call need,PROGRAM,HOW TO INSTALL IT): collects what is missing, so that one run names it all.
need = command -v $(1) >/dev/null || missing+=$$'\n'"  $(1): $(2)"
verdict = [[ -z "$${missing}" ]] || { printf '%s\n' "Missing on this machine:$${missing}" >&2; exit 1; }

help:       ## list the targets
	awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: tools ## show the controller at work: a real API server, a provider, tokens that live a minute
	tests/assets/kubernetes.sh >/dev/null
	# One build of both programs, started directly: `cargo run --package` would choose other features of their common
	# dependencies, and compile all of those a second time.
	cargo build --release --locked --workspace --bins
	"$${CARGO_TARGET_DIR:-target}/release/demo"

test: assets ## all tests: units, the test kit, and the stories on a real API server and a real Keycloak
	cargo test --locked --workspace

soak: tools ## an hour's work in a quarter of one, with faults; DURATION=15m SEED=… TOKENSOURCES=200
	tests/assets/kubernetes.sh >/dev/null
	DURATION="$${DURATION:-15m}" cargo test --locked --workspace --test soak

simulation: ## a million TokenSources on virtual time, and pictures of it in docs/pictures; SEED=1 TOKENSOURCES=1000000
	# In a release build, and one after the other: each takes up to 3 GB.
	SEED="$${SEED:-1}" TOKENSOURCES="$${TOKENSOURCES:-1000000}" PICTURES="$(CURDIR)/docs/pictures" \
		cargo test --release --locked --test simulation -- --nocapture --test-threads=1

generate: tools ## write crds/ anew from src/api, and the chart's copies of crds/ and deploy/
	.ci/generate

lint:       ## formatting, clippy, rustdoc; every warning is an error
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --locked --workspace --no-deps

deny:       ## licences, bans and sources of the dependencies
	missing=
	$(call need,cargo-deny,cargo install --locked cargo-deny)
	$(verdict)
	# Without `advisories`, whose database is a download of its own: `cargo deny check advisories` where that is possible.
	cargo deny --locked check licenses bans sources

reproducible: tools ## build the release binary twice, in different places, and compare: 5 to 10 minutes
	.ci/reproducible

assets: tools tools-keycloak ## build the Kubernetes programs and helm, fetch Keycloak and Prometheus, once: about 15 minutes
	tests/assets/kubernetes.sh >/dev/null
	tests/assets/helm.sh >/dev/null
	tests/assets/keycloak.sh >/dev/null
	tests/assets/prometheus.sh >/dev/null

clean:      ## delete what was built; .assets, which takes 15 minutes to make, stays
	cargo clean
	echo "To delete the Kubernetes programs, helm and Keycloak as well: rm -rf .assets"

tools:
	missing=
	$(call need,cargo,install rustup (https://rustup.rs) and then run: rustup default stable)
	$(call need,cc,apt-get install build-essential)
	$(call need,git,apt-get install git)
	$(call need,go,apt-get install golang-go (1.21 or newer; it fetches the version that is needed))
	$(call need,setpriv,apt-get install util-linux)
	$(verdict)

tools-keycloak:
	missing=
	$(call need,java,apt-get install default-jre-headless (17 or newer))
	$(call need,mvn,apt-get install maven)
	$(verdict)
