"""Lists and calls the four tools through the Python SDK: sdk.py MODE URL, or MODE COMMAND ARGUMENT..."""

import asyncio
import json
import pathlib
import sys

from expect import check_call, check_list
from mcp import Client, StdioServerParameters

CALLS = json.loads((pathlib.Path(__file__).parent / "calls.json").read_text())


async def main(mode, target):
    server = target[0] if "://" in target[0] else StdioServerParameters(command=target[0], args=target[1:])
    async with Client(server, mode=mode) as client:
        assert client.server_info.name == "lectern", client.server_info
        modern = client.protocol_version >= "2026-07-28"
        assert modern == (mode != "legacy"), client.protocol_version
        tools = await client.list_tools()
        check_list(tools.model_dump(mode="json", by_alias=True)["tools"])
        for call in CALLS:
            # The SDK checks the structured content against the tool's output schema.
            result = await client.call_tool(call["tool"], call["arguments"])
            check_call(call["tool"], result.model_dump(mode="json", by_alias=True))
        refused = await client.call_tool("search_docs", {"query": "x", "max_tokens": 1})
        assert refused.is_error and "200" in refused.content[0].text, refused


asyncio.run(main(sys.argv[1], sys.argv[2:]))
