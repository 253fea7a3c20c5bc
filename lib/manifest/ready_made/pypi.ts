import * as z from "zod";
import type { ReadyMadeHost, Service } from "./service.ts";

/** Uploading is a `POST` to a host of its own. */
const HOSTS: readonly ReadyMadeHost[] = [
  {
    host: "pypi.org",
    allow: [
      // Which files there are of a project.
      "GET /simple/*",
      // What is known of a project and its releases.
      "GET /pypi/*",
    ],
  },
  {
    host: "files.pythonhosted.org",
    allow: [
      "GET /*",
      // How long a file is, for installers that read a part of it.
      "HEAD /*",
    ],
  },
];

const options = z.strictObject({}).meta({
  id: "PyPI",
  description: "Installing packages of PyPI, and no uploading.",
});

/** Packages can be installed, and none uploaded. */
export const pypi: Service<z.output<typeof options>> = {
  options,
  description: "Installing packages of PyPI; no uploading.",
  hosts: HOSTS.map(({ host }) => host),
  expand: () => HOSTS,
};
