"""A WebRTC gateway between browsers and the Gemini Live WebSocket API."""

from importlib.metadata import version

__version__ = version("gemini-live-gateway")
