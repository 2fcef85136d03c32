"""Pictures and sound to and from browsers, OBS and other WebRTC peers, on aiortc."""
