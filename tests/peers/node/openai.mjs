// npm openai, as its users use it: the base URL is all that says who pays.
import OpenAI from "openai";

const [baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "of no use here" });
const question = { model, max_tokens: 64, messages: [{ role: "user", content: "exact usage" }] };

const whole = await client.chat.completions.create(question);
let streamed = "";
for await (const chunk of await client.chat.completions.create({ ...question, stream: true })) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
}

const input = { model, max_output_tokens: 64, input: "exact usage" };
const response = await client.responses.create(input);
let streamedResponse = "";
for await (const event of await client.responses.create({ ...input, stream: true })) {
  if (event.type === "response.output_text.delta") streamedResponse += event.delta;
}

const embeddings = await client.embeddings.create({ model, input: "exact usage" });
const models = await client.models.list();
const refused = await client.chat.completions
  .create({ ...question, model: "not-sold" })
  .catch(({ status, code }) => ({ status, code }));

console.log(
  JSON.stringify({
    said: [whole.choices[0].message.content, streamed, response.output_text, streamedResponse],
    dimensions: embeddings.data[0].embedding.length,
    models: models.data.map(({ id }) => id),
    refused,
  }),
);
