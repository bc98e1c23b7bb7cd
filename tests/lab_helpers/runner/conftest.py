import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

Make = Callable[..., Path]


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only Jupyter kernel in the test is this Python, under the workshop's name."""
    data = tmp_path / "jupyter"
    spec = data / "kernels" / "mlops-workshop"
    spec.mkdir(parents=True)
    argv = f'["{sys.executable}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"]'
    (spec / "kernel.json").write_text(
        f'{{"argv": {argv}, "display_name": "MLOps workshop", "language": "python"}}'
    )
    monkeypatch.setenv("JUPYTER_PATH", str(data))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(data))
    return data


@pytest.fixture
def notebook(tmp_path: Path) -> Make:
    """Writes a notebook of code cells; a cell that begins with # and a title is Markdown."""
    directory = tmp_path / "notebooks"
    directory.mkdir(exist_ok=True)

    def make(name: str, *cells: str, parameters: str | None = None, kernel: str = "mlops-workshop") -> Path:
        document = nbformat.v4.new_notebook()
        document.metadata["kernelspec"] = {"name": kernel, "display_name": kernel, "language": "python"}
        if parameters is not None:
            document.cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
        for source in cells:
            new = nbformat.v4.new_markdown_cell if source.startswith("## ") else nbformat.v4.new_code_cell
            document.cells.append(new(source))
        path = directory / name
        nbformat.write(document, path)
        return path

    return make
