# Everything a contributor runs. `make` alone lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
.SILENT:
.PHONY: help demo test soak isolation bench simulation generate lint deny reproducible assets clean tools tools-keycloak tools-workloads
.PHONY: e2e tools-e2e oldest release image kind

# $(call need,PROGRAM,HOW TO INSTALL IT): collects the missing programs, so that a single run names all of them.
need = command -v $(1) >/dev/null || missing+=$$'\n'"  $(1): $(2)"
verdict = [[ -z "$${missing}" ]] || { printf '%s\n' "Missing on this machine:$${missing}" >&2; exit 1; }

help:       ## list the targets
	awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: tools ## show the controller at work: a real API server, providers, tokens that live half a minute, a failure explained
	directory=$$(tests/assets/demo.sh)
	"$${directory}/demo"

image:      ## the controller's image, with docker, podman or buildah: localhost/tokensource:dev, and as an archive in target/try-it
	.ci/image

kind:       ## a cluster on this machine (kind, minikube or k3d) with a provider, a token and a pod that uses it: docs/try-it.md
	.ci/try-it $(CLUSTER)

test: assets tools-workloads ## all tests but soak, isolation and e2e: units, the test kit, and the stories on a real API server and a real Keycloak
	cargo test --locked --workspace

oldest: tools ## the installation, the CRDs, the policy and tokens on the oldest Kubernetes that is supported
	directory=$$(tests/assets/kubernetes-oldest.sh)
	"$${directory}/kube-apiserver" --version
	export KUBEBUILDER_ASSETS=$${directory}
	cargo test --locked --workspace --test install lifecycle
	for stories in schema tenants rights issue changes; do
		cargo test --locked --workspace --test stories -- "$${stories}::"
	done

soak: tools ## short-lived tokens and all faults at the same time, for minutes; DURATION=15m SEED=… TOKENSOURCES=200
	tests/assets/kubernetes.sh >/dev/null
	DURATION="$${DURATION:-15m}" cargo test --locked --workspace --test soak

isolation: tools ## a hostile namespace beside another one; DURATION=2m SEED=… ATTACKS=deep_claims,labels or ATTACKS=each
	tests/assets/kubernetes.sh >/dev/null
	DURATION="$${DURATION:-2m}" cargo test --locked --workspace --test isolation

e2e: tools tools-keycloak tools-e2e ## as root: a real node, the image of the Dockerfile, pods that use a token; 4 minutes, the first time 10
	tests/assets/kubernetes.sh >/dev/null
	tests/assets/kubernetes.sh node >/dev/null
	tests/assets/helm.sh >/dev/null
	tests/assets/keycloak.sh >/dev/null
	cargo test --locked --workspace --test e2e

bench: tools ## what the release binary costs compared with a bare client: SIZES=100,1000,10000, about 40 minutes; SIZES=100, about 4
	tests/assets/kubernetes.sh server >/dev/null
	cargo build --release --locked --workspace --bins
	"$${CARGO_TARGET_DIR:-target}/release/bench"

simulation: ## a million TokenSources on virtual time, and pictures of it in docs/pictures; SEED=1 TOKENSOURCES=1000000
	# The simulations run in a release build, and one after the other, because each simulation takes up to 4 GB.
	SEED="$${SEED:-1}" TOKENSOURCES="$${TOKENSOURCES:-1000000}" PICTURES="$(CURDIR)/docs/pictures" \
		cargo test --release --locked --test simulation -- --nocapture --test-threads=1

generate: tools ## write crds/, the generated parts of docs/, and the chart's copies of crds/ and deploy/ from the code
	.ci/generate

lint:       ## formatting, clippy, rustdoc; every warning is an error
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --locked --workspace --no-deps

deny:       ## licences, bans and sources of the dependencies
	missing=
	$(call need,cargo-deny,cargo install --locked cargo-deny)
	$(verdict)
	# `advisories` is left out, because it downloads a database. Where a download is possible: `cargo deny check advisories`.
	cargo deny --locked check licenses bans sources

reproducible: tools ## build the release binary twice, in different places, and compare: 5 to 10 minutes
	.ci/reproducible

assets: tools tools-keycloak tools-workloads ## build the Kubernetes programs, helm, otelcol and what checks workflows and releases, fetch Keycloak, Prometheus, Alertmanager, Envoy and tinyproxy, once: about 15 minutes
	tests/assets/kubernetes.sh >/dev/null
	tests/assets/helm.sh >/dev/null
	tests/assets/helm.sh 3 >/dev/null
	tests/assets/keycloak.sh >/dev/null
	tests/assets/prometheus.sh >/dev/null
	tests/assets/alertmanager.sh >/dev/null
	tests/assets/tinyproxy.sh >/dev/null
	tests/assets/envoy.sh >/dev/null
	for script in actionlint oras krew otelcol; do "tests/assets/$${script}.sh" >/dev/null; done

release: tools ## all of a release but the upload, into dist/: VERSION=0.2.0; docs/releasing.md
	[[ -n "$${VERSION:-}" ]] || { echo "which version? make release VERSION=0.2.0" >&2; exit 1; }
	.ci/release "$${VERSION}"

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

# For the programs in deploy/examples and deploy/try-it; Go and git are needed anyway.
tools-workloads:
	missing=
	$(call need,python3,apt-get install python3)
	python3 -m pip --version >/dev/null 2>&1 || missing+=$$'\n'"  pip: apt-get install python3-pip"
	$(call need,node,apt-get install nodejs (18 or newer))
	$(call need,npm,apt-get install npm)
	$(call need,curl,apt-get install curl)
	$(call need,openssl,apt-get install openssl)
	$(verdict)

tools-e2e:
	missing=
	[[ $$(id -u) == 0 ]] || missing+=$$'\n'"  root: a node makes namespaces and mounts, which are removed at the end"
	$(call need,containerd,apt-get install containerd)
	$(call need,runc,apt-get install runc)
	$(call need,/usr/lib/cni/ptp,apt-get install containernetworking-plugins)
	$(call need,iptables,apt-get install iptables)
	$(call need,ip,apt-get install iproute2)
	$(call need,dnsmasq,apt-get install dnsmasq-base)
	$(call need,buildah,apt-get install buildah)
	$(call need,unshare,apt-get install util-linux)
	$(verdict)
