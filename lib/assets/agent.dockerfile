# The build context holds this file and ca.pem: extra certificate authorities for npm, or nothing.
ARG BASE=debian:trixie-slim
FROM ${BASE} AS tools
LABEL claude-bottle.image=agent
# An unusual uid: a process of the engine's machine that shares it could read what the agent holds.
LABEL claude-bottle.agent-uid=47291
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
      -o 'DPkg::Options::=--path-exclude=/usr/share/doc/*' \
      -o 'DPkg::Options::=--path-include=/usr/share/doc/*/copyright' \
      -o 'DPkg::Options::=--path-exclude=/usr/share/man/*' \
      -o 'DPkg::Options::=--path-exclude=/usr/share/locale/*' \
      ca-certificates curl git jq less nodejs npm openssh-client openssl perl-base procps ripgrep socat \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/*
# Others may enter the home: root has no capabilities in a bottle and starts there too.
RUN groupadd --gid 47291 node \
 && useradd --uid 47291 --gid 47291 --create-home --shell /bin/bash node \
 && chmod 0755 /home/node \
 && install -d -o node -g node /home/node/workspace /home/node/.claude /home/node/.claude/skills

FROM tools AS claude
ARG CLAUDE_CODE_VERSION=2.1.330
COPY ca.pem /tmp/ca.pem
# The package of this platform alone: it is the native program, and npm refuses it on another one. The extra
# authorities join those of Debian, because npm's cafile replaces what npm trusts by itself.
RUN cat /etc/ssl/certs/ca-certificates.crt /tmp/ca.pem > /tmp/authorities.pem \
 && export npm_config_cafile=/tmp/authorities.pem NODE_EXTRA_CA_CERTS=/tmp/authorities.pem \
 && package="claude-code-linux-$(node --print process.arch)" \
 && npm install --prefix /tmp/claude --cache /tmp/npm --ignore-scripts --no-audit --no-fund --no-save \
      --no-update-notifier "@anthropic-ai/${package}@${CLAUDE_CODE_VERSION}" \
 && install -D -m 0755 "/tmp/claude/node_modules/@anthropic-ai/${package}/claude" /out/bin/claude \
 && rm -rf /tmp/claude /tmp/npm /tmp/authorities.pem

FROM tools
# Root's, so the agent cannot change what it is started from.
COPY --from=claude /out/bin/claude /usr/local/bin/claude
ENV LANG=C.UTF-8
USER 47291:47291
WORKDIR /home/node
CMD ["sleep", "infinity"]
