import { type Act, CANARY, type Trial, type Witness } from "./attempt.ts";
import { connect, request, toSidecar } from "./attempts/requests.ts";

function granted(id: string, title: string, act: Act, witness: Witness = CANARY): Trial {
  return { id: `control-${id}`, title, acts: [act], witness };
}

/** Uses that are granted: they must get through in the same run in which nothing else does. */
export const CONTROLS: readonly Trial[] = [
  granted("tls", "TLS to an allowed host", connect("{allowed}:443")),
  granted("capitals", "an allowed host in capitals", connect("{ALLOWED}:443", { hello: "{allowed}" })),
  granted("dot", "an allowed host with a trailing dot", connect("{allowed}.:443", { hello: "{allowed}" })),
  granted("wildcard", "a host below an allowed wildcard", connect("any.{wildcard}:443")),
  granted(
    "curl",
    "curl to such a host, its data in the name",
    { kind: "sh", script: "curl --silent --insecure --max-time 5 https://{mark}.{wildcard}/" },
  ),
  granted(
    "old",
    "a tunnel by HTTP/1.0",
    toSidecar("CONNECT {allowed}:443 HTTP/1.0\r\n\r\n", { hello: "{allowed}" }),
  ),
  granted("ssh", "an ssh host on its port", connect("{sshHost}:22", "SSH-2.0-{mark}\r\n")),
  granted("ssh-port", "an ssh host on a port of its own", connect("{sshHost2}:2222", "SSH-2.0-{mark}\r\n")),
  granted(
    "http",
    "plain HTTP to a host that has it granted",
    request("GET", "http://{httpHost}/{mark}", "Host: {httpHost}"),
  ),
  granted(
    "loopback",
    "a server of the agent's own, on its loopback address",
    {
      kind: "sh",
      script: `perl -MIO::Socket::INET -e '
        my $l = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die;
        if (!fork) { my $c = IO::Socket::INET->new("127.0.0.1:" . $l->sockport); print $c "{mark} by itself\\n"; exit }
        print $l->accept->getline'`,
    },
    { kind: "answer", pattern: /by itself/ },
  ),
];
