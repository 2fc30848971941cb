// npm ai with @ai-sdk/openai-compatible, as their users use them.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embed, generateText, streamText } from "ai";

const [baseURL, name] = process.argv.slice(2);
const provider = createOpenAICompatible({ name: "farthing", baseURL });
const question = { model: provider(name), maxOutputTokens: 64, prompt: "exact usage" };

const { text: whole } = await generateText(question);
let streamed = "";
for await (const text of streamText(question).textStream) {
  streamed += text;
}

const { embedding } = await embed({ model: provider.embeddingModel(name), value: "exact usage" });
const refused = await generateText({ ...question, model: provider("not-sold") }).catch((error) => ({
  status: error.statusCode,
  code: error.data.error.code,
}));

console.log(JSON.stringify({ said: [whole, streamed], dimensions: embedding.length, refused }));
