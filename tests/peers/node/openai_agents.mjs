// npm @openai/agents: an agent with a tool, to its end and as a stream.
import { Agent, run, setDefaultOpenAIClient, setTracingDisabled, tool } from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";

const [baseURL, model] = process.argv.slice(2);
setTracingDisabled(true);
setDefaultOpenAIClient(new OpenAI({ baseURL, apiKey: "of no use here" }));
const asked = [];
const weather = tool({
  name: "weather",
  description: "The weather in a city.",
  parameters: z.object({ city: z.string() }),
  execute: ({ city }) => {
    asked.push(city);
    return "rain";
  },
});
const agent = new Agent({ name: "Forecaster", instructions: "Use the tool.", model, tools: [weather] });

const { finalOutput: whole } = await run(agent, "What is the weather in Berlin?");
const stream = await run(agent, "What is the weather in Berlin?", { stream: true });
let streamed = "";
for await (const text of stream.toTextStream()) {
  streamed += text;
}

console.log(JSON.stringify({ said: [whole, streamed], asked }));
