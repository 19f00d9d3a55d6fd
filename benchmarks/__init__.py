"""Speed, measured beside the peers in the same run: `python -m benchmarks`. `harness.py` says how."""
