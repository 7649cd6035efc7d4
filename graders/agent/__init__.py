"""What coding agents may do: tools by MCP, each a command in a process of its own (extra `mcp`)."""
