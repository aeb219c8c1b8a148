"""The figure that shows itself in a notebook. This module imports matplotlib."""

import io

from matplotlib import figure

DOTS_PER_INCH = 120  # at this, the letters are as large as a notebook's own


class Figure(figure.Figure):
    """A matplotlib figure outside of pyplot, with a picture for notebooks."""

    def _repr_png_(self):
        picture = io.BytesIO()
        self.savefig(picture, format="png", dpi=DOTS_PER_INCH)
        return picture.getvalue()
