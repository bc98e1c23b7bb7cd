"""A plot with the text that says what it shows."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 100


class Picture:
    """A matplotlib figure with alternative text, for a notebook's last line.

    JupyterLab gives the images of outputs no alternative text, so the figure is shown as HTML. The figure is
    closed, or the inline backend would show it a second time at the end of the cell.
    """

    def __init__(self, figure: Figure, alt: str) -> None:
        import matplotlib.pyplot as plt  # noqa: PLC0415 (what has made the figure has imported it)

        plt.close(figure)
        self.figure = figure
        self.alt = alt

    def __repr__(self) -> str:
        return self.alt

    def _repr_html_(self) -> str:
        image = io.BytesIO()
        # Without a ground of its own, black text would disappear in a dark theme.
        self.figure.savefig(image, format="png", dpi=DOTS_PER_INCH, facecolor="white")
        data = base64.b64encode(image.getvalue()).decode()
        return (
            f'<img alt="{html.escape(self.alt)}" style="max-width:100%" src="data:image/png;base64,{data}">'
        )
