"""The synthetic camera: parametric faces whose landmarks are known, drawn fast enough to run beside the pipeline."""
