ARG BASE
FROM ${BASE}
LABEL claude-bottle.image=squid
# The certificate only satisfies ssl-bump's configuration: nobody is asked to trust it, and what a client is
# told through it is that its connection was refused.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends squid-openssl openssl ca-certificates \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/* \
 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 \
      -subj /CN=claude-bottle -keyout /tmp/key.pem -out /tmp/certificate.pem \
 && cat /tmp/certificate.pem /tmp/key.pem > /etc/squid/dummy.pem \
 && rm /tmp/certificate.pem /tmp/key.pem \
 && chown root:proxy /etc/squid/dummy.pem \
 && chmod 0640 /etc/squid/dummy.pem \
 && mkdir -p /config
USER 13:13
