"""From a model in float32 to one in half precision or INT8, judged on real crops before it is kept."""
