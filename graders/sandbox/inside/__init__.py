"""What runs on the far side of the pipe, in the worker process.

These modules use the standard library alone and import only one another (relatively), because
they may run under another interpreter than the engine's, one that has no `graders` installed.
"""
