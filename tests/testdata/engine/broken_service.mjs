// deno-lint-ignore-file explicit-function-return-type -- runs on node, inside a container
// What `tls_host.mjs` answers besides, where answers are broken:
//   /nothing    ends the connection
//   /cut        breaks it off
//   /html       a page
globalThis.further = {
  request(request, response, url) {
    if (url.pathname === "/nothing") request.socket.end();
    else if (url.pathname === "/cut") request.socket.destroy();
    else if (url.pathname === "/html") {
      response.writeHead(200, { "content-type": "text/html" }).end("<p>an answer</p>\n");
    } else return false;
    return true;
  },
  upgrade: () => false,
};
