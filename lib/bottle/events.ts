/** What happens while a backend works, for whoever shows it. */
export type BottleEvent =
  /** Something that may take longer than a second began; `title` is a present participle, e.g. `building the agent image`. */
  | { readonly kind: "started"; readonly id: string; readonly title: string; readonly slow: boolean }
  | { readonly kind: "finished"; readonly id: string }
  /** A line of output of something slow; foreign text, not sanitised. */
  | { readonly kind: "output"; readonly id: string; readonly line: string }
  /** A call of the engine's client as a person could type it; foreign text, not sanitised. */
  | { readonly kind: "call"; readonly text: string }
  /** One sentence for those who ask for more. */
  | { readonly kind: "detail"; readonly text: string }
  /** One sentence the user should know. */
  | { readonly kind: "notice"; readonly text: string };

export type OnEvent = (event: BottleEvent) => void;
