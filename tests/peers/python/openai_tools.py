"""PyPI openai with tools and with an answer of a given form, in both of its APIs."""

import json
import sys

from openai import OpenAI, pydantic_function_tool
from pydantic import BaseModel

base_url, model = sys.argv[1:]
client = OpenAI(base_url=base_url, api_key="of no use here")
asked: list[str] = []


class Weather(BaseModel):
    """The weather in a city."""

    city: str


class Programmer(BaseModel):
    name: str
    year: int


def rain_in(arguments: str) -> str:
    asked.append(json.loads(arguments)["city"])
    return "rain"


def by_chat() -> str:
    messages = [{"role": "user", "content": "What is the weather in Berlin?"}]
    tools = [pydantic_function_tool(Weather, name="weather")]
    while True:
        message = client.chat.completions.create(model=model, messages=messages, tools=tools).choices[0].message
        if not message.tool_calls:
            return message.content
        messages.append(message)
        for call in message.tool_calls:
            result = {"role": "tool", "tool_call_id": call.id, "content": rain_in(call.function.arguments)}
            messages.append(result)


def by_responses() -> str:
    given = [{"role": "user", "content": "What is the weather in Berlin?"}]
    schema = {**Weather.model_json_schema(), "additionalProperties": False}
    tools = [{"type": "function", "name": "weather", "parameters": schema, "strict": True}]
    while True:
        response = client.responses.create(
            model=model, input=given, tools=tools, store=False, include=["reasoning.encrypted_content"]
        )
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            return response.output_text
        given += response.output
        for call in calls:
            output = rain_in(call.arguments)
            given.append({"type": "function_call_output", "call_id": call.call_id, "output": output})


question = [{"role": "user", "content": "Ada: who wrote the first program, and when?"}]
parsed = client.chat.completions.parse(model=model, messages=question, response_format=Programmer)
by_parse = client.responses.parse(model=model, input=question, text_format=Programmer)
of_form = [parsed.choices[0].message.parsed, by_parse.output_parsed]

print(
    json.dumps(
        {
            "said": [by_chat(), by_responses()],
            "asked": asked,
            "parsed": [answer.model_dump() for answer in of_form],
        }
    )
)
