"""The daemon: channels, the token, presets and jobs."""
