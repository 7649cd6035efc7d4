"""Embeddings: the performers of cosine, a server's and the model of extra `models`."""
