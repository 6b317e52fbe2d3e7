// Lists and calls the four tools through the TypeScript SDK: sdk.mjs URL, or sdk.mjs COMMAND ARGUMENT...
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The packages are installed outside of the source tree: LECTERN_TEST_MODULES says where.
const require = createRequire(`${process.env.LECTERN_TEST_MODULES}/package.json`);
const load = (name) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/client/${name}`)).href);
const { Client } = await load("index.js");
const { StreamableHTTPClientTransport } = await load("streamableHttp.js");
const { StdioClientTransport } = await load("stdio.js");

const [target, ...rest] = process.argv.slice(2);
const transport = target.includes("://")
  ? new StreamableHTTPClientTransport(new URL(target))
  : new StdioClientTransport({ command: target, args: rest });
const client = new Client({ name: "lectern-protocol-suites", version: "1.0.0" });
await client.connect(transport);

assert.equal(client.getServerVersion().name, "lectern");
const { tools } = await client.listTools();
const calls = JSON.parse(readFileSync(new URL("calls.json", import.meta.url)));
assert.deepEqual(tools.map((tool) => tool.name).sort(), calls.map((call) => call.tool).sort());
for (const { tool, arguments: given } of calls) {
  // The SDK checks the structured content against the tool's output schema.
  const result = await client.callTool({ name: tool, arguments: given });
  assert.ok(!result.isError, `${tool}: ${JSON.stringify(result)}`);
  assert.ok(result.structuredContent && result.content[0].text.trim(), tool);
}
const refused = await client.callTool({ name: "search_docs", arguments: { query: "x", max_tokens: 1 } });
assert.ok(refused.isError && refused.content[0].text.includes("200"), JSON.stringify(refused));
await client.close();
