# syntax=docker/dockerfile:1

# The Go programs, static.
FROM golang:1.26 AS build
ARG VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY api api
COPY cmd cmd
COPY internal internal
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/manager ./cmd/manager \
 && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /out/extension-sandbox ./cmd/extension-sandbox \
 && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /out/extension-runner ./cmd/extension-runner

# Nushell, the official static build, pinned by its hash. Only amd64 has a pinned package: hack/internal/asset/nushell.go.
FROM node:22-slim AS nushell
ARG TARGETARCH=amd64
ARG NUSHELL_VERSION=0.115.1
ARG NUSHELL_INTEGRITY=sha512-w6eMwPZJ/JqIEq2BgUif71fzBuNFxA1xvrIshC+bQYq44x2PgOE+x1IX+URNUBQSkCLAY9ze2Egec00RMyDtMA==
WORKDIR /nushell
RUN test "${TARGETARCH}" = amd64 || { echo "no Nushell package is pinned for ${TARGETARCH}"; exit 1; }
RUN npm pack --silent "@nushell/linux-x64@${NUSHELL_VERSION}" \
 && node -e 'const c = require("crypto"), f = require("fs"), got = "sha512-" + c.createHash("sha512").update(f.readFileSync(process.argv[1])).digest("base64"); if (got !== process.argv[2]) { console.error("hash is " + got); process.exit(1) }' \
      "nushell-linux-x64-${NUSHELL_VERSION}.tgz" "${NUSHELL_INTEGRITY}" \
 && tar -xzf "nushell-linux-x64-${NUSHELL_VERSION}.tgz" --strip-components=2 package/bin/nu \
 && ./nu --version

# Nothing but what runs: no shell, no package manager.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/manager /out/extension-runner /out/extension-sandbox /usr/local/bin/
COPY --from=nushell /nushell/nu /usr/local/bin/nu
COPY nushell /usr/share/extension-operator/nushell
COPY extensions /usr/share/extension-operator/extensions
COPY internal/config/config.defaults.toml /usr/share/extension-operator/config.defaults.toml
USER 65532:65532
# Where things lie here is what the settings of the manager and the flags of extension-runner default to.
ENTRYPOINT ["/usr/local/bin/manager"]
