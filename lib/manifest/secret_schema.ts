import * as z from "zod";
import { commandLine, hostPath } from "./fields.ts";

/** A secret that is fetched on the host. */
export const secret = z.strictObject({
  command: commandLine({
    description:
      "A command of your machine that prints the secret: a list of words, run without a shell. It has 60 seconds.",
    examples: [["op", "read", "op://dev/npm"]],
  }).optional(),
  file: hostPath({
    description: "A file of your machine that holds the secret.",
    examples: ["~/.npm-token"],
  }).optional(),
}).superRefine((value, context) => {
  if ((value.command === undefined) === (value.file === undefined)) {
    context.addIssue({ code: "custom", message: "must have either `command` or `file`" });
  }
}).meta({
  id: "Secret",
  description: "A secret that is fetched on your machine at each launch: either by `command` or from `file`.",
  oneOf: [{ required: ["command"] }, { required: ["file"] }],
});
