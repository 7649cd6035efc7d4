"""Speed, start-up time and memory, measured: `python -m benchmarks [--quick] [NAME...]`."""
