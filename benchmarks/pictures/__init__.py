"""Draw docs/pictures from runs of the bundled model and collection: python -m benchmarks.pictures."""
