"""What `livefuse bench` measures, callable from tests and scripts as well."""
