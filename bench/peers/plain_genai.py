"""google-genai to a model without TLS: it only knows wss, and the model of the bench speaks without to everybody."""

from google import genai


def lead(client: genai.Client, model_url: str) -> None:
    """All connections of this client go there."""
    api = client._api_client
    api._websocket_base_url = lambda http_options=None: model_url
    api._websocket_ssl_ctx = {}
