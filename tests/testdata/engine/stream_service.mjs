// deno-lint-ignore-file claude-bottle/no-node explicit-function-return-type -- runs on node, inside a container
// What `tls_host.mjs` answers besides, where streams are looked at:
//   /events     numbered events, the next one only when somebody has asked for /seen/NUMBER of the last one: what keeps
//               events back is never told a second one. It ends after `?count=` of them, or once /finish was asked for
//   /socket     a WebSocket's beginning; then every byte comes back
//   /down       `?bytes=` zeros
//   /up         the number of bytes that came
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const BLOCK = Buffer.alloc(1 << 20);

let stream;
let isFinished = false;

function sendEvent(number) {
  stream.last = number;
  stream.response.write(`id: ${number}\ndata: event ${number}\n\n`);
}

function startEvents(response, count) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  stream = { response, count, last: 0 };
  sendEvent(1);
}

function see(number) {
  if (stream === undefined || number !== stream.last) return;
  if (isFinished || number >= stream.count) {
    stream.response.end();
    stream = undefined;
  } else {
    sendEvent(number + 1);
  }
}

function sendZeros(response, bytes) {
  response.writeHead(200, { "content-type": "application/octet-stream", "content-length": bytes });
  let left = bytes;
  const more = () => {
    while (left > 0) {
      const block = left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK;
      left -= block.length;
      if (!response.write(block)) return void response.once("drain", more);
    }
    response.end();
  };
  more();
}

function countBytes(request, response) {
  let bytes = 0;
  request.on("data", (part) => bytes += part.length);
  request.on("end", () => response.end(`${bytes} bytes\n`));
}

globalThis.further = {
  request(request, response, url) {
    const [, word, number] = url.pathname.split("/");
    if (word === "up") {
      countBytes(request, response);
      return true;
    }
    request.resume();
    if (word === "events") startEvents(response, Number(url.searchParams.get("count") ?? Infinity));
    else if (word === "down") sendZeros(response, Number(url.searchParams.get("bytes")));
    else if (word === "seen" || word === "finish") {
      isFinished ||= word === "finish";
      response.end("so be it\n");
      if (word === "seen") see(Number(number));
    } else return false;
    return true;
  },
  upgrade(request, socket) {
    const key = request.headers["sec-websocket-key"] ?? "";
    const accept = createHash("sha1").update(key + GUID).digest("base64");
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.on("error", () => {}).pipe(socket);
    return true;
  },
};
