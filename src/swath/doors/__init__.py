"""Doors to the verbs: the command line, later the page and MCP. Thin: what they say comes from `swath.tools`."""
