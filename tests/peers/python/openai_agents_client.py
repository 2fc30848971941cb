"""PyPI openai-agents: an agent with a tool, to its end and as a stream."""

import asyncio
import json
import sys

from agents import Agent, Runner, function_tool, set_default_openai_client, set_tracing_disabled
from openai import AsyncOpenAI

base_url, model = sys.argv[1:]
set_tracing_disabled(True)
set_default_openai_client(AsyncOpenAI(base_url=base_url, api_key="of no use here"))
asked: list[str] = []


@function_tool
def weather(city: str) -> str:
    """The weather in a city."""
    asked.append(city)
    return "rain"


async def main() -> None:
    agent = Agent(name="Forecaster", instructions="Use the tool.", model=model, tools=[weather])
    whole = await Runner.run(agent, "What is the weather in Berlin?")
    streamed = Runner.run_streamed(agent, "What is the weather in Berlin?")
    async for _ in streamed.stream_events():
        pass
    print(json.dumps({"said": [whole.final_output, streamed.final_output], "asked": asked}))


asyncio.run(main())
