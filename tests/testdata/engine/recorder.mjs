// deno-lint-ignore-file claude-bottle/no-node explicit-function-return-type -- runs on node, inside a container
// Records what reaches it, one JSON object a line on stdout, and answers HTTP as carelessly as a server can: once
// for each end of a header block that it sees, wherever that stands. With a zone it is a DNS server as well.
import { Buffer } from "node:buffer";
import dgram from "node:dgram";
import net from "node:net";
import process from "node:process";

const { address, ports, zone, lifetimeMs } = JSON.parse(process.env.RECORDER);
const say = (record) => process.stdout.write(`${JSON.stringify(record)}\n`);
let answers = 0;

for (const port of ports) {
  net.createServer((socket) => {
    const connection = { to: socket.localAddress.replace(/^::ffff:/, ""), port };
    say({ kind: "connection", ...connection });
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      const text = bytes.toString("latin1");
      say({ kind: "bytes", ...connection, text: text.slice(0, 4096) });
      // It cannot go on with TLS.
      if (text.startsWith("\x16")) return socket.end();
      for (let blocks = text.split("\r\n\r\n").length - 1; blocks > 0; blocks--) {
        const body = `answer ${++answers}\n`;
        socket.write(
          `HTTP/1.1 200 OK\r\nContent-Type: application/x-recorded\r\nCache-Control: public, max-age=3600\r\n` +
            `ETag: "same"\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        );
      }
    });
  }).listen(port, address, listening);
}

const asked = new Map();
if (zone !== undefined) {
  const server = dgram.createSocket("udp4");
  server.on("message", (query, from) => server.send(reply(query), from.port, from.address));
  server.bind(53, address, listening);
}

let waiting = ports.length + (zone === undefined ? 0 : 1);
function listening() {
  if (--waiting === 0) say({ kind: "ready" });
}

/** The answers of one name stand in turn; the last of them stays. Every answer is good for no time at all. */
function reply(query) {
  let end = 12;
  const labels = [];
  for (; query[end] !== 0; end += query[end] + 1) {
    labels.push(query.toString("latin1", end + 1, end + 1 + query[end]));
  }
  const question = query.subarray(12, end + 5);
  const name = labels.join(".").toLowerCase();
  const type = query.readUInt16BE(end + 1) === 28
    ? "AAAA"
    : query.readUInt16BE(end + 1) === 1
    ? "A"
    : "other";
  const turns = zone[`${name} ${type}`] ?? [];
  const turn = asked.get(`${name} ${type}`) ?? 0;
  asked.set(`${name} ${type}`, turn + 1);
  const found = turns[Math.min(turn, turns.length - 1)] ?? [];
  say({ kind: "query", name, type, answer: found });
  const known = Object.keys(zone).some((key) => key.startsWith(`${name} `));
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(known ? 0x8580 : 0x8583, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(found.length, 6);
  return Buffer.concat([header, question, ...found.map((text) => record(text))]);
}

function record(text) {
  const data = text.includes(":") ? ipv6(text) : Buffer.from(text.split(".").map(Number));
  const fixed = Buffer.alloc(12);
  fixed.writeUInt16BE(0xc00c, 0);
  fixed.writeUInt16BE(text.includes(":") ? 28 : 1, 2);
  fixed.writeUInt16BE(1, 4);
  fixed.writeUInt16BE(data.length, 10);
  return Buffer.concat([fixed, data]);
}

/** Of an address with one `::`, the last part perhaps an IPv4 address. */
function ipv6(text) {
  const plain = text.replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, a, b, c, d) => `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`,
  );
  const [before, after = ""] = plain.split("::");
  const words = (part) => part === "" ? [] : part.split(":").map((word) => parseInt(word, 16));
  const [head, tail] = [words(before), words(after)];
  const all = [...head, ...new Array(8 - head.length - tail.length).fill(0), ...tail];
  const bytes = Buffer.alloc(16);
  all.forEach((word, index) => bytes.writeUInt16BE(word, index * 2));
  return bytes;
}

// Nobody who dies before it does leaves it behind.
setTimeout(() => process.exit(), lifetimeMs);
