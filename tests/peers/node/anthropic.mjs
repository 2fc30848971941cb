// npm @anthropic-ai/sdk: messages with a tool, by its tool runner and by hand as a stream.
import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";

const [base, model] = process.argv.slice(2);
// This client adds /v1 itself.
const client = new Anthropic({ baseURL: base.replace(/\/v1$/, ""), apiKey: "of no use here" });
const asked = [];
const weather = betaTool({
  name: "weather",
  description: "The weather in a city.",
  inputSchema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  run: ({ city }) => {
    asked.push(city);
    return "rain";
  },
});
const messages = [{ role: "user", content: "What is the weather in Berlin?" }];
const textOf = (message) => message.content.find((block) => block.type === "text").text;

// It first asks the upstream to store what was said, and sends everything when that is refused.
const whole = await client.beta.messages.toolRunner({ model, max_tokens: 256, tools: [weather], messages });

const { name, description, input_schema } = weather;
const question = { model, max_tokens: 256, tools: [{ name, description, input_schema }], messages };
let streamed = await client.messages.stream(question).finalMessage();
while (streamed.stop_reason === "tool_use") {
  const call = streamed.content.find((block) => block.type === "tool_use");
  const result = { type: "tool_result", tool_use_id: call.id, content: await weather.run(call.input) };
  messages.push({ role: "assistant", content: streamed.content }, { role: "user", content: [result] });
  streamed = await client.messages.stream(question).finalMessage();
}

console.log(JSON.stringify({ said: [textOf(whole), textOf(streamed)], asked }));
