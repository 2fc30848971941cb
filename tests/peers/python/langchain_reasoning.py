"""PyPI langchain-openai on the Responses API: the second request carries the reasoning of the first answer."""

import json
import sys

from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

base_url, model = sys.argv[1:]
asked: list[str] = []


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    asked.append(city)
    return "rain"


def loop(streaming: bool) -> str:
    chat = ChatOpenAI(
        model=model,
        base_url=base_url,
        api_key="of no use here",
        use_responses_api=True,
        reasoning={"effort": "low", "summary": "auto"},
        include=["reasoning.encrypted_content"],
        store=False,
        streaming=streaming,
    ).bind_tools([weather])
    messages = [HumanMessage("What is the weather in Berlin?")]
    while True:
        answer = chat.invoke(messages)
        messages.append(answer)
        if not answer.tool_calls:
            return answer.text
        kinds = [block["type"] for block in answer.content]
        assert "reasoning" in kinds, kinds
        messages += [weather.invoke(call) for call in answer.tool_calls]


print(json.dumps({"said": [loop(False), loop(True)], "asked": asked}))
