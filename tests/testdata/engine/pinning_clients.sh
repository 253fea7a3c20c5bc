# Asks the host $HOST through the proxy of HTTPS_PROXY with one client after another, and tells for each in a line whether it
# was answered or failed. Files: /tmp/ca.pem, authorities that all of them trust; /tmp/own.pem, the host's own.
# $1: "free", or "pinned" for clients that trust nothing but the host's own authority, or its own key.
proxy=${HTTPS_PROXY#http://}
export HOST PINNED=
if [ "$1" = pinned ]; then PINNED=1; fi
CA=${PINNED:+/tmp/own.pem}; export CA=${CA:-/tmp/ca.pem}
# As the host shows it to who asks it directly.
openssl s_client -connect "$HOST:443" -servername "$HOST" </dev/null 2>/dev/null | openssl x509 -out /tmp/host.pem
key=$(openssl x509 -in /tmp/host.pem -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64)
export PRINT=$(openssl x509 -in /tmp/host.pem -noout -fingerprint -sha256 | sed 's/.*=//')

cat > /tmp/ask.mjs <<'PROGRAM'
import http from "node:http"; import https from "node:https"; import tls from "node:tls"; import fs from "node:fs";
const [how, maxVersion] = process.argv.slice(2);
const { HOST: host, PINNED, PRINT, CA } = process.env;
const proxy = new URL(process.env.HTTPS_PROXY);
http.request({ host: proxy.hostname, port: proxy.port, method: "CONNECT", path: `${host}:443` }).on("connect", (_, socket) => {
  const agent = new https.Agent();
  agent.createConnection = () =>
    tls.connect({
      socket, servername: host, maxVersion, ca: fs.readFileSync(how === "ca" ? CA : "/tmp/ca.pem"),
      checkServerIdentity: (name, certificate) => {
        const isPinned = how === "key" && PINNED && certificate.fingerprint256 !== PRINT;
        return isPinned ? new Error("not the pinned key") : tls.checkServerIdentity(name, certificate);
      },
    });
  https.get({ host, path: "/node", agent }, (response) => response.pipe(process.stdout)).on("error", () => {});
}).end();
PROGRAM

cat > /tmp/ask.py <<'PROGRAM'
import hashlib, http.client, os, ssl, sys
how, version = sys.argv[1:]
host, proxy = os.environ["HOST"], os.environ["HTTPS_PROXY"][len("http://"):].split(":")
context = ssl.create_default_context(cafile=os.environ["CA"] if how == "ca" else "/tmp/ca.pem")
context.maximum_version = ssl.TLSVersion[version]
connection = http.client.HTTPSConnection(proxy[0], int(proxy[1]), context=context)
connection.set_tunnel(host, 443)
connection.connect()
print_ = hashlib.sha256(connection.sock.getpeercert(True)).hexdigest().upper()
if how == "key" and os.environ["PINNED"] and print_ != os.environ["PRINT"].replace(":", ""):
    connection.close()
    sys.exit("not the pinned key")
connection.request("GET", "/python")
print(connection.getresponse().read().decode())
PROGRAM

say() {
  name=$1; shift
  # One that gives up leaves its lines in the log before the next one begins.
  if "$@" 2>/dev/null </dev/null | grep -qE 'you asked for|refs/heads'; then echo "$name answered"; else echo "$name failed"; fi
  sleep 0.3
}
s_client() { printf 'GET /openssl HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$HOST" |
  openssl s_client "$1" -quiet -proxy "$proxy" -connect "$HOST:443" -servername "$HOST" -CAfile "$CA" -verify_return_error; }

for version in 1.3 1.2; do
  say "curl-$version" curl -sS --tls-max $version --cacert "$CA" "https://$HOST/curl"
  say "curl-key-$version" curl -sS --tls-max $version --cacert /tmp/ca.pem ${PINNED:+--pinnedpubkey "sha256//$key"} "https://$HOST/curl"
  say "openssl-$version" s_client -tls1_${version#1.}
  say "node-$version" node /tmp/ask.mjs ca TLSv$version
  say "node-key-$version" node /tmp/ask.mjs key TLSv$version
  say "python-$version" python3 /tmp/ask.py ca TLSv1_${version#1.}
  say "python-key-$version" python3 /tmp/ask.py key TLSv1_${version#1.}
done
say git env GIT_SSL_CAINFO="$CA" git ls-remote "https://me:password@$HOST/git/app.git"
