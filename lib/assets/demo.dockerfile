# A host of ours for a bottle to reach: the agent image and an ssh server in it.
ARG BASE
FROM ${BASE}
LABEL claude-bottle.image=demo
# The agent's label and user are not this image's.
LABEL claude-bottle.agent-uid=
USER 0:0
# The package makes host keys; whoever starts a host gives it its own.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends openssh-server \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/* /etc/ssh/ssh_host_* \
 && install -d -m 0755 /run/sshd
CMD ["/usr/sbin/sshd", "-D", "-e"]
