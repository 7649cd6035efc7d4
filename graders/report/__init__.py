"""Renderings for people."""
