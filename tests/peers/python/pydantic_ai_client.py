"""PyPI pydantic-ai: an agent with a tool, and one with an answer of a given form."""

import json
import sys

from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

base_url, model = sys.argv[1:]
provider = OpenAIProvider(base_url=base_url, api_key="of no use here")
asked: list[str] = []


class Programmer(BaseModel):
    name: str
    year: int


def weather(city: str) -> str:
    """The weather in a city."""
    asked.append(city)
    return "rain"


models = [OpenAIChatModel(model, provider=provider), OpenAIResponsesModel(model, provider=provider)]
said = [Agent(each, tools=[weather]).run_sync("What is the weather in Berlin?").output for each in models]
agent = Agent(models[0], output_type=NativeOutput(Programmer))
parsed = agent.run_sync("Ada: who wrote the first program, and when?").output

print(json.dumps({"said": said, "asked": asked, "parsed": [parsed.model_dump()]}))
