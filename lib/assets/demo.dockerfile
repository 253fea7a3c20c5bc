# The hosts that a tour meets: the agent's image and an ssh server.
ARG BASE
FROM ${BASE}
LABEL claude-bottle.image=demo
USER 0:0
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends openssh-server \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/* /etc/ssh/ssh_host_*
USER 47291:47291
