"""Pages on this machine: served on 127.0.0.1 only, read-only, at an address that holds a random token."""

from candlecast.serving.local import HOST, Answer, Reply, Stream, serve

__all__ = ["HOST", "Answer", "Reply", "Stream", "serve"]
