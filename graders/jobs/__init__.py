"""Fine-tuning jobs as local dry runs, and the files they read, in one folder on disk."""
