"""PyPI langchain-openai, as its users use it."""

import json
import sys

from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from openai import APIStatusError

base_url, model = sys.argv[1:]
account = {"base_url": base_url, "api_key": "of no use here"}
chat = ChatOpenAI(model=model, max_tokens=64, **account)

whole = chat.invoke("exact usage").text
streamed = "".join(chunk.text for chunk in chat.stream("exact usage"))

# Text instead of tokens, as servers that are not OpenAI's take it.
embeddings = OpenAIEmbeddings(model=model, check_embedding_ctx_length=False, **account)
dimensions = len(embeddings.embed_query("exact usage"))
try:
    refused = ChatOpenAI(model="not-sold", **account).invoke("exact usage")
except APIStatusError as error:
    refused = {"status": error.status_code, "code": error.code}

print(json.dumps({"said": [whole, streamed], "dimensions": dimensions, "refused": refused}))
