"""Arrays, streams and kernels: where pixels are worked on."""
