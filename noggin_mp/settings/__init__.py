"""One YAML file becomes one frozen, validated settings object."""
