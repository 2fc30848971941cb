// npm @anthropic-ai/sdk: messages with a tool, to the end and as a stream.
import Anthropic from "@anthropic-ai/sdk";

const [base, model] = process.argv.slice(2);
// This client adds /v1 itself.
const client = new Anthropic({ baseURL: base.replace(/\/v1$/, ""), apiKey: "of no use here" });
const asked = [];
const tools = [
  {
    name: "weather",
    description: "The weather in a city.",
    input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
];

async function loop(ask) {
  const messages = [{ role: "user", content: "What is the weather in Berlin?" }];
  for (;;) {
    const answer = await ask({ model, max_tokens: 256, tools, messages });
    const call = answer.content.find((block) => block.type === "tool_use");
    if (!call) {
      return answer.content.find((block) => block.type === "text").text;
    }
    asked.push(call.input.city);
    messages.push({ role: "assistant", content: answer.content });
    const result = { type: "tool_result", tool_use_id: call.id, content: [{ type: "text", text: "rain" }] };
    messages.push({ role: "user", content: [result] });
  }
}

const whole = await loop((question) => client.messages.create(question));
const streamed = await loop((question) => client.messages.stream(question).finalMessage());

console.log(JSON.stringify({ said: [whole, streamed], asked }));
