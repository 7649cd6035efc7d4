"""Hosted-compatible endpoints over HTTP, and the playground page (extra `server`)."""
