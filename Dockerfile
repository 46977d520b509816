# An image with the binary and what it links to, and nothing else: no shell, no package manager.
#
#   docker build -t tickwire .
#   docker run --rm --read-only --cap-drop ALL --network host --cpuset-cpus 2-4 \
#       -v "$PWD/runs:/runs" tickwire run --for 30s --out /runs/first
#
# --cpuset-cpus takes the place of taskset, and --network host keeps the container's bridge out of
# the road. The folder that is mounted at /runs must belong to uid 65532.
#
# This file was checked by eye only: no container engine has built it yet.
#
# glibc, not musl: the memory routines of musl are slower, and this road is made of copies.
FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
RUN cargo build --release --locked --bin tickwire

# Glibc, libgcc and nothing more; certificate authorities are compiled into the binary.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/tickwire /usr/local/bin/tickwire
COPY --from=build /build/configs /etc/tickwire
COPY --from=build /build/LICENSE-MIT /build/LICENSE-APACHE /usr/share/doc/tickwire/
USER 65532:65532
WORKDIR /runs
STOPSIGNAL SIGINT
ENTRYPOINT ["/usr/local/bin/tickwire"]
