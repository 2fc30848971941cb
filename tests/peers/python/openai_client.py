"""PyPI openai, as its users use it: the base URL is all that says who pays."""

import json
import sys

from openai import APIStatusError, OpenAI

base_url, model = sys.argv[1:]
client = OpenAI(base_url=base_url, api_key="of no use here")
question = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": "exact usage"}]}

whole = client.chat.completions.create(**question)
chunks = client.chat.completions.create(**question, stream=True)
streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

given = {"model": model, "max_output_tokens": 64, "input": "exact usage"}
response = client.responses.create(**given)
events = client.responses.create(**given, stream=True)
deltas = [event.delta for event in events if event.type == "response.output_text.delta"]

embeddings = client.embeddings.create(model=model, input="exact usage")
models = [entry.id for entry in client.models.list()]
try:
    refused = client.chat.completions.create(**{**question, "model": "not-sold"})
except APIStatusError as error:
    refused = {"status": error.status_code, "code": error.code}

print(
    json.dumps(
        {
            "said": [whole.choices[0].message.content, streamed, response.output_text, "".join(deltas)],
            "dimensions": len(embeddings.data[0].embedding),
            "models": models,
            "refused": refused,
        }
    )
)
