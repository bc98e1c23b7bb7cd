"""What the local account does and how it differs from AWS, read from the code: `docs/fidelity.md`.

Whoever writes code that differs from AWS says so there, in a paragraph of a docstring (`notes`). Which
operations there are is known from the classes of the services and from botocore's models (`standing`), which
resource types from the providers (`resource_types`). `page` makes Markdown of all that.
"""
