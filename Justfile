# Every command that a person runs here. What a check does stands in .ci/checks, which CI runs too.

[private]
default:
    @just --list --unsorted

# All checks that need no cluster; CI runs these and the tests
ci:
    .ci/checks

# Formatting, without changing anything
fmt:
    .ci/checks fmt

# Words that hide who does what, in READMEs and doc comments
prose:
    .ci/checks prose

# Clippy on everything, warnings are errors
lint:
    .ci/checks lint

# Each crate alone, what crates may depend on, what may stand at the top
walls:
    .ci/checks walls

# Whether config/crd, the chart and the tables of metrics, fields and values are what the code says
generated:
    .ci/checks generated

# The documentation builds, and its links lead somewhere
docs:
    .ci/checks docs

# Licences, bans and sources of dependencies
deny:
    .ci/checks deny

# Known vulnerabilities of dependencies, from the RustSec database
advisories:
    "$(.ci/tool cargo-deny)" check advisories

# Every test; the first time builds the control plane, about 7 minutes
test:
    cargo test --workspace --no-fail-fast

# The product on a control plane of its own, step by step; `just demo --keep` stays
demo *arguments:
    cargo demo {{ arguments }}

# How fast, beside the limit that the API server sets; `just bench --full` for all of it, `-o json` for machines
bench *arguments:
    rustup target add x86_64-unknown-linux-musl
    PULLSECRETS_E2E_PROFILE=static cargo run --release --package bench -- {{ arguments }}

# The image, for amd64 or arm64, by the first of buildah, podman and docker that answers
image architecture="amd64" name="":
    .ci/image image {{ architecture }} {{ name }}

# What the binary in the image is made of, as it is embedded there
sbom architecture="amd64":
    .ci/image sbom {{ architecture }}

# Builds the binary of the last commit twice, in two places, and compares
reproducible architecture="amd64":
    .ci/image reproducible {{ architecture }}

# Runs the static binary for arm64, under qemu-user where it must, until it serves an object
arm64:
    .ci/image serves arm64

# A step of a release, such as `just release all FOLDER`; the head of .ci/release lists the steps
release *arguments:
    .ci/release {{ arguments }}

# Builds a release into target/release-dry-run, pushes it to a local registry, and installs it from there
release-dry-run:
    .ci/release all target/release-dry-run
    cargo run --quiet --package e2e --bin release -- target/release-dry-run

# Looks for input that breaks a parser, with libFuzzer; `just fuzz keep 600` adds to the corpus
fuzz *arguments:
    .ci/fuzz {{ arguments }}

# Writes config/crd and the tables of fields from the types, the table of metrics from the code, and what the chart copies
generate:
    # Compiled first: an error must not leave an empty file behind.
    cargo build --quiet --package crd --bin crdgen
    cargo crdgen > config/crd/clusterpullsecrets.yaml
    cargo run --quiet --package crd --bin apigen
    cargo build --quiet --package operator --bin metricsgen
    cargo metricsgen > config/monitoring/metrics.md
    .ci/chart

# The fault campaign, all of it: many hours; goes on where it stopped. `just campaign --every 41 --short` is a sample
campaign *arguments:
    cargo run --quiet --package campaign --bin campaign -- {{ arguments }}

# Whether the campaign is blind: the operator with each bug of e2e/bugs, and which oracle notices it
power *arguments:
    cargo run --quiet --package campaign --bin power -- {{ arguments }}
