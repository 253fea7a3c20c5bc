import * as z from "zod";
import { injectedSecret } from "../injection_schema.ts";
import type { Service } from "./service.ts";

const HOST = "api.openai.com";

const RULES: readonly string[] = [
  // Answers of models, in the newer and the older form.
  "POST /v1/responses",
  "POST /v1/chat/completions",
  "POST /v1/embeddings",
  // Which models there are.
  "GET /v1/models",
  "GET /v1/models/*",
];

const options = z.strictObject({
  key: injectedSecret.optional().meta({
    description: "An API key; the bottle's OPENAI_API_KEY is a placeholder.",
    examples: ["${OPENAI_API_KEY}"],
  }),
}).meta({
  id: "OpenAI",
  description: "The model's API without its files, batches and assistants.",
});

/** The model's API: answers, and no files of one's own. What is answered stays in the account. */
export const openai: Service<z.output<typeof options>> = {
  options,
  description: "The model's API: responses, chat completions, embeddings, the list of models.",
  hosts: [HOST],
  expand: ({ key }) => [{
    host: HOST,
    allow: RULES,
    ...(key === undefined
      ? {}
      : { inject: { env: "OPENAI_API_KEY", as: "bearer", secret: key, option: "key" } }),
  }],
};
