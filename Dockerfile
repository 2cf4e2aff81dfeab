# The controller's image: one program that needs no library, and the certificate authorities. No shell, no package.
#
#   docker build -t REGISTRY/tokensource:0.1.0 .
#
# Both bases are arguments, for those who must take them from a mirror, or want a base that their scanners know:
#   docker build --build-arg BUILD_IMAGE=mirror.example.com/rust:1.95-bookworm \
#                --build-arg RUNTIME_IMAGE=mirror.example.com/distroless/static-debian12 …
#
# To build the same image again, bit for bit, name the build image by digest, and use the time of the commit:
#   docker buildx build --build-arg BUILD_IMAGE=rust@sha256:… --build-arg SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" \
#                       --output type=image,name=REGISTRY/tokensource:0.1.0,rewrite-timestamp=true .
ARG BUILD_IMAGE=rust:1.95-bookworm
ARG RUNTIME_IMAGE=scratch

FROM ${BUILD_IMAGE} AS build
# The program does not contain this path, so it is the same as a build elsewhere (.cargo/rustc).
WORKDIR /src
# .dockerignore lets through what the build needs, and nothing else.
COPY . .
# The C library is linked into the program, so that it runs on any base, and on none. (The linker warns of getaddrinfo: it
# would load a library for sources of names other than files and DNS, which a pod does not have.)
ENV RUSTFLAGS="-C target-feature=+crt-static"
# --locked: exactly the versions of Cargo.lock, or no image. --target: the flags above are for the program, not for what
# runs while it is compiled.
RUN target="$(rustc --print host-tuple)" \
 && cargo build --release --locked --package tokensource --bin tokensource --target "${target}" \
 && install -D -m 0755 "target/${target}/release/tokensource" /out/usr/local/bin/tokensource
ARG SOURCE_DATE_EPOCH=0
# The authorities that token endpoints are checked against, unless tls.caBundle or tls.caBundleRef replaces them.
RUN install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ca-certificates.crt \
 && install -D -m 0644 LICENSE /out/LICENSE \
 && find /out -exec touch --date="@${SOURCE_DATE_EPOCH}" {} +

FROM ${RUNTIME_IMAGE}
COPY --from=build /out/ /

# glibc keeps up to eight heaps for each core so that threads need not wait for one another, and a heap that has grown
# keeps what it has. This process waits for the network most of its time: two heaps are enough, and its memory follows
# the number of TokenSources, not the number of the node's cores.
ENV MALLOC_ARENA_MAX=2
# Returns the top of a heap to the kernel from 128 KiB on. By default, glibc raises this limit when large blocks are allocated and
# freed, and would then never return the memory of a large list at the start.
ENV MALLOC_TRIM_THRESHOLD_=131072

# The user is a number, so that runAsNonRoot can be checked without a passwd file.
USER 65532:65532
EXPOSE 8080
# No shell starts the program, so the program receives SIGTERM itself. It then waits up to 20 s until requests in flight have ended
# and their tokens are stored.
ENTRYPOINT ["/usr/local/bin/tokensource"]
CMD ["controller"]
