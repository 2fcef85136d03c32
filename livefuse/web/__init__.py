"""What the daemon says over HTTP: pages, WHIP and WHEP, the API."""
