/** What keeps a bottle closed, each of which can be taken off by itself, and what to do where one does not hold. */
export const PROTECTIONS = {
  "no-capabilities": {
    title: "no capabilities, so no packets made by hand",
    remedy: "Use an engine that honours `--cap-drop ALL`",
  },
  "no-mounts": {
    title: "nothing of the host in the bottle, least of all the engine's socket",
    remedy: "Use an engine that mounts nothing by itself",
  },
  "internal": {
    title: "the agent's network leads nowhere",
    remedy: "Use an engine that honours `docker network create --internal`",
  },
  "no-host-address": {
    title: "the host has no address on the agent's network",
    remedy: "Use an engine that honours the network option com.docker.network.bridge.inhibit_ipv4",
  },
  "one-network": {
    title: "the agent is in one network, with its sidecar alone",
    remedy: "Use an engine that joins a container to no network that was not asked for",
  },
  "no-ipv6": {
    title: "no IPv6",
    remedy: "Use an engine that honours `docker network create --ipv6=false`",
  },
  "no-dns": {
    title: "no name server that asks anybody else",
    remedy: "Use an engine that honours `--dns 0.0.0.0`",
  },
  "own-networks": {
    title: "no network is shared with another bottle",
    remedy: "Use an engine that joins a container to no network that was not asked for",
  },
  "listens-inside": {
    title: "the sidecar listens to its own bottle alone",
    remedy: "Report it: the sidecar's configuration does this, whatever the engine",
  },
  "proxy-hosts": {
    title: "the sidecar lets allowed hosts through and no others",
    remedy: "Report it: the sidecar's configuration does this, whatever the engine",
  },
  "proxy-ports": {
    title: "the sidecar lets granted ports through and no others",
    remedy: "`--proxy squid` pins ports",
  },
  "proxy-tls": {
    title: "a TLS connection names the host that it was allowed for",
    remedy: "`--proxy squid` lets nothing else through",
  },
  "proxy-methods": {
    title: "no plain HTTP where the manifest does not say so",
    remedy: "`--proxy squid` refuses it",
  },
  "proxy-never": {
    title: "no name leads to the sidecar itself, the host or a metadata service",
    remedy: "Report it: the sidecar's configuration does this, whatever the engine",
  },
  "proxy-private": {
    title: "no name leads to a private address unless the manifest says so",
    remedy: "Report it: the sidecar's configuration does this, whatever the engine",
  },
} as const;

export type ProtectionId = keyof typeof PROTECTIONS;
