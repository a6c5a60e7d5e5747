"""The WebRTC leg: a peer that makes PCM and JPEG of tracks, and a track of PCM."""
