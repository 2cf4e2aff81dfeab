# The controller's image: a build stage, and a stage that holds one program.
#
#   docker build -t REGISTRY/tokensource:0.1.0 .
#
# Both bases are arguments, for those who must take them from a mirror:
#   docker build --build-arg BUILD_IMAGE=mirror.example.com/rust:1.95-bookworm \
#                --build-arg RUNTIME_IMAGE=mirror.example.com/distroless/cc-debian12:nonroot …
# Pin them by digest (name@sha256:…) where builds must be repeatable. Build and runtime must have the same Debian, or
# the second the newer one: the program is linked against the first one's C library.
ARG BUILD_IMAGE=rust:1.95-bookworm
ARG RUNTIME_IMAGE=debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
# .dockerignore lets through what the build needs, and nothing else.
COPY . .
# --locked: exactly the versions of Cargo.lock, or no image.
RUN cargo build --release --locked --package tokensource --bin tokensource \
 && install -D -m 0755 target/release/tokensource /out/tokensource

FROM ${RUNTIME_IMAGE}
# What the base must bring: the C library and libgcc. It needs no shell: a distroless "cc" base is smaller still.
# The certificate authorities, which token endpoints are checked against unless tls.caBundle says otherwise:
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/tokensource /usr/local/bin/tokensource
COPY LICENSE /LICENSE

# glibc keeps up to eight heaps for each core so that threads need not wait for one another, and a heap that has grown
# keeps what it has. This process waits for the network most of its time: two heaps are enough, and its memory follows
# the number of TokenSources, not the number of the node's cores.
ENV MALLOC_ARENA_MAX=2
# Hands the top of a heap back from 128 KiB on. Left alone, glibc raises this limit by itself as large blocks come and
# go, and what a large list at the start has taken would never be returned.
ENV MALLOC_TRIM_THRESHOLD_=131072

# By number, so that runAsNonRoot can tell without a passwd file.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/tokensource"]
CMD ["controller"]
