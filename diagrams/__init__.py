"""The diagrams of the lessons: text in this folder, drawn into `notebooks/diagrams/`."""
