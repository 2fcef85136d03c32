"""`livefuse bench webrtc`: from the instant at which a frame was due to the instant at which a browser shows it."""
