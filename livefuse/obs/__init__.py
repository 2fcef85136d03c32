"""OBS Studio, by its own WebSocket server."""
