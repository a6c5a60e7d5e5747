"""What the model may call.

from gateway.tools import ToolContext, tool

@tool(timeout_s=3)
async def lookup_serial(serial: str, context: ToolContext) -> dict[str, str]:
    \"\"\"Find a device in the inventory by the serial number on its label.\"\"\"
"""

from gateway.tools.tool import ToolContext, tool

__all__ = ["ToolContext", "tool"]
