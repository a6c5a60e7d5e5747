"""Others that do the same job, each as one writes it first by its documentation.

Each has an environment of its own under build/peers (`make bench-capacity`); none is a dependency of the project.
"""
