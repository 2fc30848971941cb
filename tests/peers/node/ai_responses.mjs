// npm ai with @ai-sdk/openai, which speaks the Responses API: two steps with a tool, whole and streamed.
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const [baseURL, name] = process.argv.slice(2);
const provider = createOpenAI({ baseURL, apiKey: "of no use here" });
const asked = [];
const question = {
  model: provider(name),
  prompt: "What is the weather in Berlin?",
  stopWhen: stepCountIs(2),
  // Without it, the second step refers to what the upstream has stored of the first.
  providerOptions: { openai: { store: false } },
  tools: {
    weather: tool({
      description: "The weather in a city.",
      inputSchema: z.object({ city: z.string() }),
      execute: ({ city }) => {
        asked.push(city);
        return { rain: true };
      },
    }),
  },
};

const { text: whole } = await generateText(question);
let streamed = "";
for await (const text of streamText(question).textStream) {
  streamed += text;
}

console.log(JSON.stringify({ said: [whole, streamed], asked }));
