# What is in the image, and where, is a list: hack/image/contents.go. Its program makes the files here as it does for
# make image-tar; a test holds the last stage to the list.

# Nushell, the official static build as npm has it. hack/image refuses another hash than the pinned one.
FROM --platform=$BUILDPLATFORM node:22-slim@sha256:83f487e0a63425e5b4d146fb5e5be574bcbe1b7b843d3ebafdd95eaf7767a7e5 AS npm
ARG TARGETARCH
WORKDIR /nushell
RUN --mount=type=cache,target=/root/.npm \
    test "${TARGETARCH}" = amd64 || { echo "no Nushell package is pinned for ${TARGETARCH}: put a static nu into a folder FOLDER and build with" \
      "--build-context nushell=FOLDER --build-arg NUSHELL=nu"; exit 1; }; \
    npm pack --silent @nushell/linux-x64@0.115.1 && mv ./*.tgz nushell.tgz

FROM scratch AS nushell
COPY --from=npm /nushell/nushell.tgz /

# The files, in a folder for each layer. The compiler runs on the machine's own platform, whatever the image is for.
FROM --platform=$BUILDPLATFORM golang:1.26.8@sha256:6c2a5538f964f1c82f97ad14988bf05de100d922d159d0e398b54c7b0ca0c6c9 AS rootfs
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETPLATFORM
ARG NUSHELL=nushell.tgz
ARG VERSION=dev
ARG REVISION=unknown
ARG SOURCE_DATE_EPOCH=0
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    --mount=type=bind,from=nushell,source=/,target=/nushell \
    CGO_ENABLED=0 go run ./hack/image -source=/src -rootfs=/rootfs -platform="${TARGETPLATFORM}" \
      -version="${VERSION}" -revision="${REVISION}" -epoch="${SOURCE_DATE_EPOCH}" -nushell="/nushell/${NUSHELL}"

# Nothing but what runs: no shell, no package manager.
FROM scratch
COPY --link --from=rootfs /rootfs/nushell/ /
COPY --link --from=rootfs /rootfs/library/ /
COPY --link --from=rootfs /rootfs/programs/ /
ARG VERSION=dev
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.description="A Kubernetes operator for extensions: versioned packages of Nushell code, loaded in a sandbox" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="https://provisioning.dev/extension-operator" \
      org.opencontainers.image.title="extension-operator" \
      org.opencontainers.image.version="${VERSION}"
ENV PATH=/usr/local/bin
USER 65532:65532
# Where things lie here is what the settings of the manager and the flags of extension-runner default to.
ENTRYPOINT ["/usr/local/bin/manager"]
