"""Reads what the Inspector printed on standard input and says whether it is what was expected.

expect.py list          the four tools are listed
expect.py call TOOL     the tool answered, in both forms
"""

import json
import sys

TOOLS = {"search_docs", "fetch_doc", "list_docs", "get_index_status"}
FIELDS = {
    "search_docs": ["results", "omitted", "next_cursor", "mode", "degraded", "sources"],
    "fetch_doc": ["content", "start_line", "end_line", "content_hash", "mode", "sources"],
    "list_docs": ["documents", "next_cursor", "mode", "sources"],
    "get_index_status": ["version", "mode", "fingerprint", "documents", "chunks", "sources"],
}


def check_list(tools):
    names = {tool["name"] for tool in tools}
    assert names == TOOLS, names
    for tool in tools:
        assert tool["annotations"]["readOnlyHint"] is True, tool["name"]
        assert tool["inputSchema"]["additionalProperties"] is False, tool["name"]
        assert tool["outputSchema"]["type"] == "object", tool["name"]


def check_call(tool, result):
    assert not result.get("isError"), result
    structured = result["structuredContent"]
    for field in FIELDS[tool]:
        assert field in structured, (tool, field)
    assert result["content"][0]["type"] == "text" and result["content"][0]["text"].strip(), tool
    if tool == "search_docs":
        assert structured["results"][0]["path"] == "guides/retries.md", structured["results"]
    if tool == "fetch_doc":
        assert structured["content"].startswith("## Back-off\n"), structured["content"]
    if tool == "list_docs":
        assert [doc["path"] for doc in structured["documents"]] == ["guides/install.md", "guides/retries.md"]


if __name__ == "__main__":
    printed = json.load(sys.stdin)
    if sys.argv[1] == "list":
        check_list(printed["tools"])
    else:
        check_call(sys.argv[2], printed)
