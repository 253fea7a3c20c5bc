import { EXIT, Failure } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { join } from "../host/paths.ts";

/** The host's own variables for extra certificate authorities; the first that is set counts. */
export const HOST_VARIABLES = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"] as const;

/** Larger than any system's whole bundle. */
const LIMIT = 1024 * 1024;

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/**
 * Extra certificate authorities for build and bottle, PEM: those of `image.ca`, else the host's own, so that a
 * company's TLS-inspecting network works. Only certificates are taken: a file may hold keys too.
 *
 * @throws Failure `ca-unreadable` when a file that is named cannot be used
 */
export async function extraAuthorities(host: Host, imageCa: string | undefined): Promise<string | undefined> {
  const named = imageCa === undefined ? hostFile(host) : { path: expandTilde(imageCa, host), by: "image.ca" };
  if (named === undefined) return undefined;
  const bytes = await readOrRefuse(host, named);
  const certificates = new TextDecoder().decode(bytes).match(CERTIFICATE);
  if (certificates === null) throw refusal(named, "it holds no certificate in PEM form");
  return certificates.join("\n") + "\n";
}

interface NamedFile {
  readonly path: string;
  readonly by: string;
}

function hostFile(host: Host): NamedFile | undefined {
  for (const by of HOST_VARIABLES) {
    const path = host.environment.get(by);
    if (path) return { path, by };
  }
  return undefined;
}

/** A leading `~/` means the user's home; nothing else is expanded. */
export function expandTilde(path: string, host: Pick<Host, "environment">): string {
  return path.startsWith("~/") ? join(host.environment.get("HOME") ?? "/", path.slice(2)) : path;
}

async function readOrRefuse(host: Host, named: NamedFile): Promise<Uint8Array> {
  const status = await host.files.status(named.path);
  if (status === undefined) throw refusal(named, "it does not exist");
  if (status.kind !== "file") throw refusal(named, "it is no file");
  if (status.size > LIMIT) throw refusal(named, `it is larger than ${LIMIT} bytes`);
  return await host.files.readBytes(named.path) ?? new Uint8Array();
}

function refusal({ path, by }: NamedFile, why: string): Failure {
  return new Failure(
    "ca-unreadable",
    `The certificate authorities of ${by} cannot be used: ${path}: ${why}`,
    {
      hints: [by === "image.ca" ? "Name a PEM file with `image.ca`" : `Set ${by} to a PEM file, or unset it`],
      exit: EXIT.usage,
    },
  );
}
